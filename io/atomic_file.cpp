// Atomic writing with the plain system calls: O_EXCL, fsync, rename, fsync of the folder.
#include "io/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {

int (*detail::file_fault)(const char* call, const char* path) = nullptr;

namespace {

int injected(const char* call, const std::string& path) {
  return detail::file_fault != nullptr ? detail::file_fault(call, path.c_str()) : 0;
}

const char* hint_of(int error) {
  switch (error) {
    case ENOSPC: return "free some space or choose another folder";
    case EDQUOT: return "remove files or choose another folder";
    case EFBIG: return "raise the limit with ulimit -f";
    case EACCES:
    case EPERM: return "check the permissions or choose another folder";
    case EROFS: return "choose a folder on another disk";
    case ENOENT: return "check the path; folders above it must exist";
    case ENOTDIR: return "a part of the path is a file, not a folder";
    case EISDIR: return "it is a folder; give the path of a file";
    case EMFILE:
    case ENFILE: return "raise the limit with ulimit -n";
    case EIO: return "look at the system log; the disk or the share may be failing";
    default: return "check the disk and the path";
  }
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name(const std::string& path) {
  std::uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) fail_file("write", path, errno);
  char tail[48];
  std::snprintf(tail, sizeof tail, ".tmp-%ld-%016llx", static_cast<long>(getpid()),
                static_cast<unsigned long long>(random));
  return path + tail;
}

// NAME.tmp-<digits>-<16 hex digits>
bool is_temporary(const std::string& name) {
  const std::size_t tmp = name.rfind(".tmp-");
  if (tmp == std::string::npos || tmp == 0) return false;
  std::size_t at = tmp + 5;
  const std::size_t pid = at;
  while (at < name.size() && std::isdigit(static_cast<unsigned char>(name[at]))) ++at;
  if (at == pid || at >= name.size() || name[at] != '-' || name.size() - at - 1 != 16) return false;
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at) + 1, name.end(),
                     [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// What a renamed file must not take the place of.
bool takes_bytes_through(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return false;
  return S_ISCHR(facts.st_mode) || S_ISFIFO(facts.st_mode) || path.rfind("/dev/", 0) == 0 ||
         path.rfind("/proc/", 0) == 0;
}

}  // namespace

void fail_file(const char* op, const std::string& path, int error) {
  std::string reason = std::generic_category().message(error);
  if (reason.size() > 1 && std::islower(static_cast<unsigned char>(reason[1])) != 0) {
    reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  }
  if (error == ENOSPC || error == EDQUOT)
    fail<FileError, 2>(op, ": ", path, ": ", reason, "; ", hint_of(error));
  fail<FileError>(op, ": ", path, ": ", reason, "; ", hint_of(error));
}

void make_folders(const char* op, const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail_file(op, printable(path), error.value());
}

AtomicFile::AtomicFile(std::string path, std::int64_t expected_bytes) : path_(std::move(path)) {
  const int fault = injected("open", path_);
  if (takes_bytes_through(path_)) {
    temporary_ = path_;
    file_ = fault != 0 ? -1 : ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file_ < 0) fail_file("write", path_, fault != 0 ? fault : errno);
    return;
  }
  temporary_ = temporary_name(path_);
  file_ =
      fault != 0 ? -1 : ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file_ < 0) fail_file("write", path_, fault != 0 ? fault : errno);
  if (expected_bytes <= 0) return;
  int error = injected("fallocate", path_);
  while (error == 0 && (error = ::posix_fallocate(file_, 0, expected_bytes)) == EINTR) error = 0;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO) give_up("write", error);
  if (error == 0) reserved_ = expected_bytes;  // elsewhere reserving is not supported, and writing will tell
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (file_ < 0) return;
  ::close(file_);
  if (temporary_ != path_) ::unlink(temporary_.c_str());
  file_ = -1;
}

void AtomicFile::give_up(const char* call, int error) {
  discard();
  fail_file(call, path_, error);
}

void AtomicFile::write(const void* bytes, std::size_t count) {
  require<FileError>(file_ >= 0, "write: ", path_, " is already committed or given up; open a new file");
  const char* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const int fault = injected("write", path_);
    const ssize_t done =
        fault != 0 ? -1 : ::write(file_, from, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (done < 0) {
      const int error = fault != 0 ? fault : errno;
      if (error == EINTR) continue;
      give_up("write", error);
    }
    from += done;
    count -= static_cast<std::size_t>(done);
    written_ += done;
  }
  synced_ = false;
}

void AtomicFile::overwrite(std::int64_t at, std::string_view bytes) {
  const auto count = static_cast<std::int64_t>(bytes.size());
  require<FileError>(file_ >= 0 && at >= 0 && at + count <= written_, "write: ", path_, ": bytes ", at,
                     " to ", at + count, " are not among the ", written_, " written");
  int error = injected("write", path_);
  if (error == 0 && ::pwrite(file_, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size()))
    error = errno != 0 ? errno : EIO;
  if (error != 0) give_up("write", error);
  synced_ = false;
}

