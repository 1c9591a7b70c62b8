#include "io/staged_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;

StagedFolder::StagedFolder(std::string op, std::string path) : op_(std::move(op)), path_(std::move(path)) {
  while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
  std::error_code error;
  const bool free = !fs::exists(fs::symlink_status(path_, error)) ||
                    (fs::is_directory(path_, error) && fs::is_empty(path_, error));
  require<UsageError>(free, op_, ": ", printable(path_),
                      " exists and is no empty folder; give another or remove it");
  const fs::path parent = fs::path(path_).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  for (int i = 0;; ++i) {
    staged_ = cat(path_, ".tmp-", ::getpid(), "-", i);
    if (::mkdir(staged_.c_str(), 0777) == 0) break;
    if (errno != EEXIST) fail_file(op_.c_str(), printable(path_), errno);
  }
}

StagedFolder::~StagedFolder() {
  std::error_code error;
  if (!staged_.empty()) fs::remove_all(staged_, error);
}

void StagedFolder::commit() {
  sync_folder(staged_);
  if (::rename(staged_.c_str(), path_.c_str()) != 0) fail_file(op_.c_str(), printable(path_), errno);
  staged_.clear();
  const std::string parent = fs::path(path_).parent_path().string();
  sync_folder(parent.empty() ? "." : parent);
}

}  // namespace gadolin
