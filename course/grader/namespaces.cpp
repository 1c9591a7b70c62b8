#include "course/grader/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace gadolin::course {
namespace {

constexpr int namespace_flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

void write_line(const char* file, const char* text) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const auto done = ::write(fd, text, std::strlen(text));
  ::close(fd);
}

}  // namespace

bool enter_namespaces() {
  if (::geteuid() == 0) return ::unshare(namespace_flags) == 0;
  char uid[64], gid[64];
  std::snprintf(uid, sizeof uid, "%u %u 1", ::geteuid(), ::geteuid());
  std::snprintf(gid, sizeof gid, "%u %u 1", ::getegid(), ::getegid());
  if (::unshare(CLONE_NEWUSER | namespace_flags) != 0) return false;
  write_line("/proc/self/setgroups", "deny");
  write_line("/proc/self/uid_map", uid);
  write_line("/proc/self/gid_map", gid);
  return true;
}

void own_shared_memory() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0)
    ::mount("tmpfs", shared_memory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=1m");
}

}  // namespace gadolin::course
