#include "apps/hemorrhage/archive.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>

#include "io/bytes.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::hemorrhage {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t run_length = 512;

CtMember member_of(const ZipEntry& entry) {
  CtMember m;
  m.entry = &entry;
  const std::size_t slash = entry.name.rfind('/');
  m.folder = slash == std::string_view::npos ? std::string_view() : entry.name.substr(0, slash);
  m.image = entry.name.substr(slash == std::string_view::npos ? 0 : slash + 1);
  m.image.remove_suffix(4);
  const std::string_view last = m.folder.substr(m.folder.rfind('/') + 1);  // npos + 1 is 0
  m.train = last.find("train") != std::string_view::npos;
  m.test = !m.train && last.find("test") != std::string_view::npos;
  return m;
}

}  // namespace

std::string find_archive(const std::string& op, const std::string& zip_dir) {
  if (fs::is_regular_file(zip_dir)) return zip_dir;
  const std::string path = (fs::path(zip_dir) / (std::string(archive_stem) + ".zip")).string();
  require<DataError>(fs::is_regular_file(path), op, ": ", printable(zip_dir), " has no ", archive_stem,
                     ".zip; name the folder that has it, or an archive itself");
  return path;
}

CtArchive::CtArchive(std::string path) : file_(path), zip_(file_.text(), path) {
  for (const ZipEntry& entry : zip_.entries())
    if (has_ending(entry.name, ".dcm")) members_.push_back(member_of(entry));
  require<DataError>(!members_.empty(), "hemorrhage: no member of ", printable(path), " ends in .dcm");
  std::vector<const CtMember*> sorted;
  for (const CtMember& m : members_) sorted.push_back(&m);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->image < b->image; });
  for (std::size_t i = 1; i < sorted.size(); ++i)
    require<DataError>(sorted[i - 1]->image != sorted[i]->image, "hemorrhage: ", printable(path), ": image ",
                       printable(sorted[i]->image), " is in ", printable(sorted[i - 1]->folder), " and in ",
                       printable(sorted[i]->folder), "; rename one, as rows of labels name images alone");
}

std::string CtArchive::fingerprint() const {
  Sha256 sum;
  for (const ZipEntry& entry : zip_.entries())
    sum.update(cat(entry.name, "\n", entry.size, "\n", entry.crc, "\n"));
  return sum.hex();
}

void CtArchive::each(const ItemShare& share, const std::function<void(std::size_t)>& visit,
                     const std::function<void(std::size_t)>& after) const {
  const auto from = static_cast<std::size_t>(share.from), to = static_cast<std::size_t>(share.to);
  for (std::size_t first = from; first < to; first += run_length) {
    const std::size_t count = std::min(run_length, to - first);
    std::exception_ptr failed;
    std::mutex mutex;
    std::atomic<std::size_t> next{0};  // members differ in what they cost
    parallel_for(num_threads(), 1, [&](std::int64_t, std::int64_t) {
      try {
        for (std::size_t i; (i = next.fetch_add(1)) < count;) visit(first + i);
      } catch (...) {
        next = count;
        const std::lock_guard lock(mutex);
        failed = std::current_exception();
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      const ZipEntry& entry = *members_[first + i].entry;
      file_.forget(entry.header, entry.room - entry.header);
    }
    if (failed) std::rethrow_exception(failed);
    after(first + count - from);
  }
}

}  // namespace gadolin::hemorrhage
