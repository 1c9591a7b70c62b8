// A file seen as memory, for formats whose readers look at parts of large files.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tensor/storage.h"

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

  std::byte* data() const { return data_; }                                                // first byte
  std::size_t size() const { return size_; }                                               // bytes
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }  // the same as text
  const std::string& path() const { return path_; }                                        // as given
  // Gives back the memory of whole pages in this range that nobody wrote to; read again, they come from the
  // file.
  void forget(std::size_t begin, std::size_t bytes) const;

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes of a mapped file as the storage of tensors, which keeps the file mapped; a copy of them where their
// place is no multiple of `alignment`. Throws FormatError unless they lie inside the file.
Ref<Storage> mapped_storage(const std::shared_ptr<MappedFile>& file, std::size_t begin, std::size_t bytes,
                            std::size_t alignment);

}  // namespace gadolin
