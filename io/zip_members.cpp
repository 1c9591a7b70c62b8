// Members of zip archives: their own headers, unpacking, check sums. libdeflate unpacks whole members where
// it is there (twice as fast as zlib); zlib those of which only the head is wanted.
#include <zlib.h>

#include <algorithm>

#include "io/bytes.h"
#include "io/zip_parts.h"

#ifdef GADOLIN_LIBDEFLATE
#include <libdeflate.h>
#endif

namespace gadolin {
namespace {

constexpr std::uint32_t local_magic = 0x04034b50;
constexpr std::uint64_t local_bytes = 30;
constexpr std::uint64_t most_at_once = 1u << 30;  // zlib counts in 32 bits

std::uint32_t crc_of(std::string_view bytes) {
#ifdef GADOLIN_LIBDEFLATE
  return libdeflate_crc32(0, bytes.data(), bytes.size());
#else
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
#endif
}

// Unpacks into `out` until it is full. Returns the bytes made; `ended`: deflate's end mark was read.
std::uint64_t inflate_into(std::string_view packed, char* out, std::uint64_t size, bool& ended) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail<OutOfMemory>("zip: zlib has no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  std::uint64_t taken = 0, given = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const uInt in = static_cast<uInt>(std::min(most_at_once, packed.size() - taken));
    const uInt room = static_cast<uInt>(std::min(most_at_once, size - given));
    stream.avail_in = in;
    stream.next_out = reinterpret_cast<Bytef*>(out + given);
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    given += room - stream.avail_out;
  }
  inflateEnd(&stream);
  ended = status == Z_STREAM_END;
  return given;
}

// Whether all of `packed` unpacks to exactly the bytes of `out`.
bool inflates_to(std::string_view packed, std::string& out) {
#ifdef GADOLIN_LIBDEFLATE
  struct Freed {
    void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
  };
  thread_local const std::unique_ptr<libdeflate_decompressor, Freed> machine(libdeflate_alloc_decompressor());
  if (!machine) fail<OutOfMemory>("zip: libdeflate has no memory");
  return libdeflate_deflate_decompress(machine.get(), packed.data(), packed.size(), out.data(), out.size(),
                                       nullptr) == LIBDEFLATE_SUCCESS;
#else
  bool ended = false;
  return inflate_into(packed, out.data(), out.size(), ended) == out.size() && ended;
#endif
}

}  // namespace

std::uint64_t ZipFile::begin(const ZipEntry& entry) const {
  const std::uint64_t header = entry.header;
  const auto name = [&] { return printable(entry.name, 80); };
  if (number<std::uint32_t>(header) != local_magic)
    wrong("member ", name(), " is not where its directory says, at byte ", header);
  const std::uint64_t name_bytes = number<std::uint16_t>(header + 26);
  const std::uint64_t begin = header + local_bytes + name_bytes + number<std::uint16_t>(header + 28);
  if (bytes_.substr(header + local_bytes, name_bytes) != entry.name ||
      (number<std::uint16_t>(header + 8) == 8) != entry.deflated)
    wrong("member ", name(), " is called or packed otherwise in its own header");
  if (begin > entry.room || entry.stored > entry.room - begin)
    wrong("member ", name(), " reaches into what follows it");
  return begin;
}

void ZipFile::check_sum(const ZipEntry& entry, std::string_view bytes) const {
  if (crc_of(bytes) != entry.crc)
    wrong("member ", printable(entry.name, 80),
          " has another CRC-32 than its directory says; it was damaged, or written without check sums");
}

std::string_view ZipFile::packed(const ZipEntry& entry) const {
  return bytes_.substr(begin(entry), entry.stored);
}

std::string_view ZipFile::view(const ZipEntry& entry) const {
  if (entry.deflated)
    wrong("member ", printable(entry.name, 80),
          " is packed; pack the archive again without compression (zip -0)");
  const std::string_view bytes = packed(entry);
  unpacked_.fetch_add(bytes.size(), std::memory_order_relaxed);
  check_sum(entry, bytes);
  return bytes;
}

std::string_view ZipFile::read(const ZipEntry& entry, std::uint64_t limit, std::string& room) const {
  if (entry.size > limit)
    wrong("member ", printable(entry.name, 80), " has ", entry.size, " bytes, the limit is ", limit);
  if (!entry.deflated) return view(entry);
  const std::string_view from = packed(entry);
  room.resize(entry.size);
  unpacked_.fetch_add(entry.size, std::memory_order_relaxed);
  if (!inflates_to(from, room))
    wrong("member ", printable(entry.name, 80), " does not unpack to its ", entry.size, " bytes");
  check_sum(entry, room);
  return room;
}

std::string ZipFile::read(const ZipEntry& entry, std::uint64_t limit) const {
  std::string room;
  const std::string_view bytes = read(entry, limit, room);
  return entry.deflated ? room : std::string(bytes);
}

std::string_view ZipFile::head(const ZipEntry& entry, std::uint64_t bytes, std::string& room) const {
  const std::uint64_t wanted = std::min(bytes, entry.size);
  const std::string_view from = packed(entry);
  unpacked_.fetch_add(wanted, std::memory_order_relaxed);
  if (!entry.deflated) return from.substr(0, wanted);
  room.resize(wanted);
  bool ended = false;
  if (inflate_into(from, room.data(), wanted, ended) != wanted)
    wrong("member ", printable(entry.name, 80), " does not unpack to its ", entry.size, " bytes");
  return room;
}

}  // namespace gadolin
