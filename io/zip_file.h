// Zip archives over mapped files: members are found and checked before anything is allocated, and stored
// members are read in place. PyTorch's files and NumPy's .npz are such archives.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.h"
#include "io/mapped_file.h"

namespace gadolin {

// One member as the central directory describes it, checked against its own header.
struct ZipEntry {
  std::string name;
  std::uint64_t header = 0;  // where its own header begins in the file
  std::uint64_t begin = 0;   // and where its bytes do
  std::uint64_t stored = 0;  // bytes in the file
  std::uint64_t size = 0;    // bytes after unpacking
  std::uint32_t crc = 0;     // CRC-32 of those
  bool deflated = false;
};

// A whole archive (zip64 included). Throws FormatError for damage; for encryption, several disks, methods
// other than stored and deflated, names that repeat, are absolute, or lead upwards; and for members that
// overlap, lie outside the file, or claim to unpack to more than deflate can (1032 times).
class ZipFile {
 public:
  // `name` stands in messages; `bytes` must outlive this.
  ZipFile(std::string_view bytes, std::string name);
  static bool looks_like(std::string_view bytes) { return bytes.substr(0, 4) == "PK\x03\x04"; }

  const std::vector<ZipEntry>& entries() const { return entries_; }
  const ZipEntry* find(std::string_view name) const;  // nullptr when there is none
  // The bytes of a stored member, in place. Throws FormatError for a deflated one and when the CRC-32 is
  // wrong.
  std::string_view view(const ZipEntry& entry) const;
  // A copy of a member, unpacked. Throws FormatError when its CRC-32 is wrong or it is larger than `limit`.
  std::string read(const ZipEntry& entry, std::uint64_t limit) const;

 private:
  struct Directory {
    std::uint64_t begin, bytes, count;
  };
  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void place(ZipEntry& entry) const;
  void check_overlaps(std::uint64_t end) const;
  void check_sum(const ZipEntry& entry, std::string_view bytes) const;
  std::string inflated(const ZipEntry& entry) const;
  template <class T> T number(std::uint64_t at) const;
  template <class... Parts> [[noreturn]] void wrong(const Parts&... parts) const;
  std::string_view bytes_;
  std::string name_;
  std::vector<ZipEntry> entries_;
  std::vector<std::uint32_t> by_name_;  // sorted
};

// Writes members one after another, stored, each aligned to 64 bytes, so that readers can map them. Dates are
// fixed: the same contents give the same bytes.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}
  // Throws ValueError for more than 4 GiB or 65,535 members in all.
  void add(const std::string& name, const void* bytes, std::uint64_t count);
  void add(const std::string& name, std::string_view text) { add(name, text.data(), text.size()); }
  void finish();

 private:
  AtomicFile& file_;
  std::vector<ZipEntry> done_;
};

}  // namespace gadolin
