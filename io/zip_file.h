// Zip archives over mapped files: members are found and checked before anything is allocated, and stored
// members are read in place. PyTorch's files, NumPy's .npz and archives of DICOM files are such.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.h"
#include "io/mapped_file.h"

namespace gadolin {

// One member as the central directory describes it; 56 bytes, so that a directory of a million members is
// held in 60 MB.
struct ZipEntry {
  std::string_view name;     // in the archive's own bytes
  std::uint64_t header = 0;  // where its own header begins in the file
  std::uint64_t room = 0;    // where the next member or the directory begins
  std::uint64_t stored = 0;  // bytes in the file
  std::uint64_t size = 0;    // bytes after unpacking
  std::uint32_t crc = 0;     // CRC-32 of those
  bool deflated = false;
};

// A whole archive (zip64 included). Only the directory is read at first: an archive of 180 GB opens without a
// look at its members, each of which is held against its own header when it is read. Reading is safe from
// several threads. Throws FormatError for damage; for encryption, several disks, methods other than stored
// and deflated, names that repeat, are absolute, or lead upwards; and for members that overlap, lie outside
// the file, or claim to unpack to more than deflate can (1032 times).
class ZipFile {
 public:
  // `name` stands in messages; `bytes` must outlive this.
  ZipFile(std::string_view bytes, std::string name);
  static bool looks_like(std::string_view bytes) { return bytes.substr(0, 4) == "PK\x03\x04"; }

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the directory's order
  const ZipEntry* find(std::string_view name) const;                 // nullptr when there is none
  // Where a member's bytes begin in the file. Throws FormatError when its own header says otherwise than the
  // directory.
  std::uint64_t begin(const ZipEntry& entry) const;
  // The bytes of a stored member, in place. Throws FormatError for a deflated one and when the CRC-32 is
  // wrong.
  std::string_view view(const ZipEntry& entry) const;
  // A copy of a member, unpacked. Throws FormatError when its CRC-32 is wrong or it is larger than `limit`.
  std::string read(const ZipEntry& entry, std::uint64_t limit) const;
  // The same into memory that is used again; for a stored member nothing is copied.
  std::string_view read(const ZipEntry& entry, std::uint64_t limit, std::string& room) const;
  // The first `bytes` of a member, or all of a shorter one; no more than these is unpacked, and the CRC-32
  // stays unknown. Throws FormatError when the member ends earlier than it should.
  std::string_view head(const ZipEntry& entry, std::uint64_t bytes, std::string& room) const;
  // Bytes that members were unpacked to so far, or, stored ones, looked at.
  std::uint64_t unpacked_bytes() const { return unpacked_.load(std::memory_order_relaxed); }

 private:
  struct Directory {
    std::uint64_t begin, bytes, count;
  };
  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void check_sizes(const ZipEntry& entry) const;
  void check_overlaps(std::uint64_t end);
  void check_names();
  void check_sum(const ZipEntry& entry, std::string_view bytes) const;
  std::string_view packed(const ZipEntry& entry) const;
  void inflate_whole(const ZipEntry& entry, std::string& out) const;
  template <class T> T number(std::uint64_t at) const;
  template <class... Parts> [[noreturn]] void wrong(const Parts&... parts) const;
  std::string_view bytes_;
  std::string name_;
  std::vector<ZipEntry> entries_;
  std::vector<std::uint32_t> by_name_;  // sorted
  mutable std::atomic<std::uint64_t> unpacked_{0};
};

// A member packed ahead of writing, so that several threads can.
struct PackedMember {
  std::string bytes;
  std::uint64_t size = 0;  // before packing
  std::uint32_t crc = 0;
};
PackedMember packed_member(std::string_view bytes);

// Writes members one after another; zip64 where sizes or numbers ask for it. Dates are fixed: the same
// contents give the same bytes.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}
  // Stored, aligned to 64 bytes, so that readers can map it. Throws ValueError for a name above 64 KB.
  void add(const std::string& name, const void* bytes, std::uint64_t count);
  void add(const std::string& name, std::string_view text) { add(name, text.data(), text.size()); }
  void add(const std::string& name, const PackedMember& member);
  void finish();

 private:
  struct Done {
    std::string name;
    std::uint64_t header, stored, size;
    std::uint32_t crc;
    bool deflated;
  };
  void put_header(const Done& member, std::uint64_t alignment);
  AtomicFile& file_;
  std::vector<Done> done_;
};

}  // namespace gadolin
