// The checkpoint container: layout, checksums, verification.
#include "train/checkpoint.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "io/atomic_file.h"
#include "io/crc32c.h"
#include "io/mapped_file.h"
#include "io/sha256.h"

namespace gadolin {
namespace {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "checkpoints hold little-endian numbers");

constexpr std::int64_t alignment = 64, header_limit = std::int64_t{64} << 20,
                       bytes_limit = std::int64_t{1} << 46;
constexpr std::size_t tensors_limit = 1'000'000;
constexpr std::string_view magic = "GADOLIN\n", end_mark = "GDCKEND\n";
constexpr const char* other_file = "; resume from another file, or with --resume auto";

struct Preamble {  // the first 64 bytes
  char magic[8];
  std::uint32_t version, reserved;
  std::uint64_t header_bytes;
  std::uint8_t sha256[32];
  std::uint64_t file_bytes;
};
static_assert(sizeof(Preamble) == alignment);

struct Footer {
  std::uint64_t file_bytes;
  char mark[8];
};

struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  std::int64_t offset, bytes;  // of the file; without padding
  std::uint32_t crc;
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> facts;
};

std::int64_t padded(std::int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

Sha256::Digest header_digest(const Preamble& preamble, std::string_view text) {
  const char* start = reinterpret_cast<const char*>(&preamble);
  const std::size_t before = offsetof(Preamble, sha256), after = offsetof(Preamble, file_bytes);
  return Sha256().update(start, before).update(start + after, sizeof preamble - after).update(text).digest();
}

std::string hex(std::uint32_t value) {
  std::string text(8, '0');
  for (std::size_t i = 0; i < 8; ++i) text[7 - i] = "0123456789abcdef"[(value >> (4 * i)) & 15];
  return text;
}

std::optional<DType> dtype_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    if (name == name_of(static_cast<DType>(i))) return static_cast<DType>(i);
  }
  return std::nullopt;
}

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  fail<CheckpointError, 2>("checkpoint: ", path, " is damaged: ", what, other_file);
}

// The SHA-256 has passed, so what is wrong here was written wrong, by mistake or on purpose.
// Offsets in the header count from `start`, the end of the header.
Entry read_entry(const json& item, std::int64_t start, std::int64_t due, std::int64_t end,
                 const std::string& path) {
  Entry entry{item.at("name").get<std::string>(), {}, {}, due, 0, item.at("crc").get<std::uint32_t>()};
  const std::optional<DType> dtype = dtype_named(item.at("dtype").get<std::string>());
  const std::vector<std::int64_t> sizes = item.at("shape").get<std::vector<std::int64_t>>();
  const bool known = dtype && sizes.size() <= static_cast<std::size_t>(Shape::max_dim);
  if (!known) damaged(path, "'" + entry.name + "' has no valid type and shape");
  entry.dtype = *dtype;
  entry.shape = Shape(sizes);
  entry.bytes = size_of(*dtype);
  for (const std::int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(entry.bytes, size, &entry.bytes) || entry.bytes > bytes_limit) {
      damaged(path, "'" + entry.name + "' has no valid type and shape");
    }
  }
  if (item.at("offset").get<std::int64_t>() != due - start || entry.bytes > end - due)
    damaged(path, "'" + entry.name + "' lies outside the file");
  return entry;
}

Header parse_header(std::string_view text, std::int64_t start, std::int64_t end, const std::string& path) {
  Header header;
  try {
    const json all = json::parse(text.begin(), text.end());
    const json& list = all.at("tensors");
    if (!list.is_array() || list.size() > tensors_limit) damaged(path, "the list of tensors is not valid");
    std::int64_t due = start;
    for (const json& item : list) {
      header.entries.push_back(read_entry(item, start, due, end, path));
      due += padded(header.entries.back().bytes);
    }
    if (due != end)
      damaged(path, "its tensors end at byte " + std::to_string(due) + " of " + std::to_string(end));
    header.facts = all.at("facts").get<std::map<std::string, std::string>>();
  } catch (const json::exception&) {
    damaged(path, "the header is not what this version writes");
  }
  return header;
}

// Checks everything but the tensors.
Header read_header(std::string_view file, const std::string& path) {
  const std::int64_t size = static_cast<std::int64_t>(file.size());
  require<CheckpointError>(file.substr(0, magic.size()) == magic, "checkpoint: ", path,
                           " is not a Gadolin checkpoint; import "
                           "other formats with gadolin import");
  Preamble p;
  if (file.size() < sizeof p + sizeof(Footer)) damaged(path, cat("it ends after ", size, " bytes"));
  std::memcpy(&p, file.data(), sizeof p);
  require<CheckpointError, 3>(p.version <= checkpoint_version, "checkpoint: ", path, " has format ",
                              p.version, ", this program reads up to ", checkpoint_version,
                              "; update Gadolin");
  if (p.file_bytes != file.size())
    damaged(path, cat("it has ", size, " bytes, but was written with ", p.file_bytes));
  const std::int64_t end = size - static_cast<std::int64_t>(sizeof(Footer));
  if (p.header_bytes > static_cast<std::uint64_t>(std::min(header_limit, end - alignment))) {
    damaged(path, cat("a header of ", p.header_bytes, " bytes is not possible"));
  }
  const std::string_view text = file.substr(sizeof p, p.header_bytes);
  const Sha256::Digest digest = header_digest(p, text);
  if (std::memcmp(digest.data(), p.sha256, digest.size()) != 0)
    damaged(path, "the header (bytes 0 to " + std::to_string(sizeof p + p.header_bytes) +
                      ") does not match its SHA-256");
  Footer footer;
  std::memcpy(&footer, file.data() + end, sizeof footer);
  if (footer.file_bytes != p.file_bytes || std::string_view(footer.mark, 8) != end_mark) {
    damaged(path, "the end mark at byte " + std::to_string(end) + " is missing");
  }
  return parse_header(text, alignment + static_cast<std::int64_t>(p.header_bytes), end, path);
}

