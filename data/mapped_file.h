// A file seen as memory, for formats whose readers look at parts of large files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gadolin {

// The whole of a regular file. Writing to the bytes changes a private copy of the page, never the file. A
// file that is cut short by somebody else while it is mapped kills the process (SIGBUS); files that Gadolin
// writes are replaced, never cut.
class MappedFile {
 public:
  // Throws FileError when it cannot be opened or is not a regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace gadolin
