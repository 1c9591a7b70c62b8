// Writer of zip archives (PKWARE's APPNOTE 6.3, with 4.3.14 and 4.5.3 for zip64).
#include <zlib.h>

#include <algorithm>

#include "io/zip_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint64_t no_32 = 0xffffffff, no_16 = 0xffff;  // a zip64 field has the number

void put(std::string& text, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
}
void put_32(std::string& text, std::uint64_t value) { put(text, std::min(value, no_32), 4); }

}  // namespace

PackedMember packed_member(std::string_view bytes) {
  require<ValueError>(bytes.size() < no_32, "zip: a member of ", bytes.size(),
                      " bytes is packed at once, at most 4 GiB are possible; store it instead");
  PackedMember member;
  member.size = bytes.size();
  const auto* in = reinterpret_cast<const Bytef*>(bytes.data());
  member.crc = static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), in, bytes.size()));
  z_stream stream{};
  require<OutOfMemory>(deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
                       "zip: zlib has no memory");
  member.bytes.resize(deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = const_cast<Bytef*>(in);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(member.bytes.data());
  stream.avail_out = static_cast<uInt>(member.bytes.size());
  deflate(&stream, Z_FINISH);
  member.bytes.resize(stream.total_out);
  deflateEnd(&stream);
  return member;
}

namespace {

// 4.5 knows zip64.
template <class Member> std::uint64_t version_of(const Member& m) {
  return m.size >= no_32 || m.stored >= no_32 || m.header >= no_32 ? 45 : 20;
}
// What the local header and the directory have in common: version, flags (UTF-8 names), method, date
// (1980-01-01), sizes.
template <class Member> void put_common(std::string& text, const Member& m, std::uint64_t extra) {
  put(text, version_of(m), 2);
  put(text, 0x0800, 2);
  put(text, m.deflated ? 8 : 0, 2);
  put(text, 0x00210000, 4);
  put(text, m.crc, 4);
  put_32(text, m.stored);
  put_32(text, m.size);
  put(text, m.name.size(), 2);
  put(text, extra, 2);
}

}  // namespace

// An extra field of its own kind ("FB", as PyTorch's) fills up to the alignment.
void ZipWriter::put_header(const Done& m, std::uint64_t alignment) {
  require<ValueError>(m.name.size() < no_16, "zip: a name of ", m.name.size(),
                      " bytes, at most 65534 are possible");
  std::string wide;
  if (m.size >= no_32 || m.stored >= no_32) {
    put(wide, 1, 2);
    put(wide, 16, 2);
    put(wide, m.size, 8);
    put(wide, m.stored, 8);
  }
  if (alignment > 1) {
    const std::uint64_t start = m.header + 30 + m.name.size() + wide.size() + 4;
    const std::uint64_t fill = (alignment - start % alignment) % alignment;
    wide += "FB";
    put(wide, fill, 2);
    wide.append(fill, 'Z');
  }
  std::string text;
  put(text, 0x04034b50, 4);
  put_common(text, m, wide.size());
  file_.write(text + m.name + wide);
}

void ZipWriter::add(const std::string& name, const void* bytes, std::uint64_t count) {
  Done m{name, static_cast<std::uint64_t>(file_.size()), count, count, 0, false};
  m.crc =
      static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), static_cast<const Bytef*>(bytes), count));
  put_header(m, 64);
  if (count > 0) file_.write(bytes, count);
  done_.push_back(std::move(m));
}

void ZipWriter::add(const std::string& name, const PackedMember& member) {
  Done m{name, static_cast<std::uint64_t>(file_.size()), member.bytes.size(), member.size, member.crc, true};
  put_header(m, 1);
  file_.write(member.bytes);
  done_.push_back(std::move(m));
}

void ZipWriter::finish() {
  const auto begin = static_cast<std::uint64_t>(file_.size());
  std::string text;
  for (const Done& m : done_) {
    std::string wide;  // those of the three that do not fit, in this order
    for (const std::uint64_t value : {m.size, m.stored, m.header})
      if (value >= no_32) put(wide, value, 8);
    put(text, 0x02014b50, 4);
    put(text, version_of(m), 2);
    put_common(text, m, wide.empty() ? 0 : wide.size() + 4);
    text.append(2 + 2 + 2 + 4, '\0');  // comment, disk, attributes
    put_32(text, m.header);
    text += m.name;
    if (wide.empty()) continue;
    put(text, 1, 2);
    put(text, wide.size(), 2);
    text += wide;
  }
  const std::uint64_t bytes = text.size(), count = done_.size();
  if (count >= no_16 || begin >= no_32 || bytes >= no_32) {
    const std::uint64_t record = begin + bytes;
    put(text, 0x06064b50, 4);
    put(text, 44, 8);
    put(text, 45, 2);
    put(text, 45, 2);
    put(text, 0, 8);  // disks
    put(text, count, 8);
    put(text, count, 8);
    put(text, bytes, 8);
    put(text, begin, 8);
    put(text, 0x07064b50, 4);
    put(text, 0, 4);
    put(text, record, 8);
    put(text, 1, 4);
  }
  put(text, 0x06054b50, 4);
  put(text, 0, 4);
  put(text, std::min(count, no_16), 2);
  put(text, std::min(count, no_16), 2);
  put_32(text, bytes);
  put_32(text, begin);
  put(text, 0, 2);
  file_.write(text);
}

}  // namespace gadolin
