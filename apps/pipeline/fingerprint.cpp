#include "apps/pipeline/fingerprint.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::pipeline {
namespace fs = std::filesystem;
namespace {

struct Listed {
  std::string name, path;  // name: below the path that is asked for
  std::int64_t bytes = 0, changed = 0;
};

Listed listed(const std::string& name, const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) fail_file("pipeline", path, errno);
  return {name, path, S_ISREG(facts.st_mode) ? static_cast<std::int64_t>(facts.st_size) : 0,
          static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

std::vector<Listed> files_of(const std::string& path) {
  std::vector<Listed> files;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    files.push_back(listed("", path));
    return files;
  }
  fs::recursive_directory_iterator at(path, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (at->is_directory(error)) continue;
    files.push_back(listed(at->path().lexically_relative(path).string(), at->path().string()));
  }
  if (error) fail_file("pipeline", path, error.value());
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

}  // namespace

Json Fingerprint::json() const {
  return {{"files", files},
          {"bytes", bytes},
          {"known_by", by_content ? "content" : "names, sizes and times"},
          {"sha256", hash}};
}

Fingerprint Fingerprint::of(const Json& json) {
  return {true, json.at("files"), json.at("bytes"), json.at("known_by") == "content", json.at("sha256")};
}

Fingerprint fingerprint(const std::string& path) {
  std::error_code error;
  Fingerprint print;
  print.there = fs::exists(path, error);
  if (!print.there) return print;
  const std::vector<Listed> files = files_of(path);
  for (const Listed& file : files) print.bytes += file.bytes;
  print.files = static_cast<std::int64_t>(files.size());
  print.by_content = print.bytes <= by_content_bytes;
  Sha256 sum;
  for (const Listed& file : files) {
    sum.update(cat(file.name, '\0', file.bytes, '\0'));
    if (print.by_content && file.bytes > 0) {
      const MappedFile bytes(file.path);
      sum.update(bytes.data(), bytes.size());
    } else if (!print.by_content) {
      sum.update(cat(file.changed, '\0'));
    }
  }
  print.hash = sum.hex();
  return print;
}

}  // namespace gadolin::pipeline
