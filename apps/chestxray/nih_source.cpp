#include "apps/chestxray/nih_source.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <unordered_set>

#include "data/sets/dataset.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace fs = std::filesystem;
namespace {

class Walk {
 public:
  explicit Walk(fs::path root) : root_(std::move(root)) {}

  FoundImages images() {
    folder("");
    std::ranges::sort(found_.doubled);
    return std::move(found_);
  }

 private:
  void folder(const std::string& below) {
    std::error_code error;
    const fs::path real = fs::canonical(root_ / below, error);
    if (error) fail_file("nih", printable((root_ / below).string()), error.value());
    if (!seen_.insert(real.string()).second) return;
    const std::size_t number = found_.folders.size();
    found_.folders.push_back(below);
    std::vector<std::string> deeper;
    fs::directory_iterator entries(root_ / below, error), end;
    for (; !error && entries != end; entries.increment(error)) {
      std::string name = entries->path().filename().string();
      if (entries->is_directory(error))
        deeper.push_back(below.empty() ? name : below + "/" + name);
      else if (detail::is_image_name(name))
        image(number, std::move(name));
      error.clear();  // of is_directory: a broken link is no folder
    }
    if (error) fail_file("nih", printable(real.string()), error.value());
    std::ranges::sort(deeper);
    for (const std::string& next : deeper) folder(next);
  }
  void image(std::size_t number, std::string name) {
    std::string stem(stem_of(name));
    const auto [found, fresh] = found_.place.emplace(std::move(stem), FoundImages::Place{number, name});
    if (fresh) return;
    // Of several files of one name the one in the first folder, or of the first ending, is taken.
    FoundImages::Place other{number, std::move(name)};
    if (other.folder == found->second.folder && other.file < found->second.file)
      std::swap(other, found->second);
    found_.doubled.push_back(found_.name_of(other));
  }
  fs::path root_;
  std::set<std::string> seen_;
  FoundImages found_;
};

std::vector<std::string> files_in(const std::string& root, const std::string& begin,
                                  const std::string& ending) {
  std::error_code error;
  std::vector<std::string> files;
  fs::directory_iterator entries(root, error), end;
  if (error) fail_file("nih", printable(root), error.value());
  for (; entries != end; entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (name.starts_with(begin) && has_ending(name, ending)) files.push_back(entries->path().string());
    if (error) fail_file("nih", printable(root), error.value());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

NihList parse_nih_list(std::string_view text, const std::string& name) {
  NihList list;
  list.name = fs::path(name).filename().string();
  std::unordered_set<std::string> seen;
  std::int64_t line = 0;
  for (const std::string& whole : text_lines(text)) {
    ++line;                                                                 // of those that are not empty
    const std::string image = whole.substr(whole.find_last_of("/\\") + 1);  // npos + 1 is 0
    require<DataError>(detail::is_image_name(image) && printable(image) == image, "nih: ", printable(name),
                       ": entry ", line, ": '", printable(whole),
                       "' is no name of an image, such as 00000001_000.png");
    require<DataError>(seen.insert(std::string(stem_of(image))).second, "nih: ", printable(name), ": entry ",
                       line, ": ", image, " is listed twice; remove one of the entries");
    list.images.push_back(image);
  }
  require<DataError>(!list.images.empty(), "nih: ", printable(name),
                     " lists no images; is it the right file, and whole?");
  std::vector<std::string_view> sorted(list.images.begin(), list.images.end());
  std::ranges::sort(sorted);
  Sha256 hash;
  for (const std::string_view image : sorted) hash.update(image).update("\n");
  list.sha256 = hash.hex();
  return list;
}

NihList read_nih_list(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  return parse_nih_list({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

bool official_lists(const NihList& train_val, const NihList& test) {
  return train_val.images.size() == 86'524 && test.images.size() == 25'596;
}

std::string FoundImages::name_of(const Place& p) const {
  return folders[p.folder].empty() ? p.file : folders[p.folder] + "/" + p.file;
}

FoundImages find_images(const std::string& root) { return Walk(root).images(); }

std::vector<std::string> find_nih_tables(const std::string& root) {
  std::vector<std::string> tables = files_in(root, "Data_Entry", ".csv");
  require<DataError>(!tables.empty(), "nih: ", printable(root),
                     " has no Data_Entry_2017.csv; name the table with --table");
  return tables;
}

std::string find_nih_list(const std::string& root, const std::string& begin) {
  const std::vector<std::string> lists = files_in(root, begin, ".txt");
  const auto exact = std::ranges::find(lists, (fs::path(root) / (begin + ".txt")).string());
  if (exact != lists.end()) return *exact;
  require<DataError>(lists.size() < 2, "nih: ", printable(root), " has ", lists.size(), " lists ", begin,
                     "*.txt; name one of them with --train-val-list or --test-list");
  return lists.empty() ? "" : lists[0];
}

}  // namespace gadolin::chestxray
