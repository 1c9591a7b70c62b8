#include "apps/program/work_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {

WorkLock::WorkLock(const char* op, const std::string& folder, const std::string& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)) {
  if (file_ < 0) fail_file(op, path, errno);
  for (int tries = 0; ::flock(file_, LOCK_EX | LOCK_NB) != 0; ++tries) {
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EWOULDBLOCK && tries < 20) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    ::close(file_);
    if (error != EWOULDBLOCK) fail_file(op, path, error);
    fail<FileError, 3>(op, ": another process works on ", printable(folder), "; wait for it or stop it");
  }
}
WorkLock::~WorkLock() { ::close(file_); }

}  // namespace gadolin
