// Reader of zip archives (PKWARE's APPNOTE 6.3): end record, central directory, local headers.
#include "io/zip_file.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "io/bytes.h"
#include "io/little_endian.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint32_t local_magic = 0x04034b50, central_magic = 0x02014b50, end_magic = 0x06054b50;
constexpr std::uint32_t end64_magic = 0x06064b50, locator64_magic = 0x07064b50;
constexpr std::uint64_t end_bytes = 22, locator64_bytes = 20, end64_bytes = 56, central_bytes = 46,
                        local_bytes = 30;
constexpr std::uint64_t unpack_factor = 1032;  // deflate spends at least 2 bits on 258 bytes

// Why a member's name is refused, or nullptr. Nothing is ever written under these names; a file that has such
// ones is no weight file.
const char* bad_name(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.find('\0') != std::string_view::npos || name.find('\\') != std::string_view::npos)
    return "holds a backslash or a zero";
  if (name[0] == '/') return "is absolute";
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    if (name.substr(at, end - at) == "..") return "leads upwards";
    at = end + 1;
  }
  return nullptr;
}

}  // namespace

template <class... Parts> void ZipFile::wrong(const Parts&... parts) const {
  fail<FormatError, 10>("zip: ", name_, ": ", parts...);
}

// Little-endian, unaligned, inside the file.
template <class T> T ZipFile::number(std::uint64_t at) const {
  if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) wrong("it ends where byte ", at, " is needed");
  return detail::number_at<T>(bytes_.data() + at);
}

ZipFile::ZipFile(std::string_view bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  const Directory directory = find_directory();
  read_directory(directory);
  check_overlaps(directory.begin);
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](auto a, auto b) { return entries_[a].name < entries_[b].name; });
  for (std::size_t i = 1; i < by_name_.size(); ++i) {
    const std::string& member = entries_[by_name_[i]].name;
    if (member == entries_[by_name_[i - 1]].name) wrong("two members are called ", printable(member, 80));
  }
}

// The end record stands before a comment of up to 64 KB; the last one whose comment reaches the end of the
// file counts.
ZipFile::Directory ZipFile::find_directory() const {
  const std::uint64_t size = bytes_.size();
  if (size < end_bytes) wrong("it has ", size, " bytes, too few for an archive");
  const std::uint64_t lowest = size - std::min<std::uint64_t>(size, end_bytes + 65535);
  for (std::uint64_t at = size - end_bytes + 1; at-- > lowest;) {
    if (number<std::uint32_t>(at) != end_magic || at + end_bytes + number<std::uint16_t>(at + 20) != size)
      continue;
    Directory d{number<std::uint32_t>(at + 16), number<std::uint32_t>(at + 12),
                number<std::uint16_t>(at + 10)};
    std::uint64_t end = at;
    bool one_disk = number<std::uint16_t>(at + 4) == 0 && number<std::uint16_t>(at + 6) == 0 &&
                    number<std::uint16_t>(at + 8) == number<std::uint16_t>(at + 10);
    const bool has64 =
        at >= locator64_bytes && number<std::uint32_t>(at - locator64_bytes) == locator64_magic;
    if (has64) {
      const std::uint64_t record = number<std::uint64_t>(at - locator64_bytes + 8);
      if (record > at - locator64_bytes || at - locator64_bytes - record < end64_bytes ||
          number<std::uint32_t>(record) != end64_magic)
        wrong("its zip64 end record is not where it should be, at byte ", record);
      d = {number<std::uint64_t>(record + 48), number<std::uint64_t>(record + 40),
           number<std::uint64_t>(record + 32)};
      one_disk = number<std::uint32_t>(record + 16) == 0 && number<std::uint32_t>(record + 20) == 0;
      end = record;
    }
    if (!one_disk) wrong("it is one of several disks");
    if (d.begin > end || d.bytes > end - d.begin)
      wrong("its directory of ", d.bytes, " bytes at byte ", d.begin, " does not fit");
    if (d.count > d.bytes / central_bytes)
      wrong("its directory of ", d.bytes, " bytes cannot hold ", d.count, " members");
    return d;
  }
  wrong("it has no end record; the file was cut short");
}

