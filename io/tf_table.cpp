#include "io/tf_table.h"

#include <cstdint>
#include <cstring>

#include "io/crc32c.h"
#include "io/little_endian.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::uint64_t magic = 0xdb4775248b80fb57u;
constexpr std::size_t footer_bytes = 48, trailer_bytes = 5;

struct Table {
  std::string_view file;
  const std::string& path;

  [[noreturn]] void damaged(std::size_t at, const char* what) const {
    fail<FormatError, 40>("tensorflow checkpoint: ", path, " is damaged at byte ", at, ": ", what);
  }

  // A number of seven bits a byte, lowest first.
  std::uint64_t varint(std::size_t& at, std::size_t end) const {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at >= end) damaged(at, "a number is cut off");
      const auto byte = static_cast<unsigned char>(file[at++]);
      value |= static_cast<std::uint64_t>(byte & 127u) << shift;
      if (byte < 128) return value;
    }
    damaged(at, "a number is longer than 64 bits");
  }

  // A block packed by Snappy (its format_description.txt): literals, and copies of what came before.
  std::string unpacked(std::size_t begin, std::size_t end) const {
    std::size_t at = begin;
    const std::uint64_t length = varint(at, end);
    if (length / 32 > end - begin) damaged(begin, "a packed block claims more than it can hold");
    const auto number = [&](std::size_t bytes) {
      if (bytes > end - at) damaged(at, "a packed block is cut off");
      std::size_t value = 0;
      for (std::size_t i = 0; i < bytes; ++i)
        value |= std::size_t{static_cast<unsigned char>(file[at + i])} << (8 * i);
      at += bytes;
      return value;
    };
    std::string out;
    out.reserve(static_cast<std::size_t>(length));
    while (at < end) {
      const std::size_t tag = number(1);
      std::size_t count = (tag >> 2) + 1;
      if ((tag & 3) == 0) {
        if (count > 60) count = number(count - 60) + 1;
        if (count > end - at || count > length - out.size()) damaged(at, "a packed block is cut off");
        out.append(file, at, count);
        at += count;
        continue;
      }
      std::size_t back;
      if ((tag & 3) == 1) {
        count = 4 + ((tag >> 2) & 7);
        back = (tag >> 5) << 8 | number(1);
      } else {
        back = number((tag & 3) == 2 ? 2 : 4);
      }
      if (back == 0 || back > out.size() || count > length - out.size())
        damaged(at, "a packed block copies what it does not have");
      for (; count > 0; --count) out += out[out.size() - back];
    }
    if (out.size() != length) damaged(begin, "a packed block has another length than it says");
    return out;
  }

  struct Span {
    std::size_t begin, end;
  };
  // A block without its trailer.
  Span block(std::uint64_t offset, std::uint64_t size) const {
    if (offset > file.size() || size > file.size() - offset || file.size() - offset - size < trailer_bytes)
      damaged(file.size(), "a block reaches beyond the file");
    const std::size_t begin = static_cast<std::size_t>(offset), stop = begin + static_cast<std::size_t>(size);
    if (masked_crc32c(crc32c(file.data() + begin, stop - begin + 1)) !=
        detail::number_at<std::uint32_t>(file.data() + stop + 1))
      damaged(begin, "the checksum of a block does not agree");
    if (file[stop] != 0 && file[stop] != 1) damaged(stop, "a block of an unknown compression");
    return {begin, stop};
  }
  // f(key, value) for every entry of a block.
  template <class F> void entries_of(Span span, F&& f) const {
    if (file[span.end] == 0) return entries(span, f);
    const std::string plain = unpacked(span.begin, span.end);
    Table{plain, path}.entries({0, plain.size()}, f);
  }

  // Entries of a block: shared, unshared and value length, then the key's new end and the value. Behind them
  // stand the places of whole keys, which a reader of everything does not need.
  template <class F> void entries(Span span, F&& f) const {
    if (span.end - span.begin < 4) damaged(span.begin, "a block is too small");
    const std::uint32_t restarts = detail::number_at<std::uint32_t>(file.data() + span.end - 4);
    if (restarts > (span.end - span.begin - 4) / 4)
      damaged(span.end - 4, "a block has more restarts than bytes");
    const std::size_t end = span.end - 4 - std::size_t{restarts} * 4;
    std::string key;
    bool first = true;
    for (std::size_t at = span.begin; at < end;) {
      const std::size_t here = at;
      const std::uint64_t shared = varint(at, end), unshared = varint(at, end), length = varint(at, end);
      if (shared > key.size() || unshared > end - at || length > end - at - unshared)
        damaged(here, "an entry reaches beyond its block");
      // Keys share what stands before them, so without a bound a file could hold keys of a thousand times its
      // size.
      if (shared + unshared > 2048) damaged(here, "a key is longer than 2048 bytes");
      std::string next = key.substr(0, static_cast<std::size_t>(shared));
      next.append(file.data() + at, static_cast<std::size_t>(unshared));
      if (!first && next <= key) damaged(here, "keys are not in order");
      key = std::move(next);
      first = false;
      at += static_cast<std::size_t>(unshared);
      f(key, file.substr(at, static_cast<std::size_t>(length)));
      at += static_cast<std::size_t>(length);
    }
  }
};

}  // namespace

bool is_tf_table(std::string_view file) {
  return file.size() >= footer_bytes &&
         detail::number_at<std::uint64_t>(file.data() + file.size() - 8) == magic;
}

void read_tf_table(std::string_view file, const std::string& path,
                   const std::function<void(std::string_view key, std::string_view value)>& f) {
  const Table table{file, path};
  if (!is_tf_table(file)) table.damaged(file.size(), "it does not end like a table");
  std::size_t at = file.size() - footer_bytes;
  const std::size_t end = file.size() - 8;
  table.varint(at, end);  // the index of meta blocks, which checkpoints leave empty
  table.varint(at, end);
  const std::uint64_t index = table.varint(at, end), index_size = table.varint(at, end);
  std::size_t before = 0;  // blocks stand one behind the other, so no list of blocks can name one twice
  table.entries_of(table.block(index, index_size), [&](const std::string&, std::string_view handle) {
    std::size_t inside = 0;
    const Table here{handle, path};
    const std::uint64_t offset = here.varint(inside, handle.size()),
                        size = here.varint(inside, handle.size());
    const auto span = table.block(offset, size);
    if (span.begin < before) table.damaged(span.begin, "blocks are not in order");
    before = span.end;
    table.entries_of(span, [&](const std::string& key, std::string_view value) { f(key, value); });
  });
}

}  // namespace gadolin
