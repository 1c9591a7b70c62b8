// A lock on the work in a folder, for commands that would undo one another there.
#pragma once

#include <string>

namespace gadolin {

// Held until it is destroyed or its process ends, however that ends: the kernel gives it back. The lock is on
// the file `path` in the folder, which stays.
class WorkLock {
 public:
  // `op`: the command, for messages. Waits two seconds for one that is about to go, then throws FileError.
  WorkLock(const char* op, const std::string& folder, const std::string& path);
  ~WorkLock();
  WorkLock(const WorkLock&) = delete;
  WorkLock& operator=(const WorkLock&) = delete;
  int file() const { return file_; }  // its descriptor: who inherits it holds the lock too

 private:
  int file_ = -1;
};

}  // namespace gadolin
