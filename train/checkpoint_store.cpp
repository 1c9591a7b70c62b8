// Which checkpoint files exist, which one is meant, which ones may go.
#include "train/checkpoint_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "io/atomic_file.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

bool same_file(const std::string& a, const std::string& b) {
  struct stat one {
  }, two{};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
}

// N of "step-N.gdck", or -1.
std::int64_t step_of(const std::string& name) {
  constexpr std::string_view before = "step-";
  const std::string_view suffix = checkpoint_suffix;
  if (name.size() <= before.size() + suffix.size() || name.rfind(before, 0) != 0) return -1;
  const char* end = name.data() + name.size() - suffix.size();
  if (std::string_view(end, suffix.size()) != suffix) return -1;
  std::int64_t step = -1;
  const auto [stop, error] = std::from_chars(name.data() + before.size(), end, step);
  return error == std::errc{} && stop == end && step >= 0 ? step : -1;
}

}  // namespace

CheckpointStore::CheckpointStore(std::string folder, int keep) : folder_(std::move(folder)), keep_(keep) {
  require<ValueError>(keep >= 1, "checkpoints: keep ", keep, "; at least 1");
  make_folders("checkpoints", folder_);
}

std::string CheckpointStore::step_path(std::int64_t step) const {
  return folder_ + "/step-" + std::to_string(step) + checkpoint_suffix;
}

std::vector<std::int64_t> CheckpointStore::steps() const {
  std::vector<std::int64_t> found;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::int64_t step = step_of(it->path().filename().string());
    if (step >= 0) found.push_back(step);
  }
  if (error) fail_file("checkpoints", folder_, error.value());
  std::sort(found.begin(), found.end());
  return found;
}

std::string CheckpointStore::save(const Checkpoint& checkpoint, std::int64_t step, bool best_so_far) {
  const std::string path = step_path(step);
  save_checkpoint(path, checkpoint);
  link_file_atomically(path, last());
  if (best_so_far) link_file_atomically(path, best());
  remove_old(step);
  return path;
}

// Later steps than the one just written are left alone: they are from before a return to an earlier
// checkpoint.
void CheckpointStore::remove_old(std::int64_t newest_step) const {
  int kept = 0;
  std::vector<std::int64_t> all = steps();
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    if (*step > newest_step || kept++ < keep_) continue;
    const std::string path = step_path(*step);
    // Where best and last are symbolic links, the file that they name must stay.
    struct stat facts {};
    const bool linked =
        ::lstat(best().c_str(), &facts) == 0 && S_ISLNK(facts.st_mode) && same_file(path, best());
    if (linked || same_file(path, last())) continue;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail_file("checkpoints", path, errno);
  }
}

std::optional<CheckpointStore::Found> CheckpointStore::newest() const {
  std::vector<std::string> paths;
  std::vector<std::int64_t> all = steps();
  for (auto step = all.rbegin(); step != all.rend(); ++step) paths.push_back(step_path(*step));
  for (const std::string& link : {last(), best()}) {
    std::error_code error;
    if (fs::exists(link, error)) paths.push_back(link);
  }
  std::vector<std::string> skipped;
  for (const std::string& path : paths) {
    try {
      return Found{path, load_checkpoint(path), std::move(skipped)};
    } catch (const CheckpointError& e) {
      skipped.push_back(e.message());
    } catch (const FileError& e) {
      skipped.push_back(e.message());
    }
  }
  require<CheckpointError>(skipped.empty(), "checkpoints: none of ", skipped.size(), " in ", folder_,
                           " is usable (", skipped.empty() ? std::string() : skipped.front(),
                           "); start again without --resume");
  return std::nullopt;
}

std::string find_checkpoint(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error) || fs::exists(path + "/checkpoint", error)) return path;
  for (const std::string& folder : {path + "/checkpoints", path}) {
    if (!fs::is_directory(folder, error)) continue;
    if (const auto found = CheckpointStore(folder).newest()) return found->path;
  }
  fail<FileError>("checkpoint: ", path, " holds no checkpoints; is it the folder of a run?");
}

}  // namespace gadolin