// Reads back what was written, before it gets its name.
void check_written(const std::string& temporary, const std::string& path) {
  const MappedFile file(temporary);
  read_header(file.text(), path);
}

}  // namespace

const std::string& Checkpoint::fact(const std::string& name) const {
  const auto found = facts.find(name);
  require<CheckpointError>(found != facts.end(), "checkpoint: no fact '", name,
                           "'; was it saved by another program?");
  return found->second;
}

std::int64_t Checkpoint::number(const std::string& name) const {
  const std::string& text = fact(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<CheckpointError>(error == std::errc{} && end == text.data() + text.size(), "checkpoint: fact '",
                           name, "' is '", text.substr(0, 40), "', not a whole number");
  return value;
}

const Tensor& Checkpoint::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  require<CheckpointError>(found != tensors.end(), "checkpoint: no tensor '", name, "' among ",
                           tensors.size(), "; was it saved by another network?");
  return found->second;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  static const char zeros[alignment] = {};
  std::vector<Tensor> hosts;
  json list = json::array();
  std::int64_t offset = 0;
  for (const auto& [name, x] : checkpoint.tensors) {
    require<ValueError>(x.defined(), "save_checkpoint: '", name, "' is undefined");
    hosts.push_back(x.detach().to(cpu).contiguous());
    const std::int64_t bytes = hosts.back().nbytes();
    std::uint32_t crc = bytes > 0 ? crc32c(hosts.back().raw(), static_cast<std::size_t>(bytes)) : 0;
    crc = crc32c(zeros, static_cast<std::size_t>(padded(bytes) - bytes), crc);
    list.push_back({{"name", name},
                    {"dtype", name_of(x.dtype())},
                    {"shape", x.shape().vec()},
                    {"offset", offset},
                    {"crc", crc}});
    offset += padded(bytes);
  }
  std::string text = json({{"facts", checkpoint.facts}, {"tensors", std::move(list)}})
                         .dump(-1, ' ', false, json::error_handler_t::replace);
  text.append(static_cast<std::size_t>(padded(static_cast<std::int64_t>(text.size()))) - text.size(), ' ');
  require<CheckpointError>(static_cast<std::int64_t>(text.size()) <= header_limit, "checkpoint: ", path,
                           ": a header of ", human_bytes(static_cast<std::int64_t>(text.size())),
                           ", the limit is ", human_bytes(header_limit));
  const std::int64_t total =
      alignment + static_cast<std::int64_t>(text.size()) + offset + static_cast<std::int64_t>(sizeof(Footer));
  Preamble p{{}, checkpoint_version, 0, text.size(), {}, static_cast<std::uint64_t>(total)};
  std::memcpy(p.magic, magic.data(), magic.size());
  const Sha256::Digest digest = header_digest(p, text);
  std::memcpy(p.sha256, digest.data(), digest.size());
  Footer footer{static_cast<std::uint64_t>(total), {}};
  std::memcpy(footer.mark, end_mark.data(), end_mark.size());

  AtomicFile file(path, total);
  file.write(&p, sizeof p);
  file.write(text);
  for (const Tensor& host : hosts) {
    if (host.nbytes() > 0) file.write(host.raw(), static_cast<std::size_t>(host.nbytes()));
    file.write(zeros, static_cast<std::size_t>(padded(host.nbytes()) - host.nbytes()));
  }
  file.write(&footer, sizeof footer);
  file.sync();
  check_written(file.temporary_path(), path);
  file.commit();
}

Checkpoint load_checkpoint(const std::string& path) {
  const MappedFile file(path);
  Header header = read_header(file.text(), path);
  for (const Entry& entry : header.entries) {
    const std::uint32_t crc =
        crc32c(file.data() + entry.offset, static_cast<std::size_t>(padded(entry.bytes)));
    if (crc != entry.crc)
      damaged(path, cat("tensor '", entry.name, "', bytes ", entry.offset, " to ",
                        entry.offset + padded(entry.bytes), ", has CRC-32C ", hex(crc), " instead of ",
                        hex(entry.crc)));
  }
  Checkpoint checkpoint;
  checkpoint.facts = std::move(header.facts);
  for (const Entry& entry : header.entries) {
    const Tensor x = empty(entry.shape, entry.dtype);
    if (entry.bytes > 0)
      std::memcpy(x.raw(), file.data() + entry.offset, static_cast<std::size_t>(entry.bytes));
    if (!checkpoint.tensors.emplace(entry.name, x).second)
      damaged(path, "'" + entry.name + "' is in it twice");
  }
  return checkpoint;
}

std::map<std::string, std::string> load_checkpoint_facts(const std::string& path) {
  const MappedFile file(path);
  return read_header(file.text(), path).facts;
}

}  // namespace gadolin
