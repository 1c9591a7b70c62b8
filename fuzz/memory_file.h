// Bytes as a file without a name, for readers that map files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace gadolin::fuzz {

class MemoryFile {
 public:
  MemoryFile() : file_(memfd_create("input", 0)), path_("/proc/self/fd/" + std::to_string(file_)) {
    if (file_ < 0) std::abort();
  }
  // The path of a file that holds these bytes until the next call.
  const std::string& holding(const std::uint8_t* bytes, std::size_t count) {
    if (ftruncate(file_, 0) != 0 || pwrite(file_, bytes, count, 0) != static_cast<ssize_t>(count))
      std::abort();
    return path_;
  }

 private:
  int file_;
  std::string path_;
};

}  // namespace gadolin::fuzz