void AtomicFile::sync() {
  require<FileError>(file_ >= 0, "write: ", path_, " is already committed or given up; open a new file");
  if (temporary_ == path_) return;
  if (reserved_ > written_ && ::ftruncate(file_, written_) != 0) give_up("write", errno);
  reserved_ = 0;
  int error = injected("fsync", path_);
  while (error == 0 && ::fsync(file_) != 0) {
    if (errno != EINTR) error = errno;
  }
  if (error != 0) give_up("write", error);
  synced_ = true;
}

void AtomicFile::commit() {
  if (!synced_) sync();
  rename_over();
  if (temporary_ != path_) sync_folder(folder_of(path_));
}

void AtomicFile::commit_unsynced() {
  require<FileError>(file_ >= 0, "write: ", path_, " is already committed or given up; open a new file");
  if (reserved_ > written_ && ::ftruncate(file_, written_) != 0) give_up("write", errno);
  rename_over();
}

void AtomicFile::rename_over() {
  int error = injected("close", path_);
  const int file = file_;
  file_ = -1;
  // Network file systems may report a full disk only here.
  if (::close(file) != 0 && error == 0 && errno != EINTR) error = errno;
  if (temporary_ == path_) {
    if (error != 0) fail_file("write", path_, error);
    return;
  }
  if (error == 0) error = injected("rename", path_);
  if (error == 0 && ::rename(temporary_.c_str(), path_.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary_.c_str());
    fail_file("write", path_, error);
  }
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  AtomicFile file(path, static_cast<std::int64_t>(bytes.size()));
  file.write(bytes);
  file.commit();
}

void link_file_atomically(const std::string& target, const std::string& link) {
  const std::string temporary = temporary_name(link);
  int error = injected("link", link);
  if (error == 0 && ::link(target.c_str(), temporary.c_str()) != 0) error = errno;
  if (error == EPERM || error == EOPNOTSUPP || error == EMLINK) {
    const std::string name = target.substr(target.rfind('/') + 1);
    error = ::symlink(name.c_str(), temporary.c_str()) != 0 ? errno : 0;
  }
  if (error != 0) fail_file("link", link, error);
  error = injected("rename", link);
  if (error == 0 && ::rename(temporary.c_str(), link.c_str()) != 0) error = errno;
  // rename() does nothing at all when both names already are the same file, hence the unlink in every case.
  ::unlink(temporary.c_str());
  if (error != 0) fail_file("link", link, error);
  sync_folder(folder_of(link));
}

std::string read_file(const std::string& path, std::int64_t limit) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_file("read", path, errno);
  std::string bytes;
  struct stat facts {};
  if (::fstat(file, &facts) == 0 && S_ISREG(facts.st_mode)) {
    bytes.reserve(static_cast<std::size_t>(std::clamp<std::int64_t>(facts.st_size, 0, limit)));
  }
  std::vector<char> block(std::size_t{1} << 16);
  for (;;) {
    const ssize_t got = ::read(file, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    const int error = errno;
    if (got <= 0) {
      ::close(file);
      if (got < 0) fail_file("read", path, error);
      return bytes;
    }
    bytes.append(block.data(), static_cast<std::size_t>(got));
    if (static_cast<std::int64_t>(bytes.size()) > limit) {
      ::close(file);
      fail<FormatError>("read: ", path, " is larger than ", human_bytes(limit),
                        ", the limit for such a file");
    }
  }
}

void sync_folder(const std::string& folder) {
  int error = injected("fsync folder", folder);
  const int file = error != 0 ? -1 : ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) fail_file("write", folder, error != 0 ? error : errno);
  // EINVAL: a file system without folder sync, where rename is all there is.
  if (::fsync(file) != 0 && errno != EINVAL && errno != EINTR) error = errno;
  ::close(file);
  if (error != 0) fail_file("write", folder, error);
}

void sync_file_system(const std::string& folder) {
  int error = injected("syncfs", folder);
  const int file = error != 0 ? -1 : ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) fail_file("write", folder, error != 0 ? error : errno);
  if (::syncfs(file) != 0) error = errno;
  ::close(file);
  if (error != 0) fail_file("write", folder, error);
}

int remove_stale_temporaries(const std::string& folder, std::time_t before) {
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) return 0;
  int removed = 0;
  while (const dirent* entry = ::readdir(entries)) {
    if (!is_temporary(entry->d_name)) continue;
    const std::string path = folder + "/" + entry->d_name;
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) != 0 || S_ISDIR(facts.st_mode) || facts.st_mtime >= before) continue;
    if (::unlink(path.c_str()) == 0) ++removed;
  }
  ::closedir(entries);
  return removed;
}

}  // namespace gadolin
