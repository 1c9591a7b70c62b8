#include "apps/nodule/image_files.h"

#include <filesystem>

#include "data/sets/dataset.h"
#include "io/atomic_file.h"
#include "io/bytes.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;

ImageFiles::ImageFiles(const std::string& folder) {
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  if (error) fail_file("nodule import: --images", printable(folder), error.value());
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) fail_file("nodule import: --images", printable(folder), error.value());
    if (!at->is_regular_file() || !detail::is_image_file(at->path().string())) continue;
    const std::string path = at->path().lexically_relative(folder).string();
    claimed_[path] = false;
    by_name_[at->path().filename().string()].push_back(path);
    if (const auto id = image_id(path)) by_key_[id->key].push_back(path);
  }
}

std::string ImageFiles::find(const ReportImage& image, std::string& state) {
  const std::vector<std::string>* paths = nullptr;
  if (const auto named = by_name_.find(image.file); !image.file.empty() && named != by_name_.end())
    paths = &named->second;
  else if (const auto id = image_id(image.id); id && by_key_.contains(id->key))
    paths = &by_key_.at(id->key);
  state = !paths ? "missing" : paths->size() > 1 ? "ambiguous" : "found";
  if (state != "found") return "";
  claimed_[paths->front()] = true;
  return paths->front();
}

std::vector<std::string> ImageFiles::unclaimed() const {
  std::vector<std::string> rest;
  for (const auto& [path, claimed] : claimed_)
    if (!claimed) rest.push_back(path);
  return rest;
}

}  // namespace gadolin::nodule
