// mmap with the errors of files.
#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: a pipe without a writer must be refused, not waited for.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail_file("read", path, errno);
  struct stat facts {};
  int error = ::fstat(file, &facts) != 0 ? errno : 0;
  if (error == 0 && S_ISDIR(facts.st_mode)) error = EISDIR;
  if (error == 0 && !S_ISREG(facts.st_mode)) {
    ::close(file);
    fail<FileError>("read: ", path, " is not a regular file; copy its contents to one");
  }
  size_ = static_cast<std::size_t>(facts.st_size);
  if (error == 0 && size_ > 0) {
    void* at = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
    if (at == MAP_FAILED)
      error = errno;
    else
      data_ = static_cast<std::byte*>(at);
  }
  ::close(file);
  if (error != 0) fail_file("read", path, error);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void MappedFile::forget(std::size_t begin, std::size_t bytes) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = (begin + page - 1) / page * page,
                    end = std::min(begin + bytes, size_) / page * page;
  if (first < end) ::madvise(data_ + first, end - first, MADV_DONTNEED);
}

Ref<Storage> mapped_storage(const std::shared_ptr<MappedFile>& file, std::size_t begin, std::size_t bytes,
                            std::size_t alignment) {
  require<FormatError>(begin <= file->size() && bytes <= file->size() - begin, "read: ", file->path(), ": ",
                       bytes, " bytes at byte ", begin, " are not inside its ", file->size());
  std::byte* at = file->data() + begin;
  if (bytes == 0 || reinterpret_cast<std::uintptr_t>(at) % alignment != 0) {
    Ref<Storage> copy(new Storage(static_cast<std::int64_t>(bytes), cpu));
    if (bytes > 0) std::memcpy(copy->data(), at, bytes);
    return copy;
  }
  auto owner = std::make_unique<std::shared_ptr<MappedFile>>(file);
  const auto release = [](void* held) { delete static_cast<std::shared_ptr<MappedFile>*>(held); };
  Ref<Storage> storage(new Storage(at, static_cast<std::int64_t>(bytes), owner.get(), release));
  owner.release();
  return storage;
}

}  // namespace gadolin
