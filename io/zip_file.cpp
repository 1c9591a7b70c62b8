// Directories of zip archives (PKWARE's APPNOTE 6.3): end record, central directory.
#include "io/zip_file.h"

#include <algorithm>
#include <numeric>

#include "io/bytes.h"
#include "io/zip_parts.h"

namespace gadolin {
namespace {

constexpr std::uint32_t central_magic = 0x02014b50, end_magic = 0x06054b50;
constexpr std::uint32_t end64_magic = 0x06064b50, locator64_magic = 0x07064b50;
constexpr std::uint64_t end_bytes = 22, locator64_bytes = 20, end64_bytes = 56, central_bytes = 46;
constexpr std::uint64_t local_bytes = 30;      // of a member's own header without name and extra field
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

ZipFile::ZipFile(std::string_view bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  const Directory directory = find_directory();
  read_directory(directory);
  check_overlaps(directory.begin);
  check_names();
}

void ZipFile::check_names() {
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  const auto before = [&](auto a, auto b) { return entries_[a].name < entries_[b].name; };
  if (!std::is_sorted(by_name_.begin(), by_name_.end(), before))
    std::sort(by_name_.begin(), by_name_.end(), before);
  for (std::size_t i = 1; i < by_name_.size(); ++i) {
    const std::string_view member = entries_[by_name_[i]].name;
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
    check_sizes(entry);
    entries_.push_back(entry);
    at += whole;
  }
}

// What the directory alone tells: sizes that fit each other and the file.
void ZipFile::check_sizes(const ZipEntry& entry) const {
  const auto name = [&] { return printable(entry.name, 80); };
  if (entry.header > bytes_.size() || bytes_.size() - entry.header < local_bytes + entry.name.size())
    wrong("member ", name(), " is not where its directory says, at byte ", entry.header);
  const std::uint64_t begin = entry.header + local_bytes + entry.name.size();  // or later
  if (entry.stored > bytes_.size() - begin)
    wrong("member ", name(), " of ", entry.stored, " bytes at byte ", begin,
          " goes on after the end of the file");
  if (!entry.deflated && entry.size != entry.stored)
    wrong("member ", name(), " is stored, but has two sizes, ", entry.stored, " and ", entry.size);
  if (entry.deflated && entry.size / unpack_factor > entry.stored)
    wrong("member ", name(), " cannot unpack from ", entry.stored, " to ", entry.size, " bytes");
}

// Every byte belongs to one member: otherwise a small file could unpack to any size.
void ZipFile::check_overlaps(std::uint64_t end) {
  std::vector<std::uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto before = [&](auto a, auto b) { return entries_[a].header < entries_[b].header; };
  if (!std::is_sorted(order.begin(), order.end(), before)) std::sort(order.begin(), order.end(), before);
  for (std::size_t i = 0; i < order.size(); ++i) {
    ZipEntry& entry = entries_[order[i]];
    entry.room = i + 1 < order.size() ? entries_[order[i + 1]].header : end;
    const std::uint64_t least = local_bytes + entry.name.size() + entry.stored;  // of the file's size at most
    if (entry.header > entry.room || least > entry.room - entry.header)
      wrong("member ", printable(entry.name, 80), " reaches into what follows it");
  }
}

const ZipEntry* ZipFile::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](std::uint32_t i, std::string_view wanted) { return entries_[i].name < wanted; });
  return found == by_name_.end() || entries_[*found].name != name ? nullptr : &entries_[*found];
}

}  // namespace gadolin