void ZipFile::read_directory(const Directory& directory) {
  entries_.reserve(static_cast<std::size_t>(directory.count));
  const std::uint64_t end = directory.begin + directory.bytes;
  std::uint64_t at = directory.begin;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (end - at < central_bytes || number<std::uint32_t>(at) != central_magic)
      wrong("entry ", i, " of its directory is damaged, at byte ", at);
    const std::uint16_t flags = number<std::uint16_t>(at + 8), method = number<std::uint16_t>(at + 10);
    const std::uint64_t name_bytes = number<std::uint16_t>(at + 28),
                        extra_bytes = number<std::uint16_t>(at + 30);
    const std::uint64_t whole = central_bytes + name_bytes + extra_bytes + number<std::uint16_t>(at + 32);
    if (whole > end - at) wrong("entry ", i, " of its directory is damaged, at byte ", at);
    ZipEntry entry;
    entry.name = bytes_.substr(at + central_bytes, name_bytes);
    const char* reason = bad_name(entry.name);
    if (reason != nullptr) wrong("the name of member ", i, ", '", printable(entry.name, 80), "', ", reason);
    if ((flags & 0x2041) != 0) wrong("member ", printable(entry.name, 80), " is encrypted");
    if (method != 0 && method != 8)
      wrong("member ", printable(entry.name, 80), " is packed by method ", static_cast<int>(method),
            ", not stored or deflated");
    entry.deflated = method == 8;
    entry.crc = number<std::uint32_t>(at + 16);
    entry.stored = number<std::uint32_t>(at + 20);
    entry.size = number<std::uint32_t>(at + 24);
    entry.header = number<std::uint32_t>(at + 42);
    // zip64: 8-byte numbers for those of the three that are all ones, in this order.
    for (std::uint64_t x = at + central_bytes + name_bytes, stop = x + extra_bytes; stop - x >= 4;) {
      const std::uint64_t id = number<std::uint16_t>(x), bytes = number<std::uint16_t>(x + 2);
      if (bytes > stop - x - 4) break;
      std::uint64_t field = x + 4;
      const std::uint64_t field_end = field + bytes;
      for (std::uint64_t* value : {&entry.size, &entry.stored, &entry.header}) {
        if (id != 1 || *value != 0xffffffff || field_end - field < 8) continue;
        *value = number<std::uint64_t>(field);
        field += 8;
      }
      x = field_end;
    }
    place(entry);
    entries_.push_back(std::move(entry));
    at += whole;
  }
}

// Finds the bytes of a member behind its own header, which must tell the same name and method.
void ZipFile::place(ZipEntry& entry) const {
  const std::uint64_t header = entry.header;
  const std::string name = printable(entry.name, 80);
  if (header > bytes_.size() || bytes_.size() - header < local_bytes ||
      number<std::uint32_t>(header) != local_magic)
    wrong("member ", name, " is not where its directory says, at byte ", header);
  const std::uint64_t name_bytes = number<std::uint16_t>(header + 26),
                      extra_bytes = number<std::uint16_t>(header + 28);
  entry.begin = header + local_bytes + name_bytes + extra_bytes;
  if (entry.begin > bytes_.size() || entry.stored > bytes_.size() - entry.begin)
    wrong("member ", name, " of ", entry.stored, " bytes at byte ", entry.begin,
          " goes on after the end of the file");
  if (bytes_.substr(header + local_bytes, name_bytes) != entry.name ||
      (number<std::uint16_t>(header + 8) == 8) != entry.deflated)
    wrong("member ", name, " is called or packed otherwise in its own header");
  if (!entry.deflated && entry.size != entry.stored)
    wrong("member ", name, " is stored, but has two sizes, ", entry.stored, " and ", entry.size);
  if (entry.deflated && entry.size / unpack_factor > entry.stored)
    wrong("member ", name, " cannot unpack from ", entry.stored, " to ", entry.size, " bytes");
}

void ZipFile::check_overlaps(std::uint64_t end) const {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->header < b->header; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint64_t room = i + 1 < order.size() ? order[i + 1]->header : end;
    if (order[i]->begin > room || order[i]->stored > room - order[i]->begin)
      wrong("member ", printable(order[i]->name, 80), " reaches into what follows it");
  }
}

const ZipEntry* ZipFile::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](std::uint32_t i, std::string_view wanted) { return entries_[i].name < wanted; });
  return found == by_name_.end() || entries_[*found].name != name ? nullptr : &entries_[*found];
}

