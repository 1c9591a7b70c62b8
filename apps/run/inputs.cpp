#include "apps/run/inputs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tensor/check.h"

namespace gadolin {

std::vector<std::string> expand_files(const std::string& command, const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const std::string& path : given) {
    if (std::filesystem::is_directory(path)) {
      std::vector<std::string> inside;
      for (const auto& entry : std::filesystem::directory_iterator(path)) {
        if (entry.is_regular_file() && detail::is_image_name(entry.path().filename().string())) inside.push_back(entry.path().string());
      }
      std::sort(inside.begin(), inside.end());
      files.insert(files.end(), inside.begin(), inside.end());
    } else if (path.ends_with(".txt")) {
      std::ifstream list(path);
      require<FileError>(list.good(), command, ": ", path, " cannot be read; does it exist?");
      for (std::string line; std::getline(list, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (!line.empty()) files.push_back(line);
      }
    } else {
      files.push_back(path);
    }
  }
  return files;
}

std::unique_ptr<Dataset> file_set(const std::vector<std::string>& files, const std::vector<std::string>& classes) {
  std::vector<SampleInfo> samples;
  for (const std::string& file : files) {
    SampleInfo info;
    info.name = info.path = file;
    samples.push_back(info);
  }
  return std::make_unique<Dataset>(classes, false, samples, "");
}

Batch one_sample(const Dataset& set, std::int64_t i, const Pipeline& pipeline, Device device) {
  const auto one = set.subset(std::vector<std::int64_t>{i});
  DataLoader loader(*one, pipeline, {.batch_size = 1, .workers = 0, .device = device});
  Batch batch;
  loader.next(batch);
  return batch;
}

}  // namespace gadolin
