// A folder of several files that appears complete or not at all: filled beside its name, then renamed.
#pragma once

#include <string>

namespace gadolin {

class StagedFolder {
 public:
  // Makes PATH.tmp-<pid>-<number>. Throws UsageError, beginning with `op`, when `path` is there and is no
  // empty folder; FileError.
  StagedFolder(std::string op, std::string path);
  ~StagedFolder();  // without commit() nothing stays
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  std::string operator/(const std::string& name) const { return staged_ + "/" + name; }  // where to write
  const std::string& path() const { return staged_; }
  // Everything written stands under the given path afterwards, also after a loss of power.
  void commit();

 private:
  std::string op_, path_, staged_;
};

}  // namespace gadolin