void ZipFile::check_sum(const ZipEntry& entry, std::string_view bytes) const {
  if (crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) != entry.crc)
    wrong("member ", printable(entry.name, 80),
          " has another CRC-32 than its directory says; it was damaged, or written without check sums");
}

std::string_view ZipFile::view(const ZipEntry& entry) const {
  if (entry.deflated)
    wrong("member ", printable(entry.name, 80),
          " is packed; pack the archive again without compression (zip -0)");
  const std::string_view bytes = bytes_.substr(entry.begin, entry.stored);
  check_sum(entry, bytes);
  return bytes;
}

std::string ZipFile::read(const ZipEntry& entry, std::uint64_t limit) const {
  if (entry.size > limit)
    wrong("member ", printable(entry.name, 80), " has ", entry.size, " bytes, the limit is ", limit);
  if (!entry.deflated) return std::string(view(entry));
  std::string out = inflated(entry);
  check_sum(entry, out);
  return out;
}

std::string ZipFile::inflated(const ZipEntry& entry) const {
  std::string out(entry.size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail<OutOfMemory>("zip: ", name_, ": zlib has no memory");
  const std::string_view packed = bytes_.substr(entry.begin, entry.stored);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  std::uint64_t taken = 0, given = 0;
  int status = Z_OK;
  constexpr std::uint64_t most = 1u << 30;  // zlib counts in 32 bits
  while (status == Z_OK) {
    const uInt in = static_cast<uInt>(std::min(most, packed.size() - taken));
    const uInt room = static_cast<uInt>(std::min(most, out.size() - given));
    stream.avail_in = in;
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + given);
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    given += room - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || given != out.size())
    wrong("member ", printable(entry.name, 80), " does not unpack to its ", entry.size, " bytes");
  return out;
}

// --- writer ------------------------------------------------------------------------------------------------

namespace {

void put(std::string& text, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
}
// What the local header and the directory have in common: version, flags (UTF-8 names), method, date
// (1980-01-01), sizes.
void put_common(std::string& text, const ZipEntry& entry, std::uint64_t extra) {
  put(text, 20, 2);
  put(text, 0x0800, 2);
  put(text, 0, 2);
  put(text, 0x00210000, 4);
  put(text, entry.crc, 4);
  put(text, entry.size, 4);
  put(text, entry.size, 4);
  put(text, entry.name.size(), 2);
  put(text, extra, 2);
}

}  // namespace

void ZipWriter::add(const std::string& name, const void* bytes, std::uint64_t count) {
  constexpr std::uint64_t alignment = 64, most = 0xffffffffu - (1u << 26);  // room for the directory
  const std::uint64_t header = static_cast<std::uint64_t>(file_.size());
  require<ValueError>(count <= most && header <= most - count && done_.size() < 65535 && name.size() < 65535,
                      "zip: more than 4 GiB or 65,535 members; save as .safetensors");
  ZipEntry entry{.name = name, .header = header, .stored = count, .size = count};
  entry.crc =
      static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), static_cast<const Bytef*>(bytes), count));
  // An extra field of its own kind ("FB", as PyTorch's) fills up to the alignment.
  const std::uint64_t start = header + local_bytes + name.size() + 4;
  const std::uint64_t fill = (alignment - start % alignment) % alignment;
  std::string text;
  put(text, local_magic, 4);
  put_common(text, entry, fill + 4);
  text += name;
  text += "FB";
  put(text, fill, 2);
  text.append(fill, 'Z');
  file_.write(text);
  if (count > 0) file_.write(bytes, count);
  done_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  std::string text;
  for (const ZipEntry& entry : done_) {
    put(text, central_magic, 4);
    put(text, 20, 2);
    put_common(text, entry, 0);
    text.append(2 + 2 + 2 + 4, '\0');  // comment, disk, attributes
    put(text, entry.header, 4);
    text += entry.name;
  }
  const std::uint64_t bytes = text.size();
  put(text, end_magic, 4);
  put(text, 0, 4);
  put(text, done_.size(), 2);
  put(text, done_.size(), 2);
  put(text, bytes, 4);
  put(text, static_cast<std::uint64_t>(file_.size()), 4);
  put(text, 0, 2);
  file_.write(text);
}

}  // namespace gadolin
