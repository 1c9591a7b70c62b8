#include "io/tf_checkpoint.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "io/crc32c.h"
#include "io/mapped_file.h"
#include "io/proto/tf_checkpoint.pb.h"
#include "io/tf_table.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

struct Type {
  int number;
  const char* name;
  std::optional<DType> dtype;
};
constexpr Type types[] = {{1, "float", DType::fp32},
                          {2, "double", DType::fp64},
                          {3, "int32", DType::int32},
                          {4, "uint8", DType::uint8},
                          {5, "int16", {}},
                          {6, "int8", {}},
                          {7, "string", {}},
                          {8, "complex64", {}},
                          {9, "int64", DType::int64},
                          {10, "bool", DType::boolean},
                          {14, "bfloat16", DType::bf16},
                          {17, "uint16", {}},
                          {18, "complex128", {}},
                          {19, "half", DType::fp16},
                          {20, "resource", {}},
                          {21, "variant", {}},
                          {22, "uint32", {}},
                          {23, "uint64", {}}};
std::optional<DType> dtype_of(int number) {
  for (const Type& type : types) {
    if (type.number == number) return type.dtype;
  }
  return {};
}
std::string type_name(int number) {
  for (const Type& type : types) {
    if (type.number == number) return type.name;
  }
  return "number " + std::to_string(number);
}

// Whether two parts of one tensor have no element in common.
bool apart(const tf::Slice& a, const tf::Slice& b) {
  const auto end = [](const tf::Slice::Extent& e) {
    return e.has_length_case() == tf::Slice::Extent::kLength ? e.start() + e.length() : INT64_MAX;
  };
  for (int d = 0; d < std::min(a.extent_size(), b.extent_size()); ++d) {
    const auto &x = a.extent(d), &y = b.extent(d);
    if (end(x) <= y.start() || end(y) <= x.start()) return true;
    if (end(x) == x.start() || end(y) == y.start()) return true;  // empty
  }
  return false;
}

struct Reader {
  std::string path;
  TfCheckpoint result;

  [[noreturn]] void wrong(const std::string& tensor, const std::string& what) const {
    fail<FormatError, 41>("tensorflow checkpoint: ", path, ": ", tensor, " ", what);
  }
  void left_out(const std::string& name, int type) {
    result.notes.push_back("left out: " + name + " is of type " + type_name(type) +
                           ", which Gadolin does not have");
  }

  // Sizes whose product fits into `limit` elements.
  Shape shape(const std::string& name, const tf::Shape& s, std::int64_t limit) const {
    if (s.unknown_rank() || s.dim_size() > Shape::max_dim)
      wrong(name, "has " + std::to_string(s.dim_size()) + " dimensions");
    Shape out;
    std::int64_t n = 1;
    for (const auto& dim : s.dim()) {
      if (dim.size() < 0 || (dim.size() > 0 && n > limit / dim.size()))
        wrong(name, "is larger than its file");
      n *= dim.size();
      out.push_back(dim.size());
    }
    return out;
  }
  // Parts that fill a tensor by their number of elements fill it in fact when no two share any. All lie
  // inside of it.
  template <class List> void require_apart(const std::string& name, const List& slices) const {
    const auto count = static_cast<int>(slices.size());
    if (count > 10000) wrong(name, "has more than 10000 parts");
    for (int i = 0; i < count; ++i) {
      for (int j = 0; j < i; ++j) {
        if (!apart(slices.begin()[i], slices.begin()[j])) wrong(name, "has two parts in one place");
      }
    }
  }
  // The part of `whole` that a slice names.
  Tensor part(const std::string& name, const Tensor& whole, const tf::Slice& s) const {
    if (s.extent_size() != whole.dim()) wrong(name, "has a part of another number of dimensions");
    Tensor view = whole;
    for (int d = 0; d < whole.dim(); ++d) {
      const auto& e = s.extent(d);
      const std::int64_t size = whole.size(d), start = e.start();
      const std::int64_t length = e.has_length_case() == tf::Slice::Extent::kLength ? e.length() : size;
      if (start < 0 || length < 0 || start > size || length > size - start)
        wrong(name, "has a part outside of itself");
      view = view.slice(d, start, start + length);
    }
    return view;
  }
};

// --- version 2 ---------------------------------------------------------------------------------------------

// TensorFlow's order-preserving code of a part's name and place: the key that its bytes stand under.
void append_number(std::string& key, std::uint64_t value) {  // length, then bytes, highest first
  std::string bytes;
  for (; value > 0; value >>= 8) bytes.insert(bytes.begin(), static_cast<char>(value & 255));
  key += static_cast<char>(bytes.size());
  key += bytes;
}
void append_signed(std::string& key,
                   std::int64_t value) {  // -1 or more; the length stands in the leading ones
  if (value < 64) {
    key += static_cast<char>(value < 0 ? 0x7f : 0x80 | static_cast<int>(value));
    return;
  }
  int length = 1;
  while (length < 10 && (static_cast<std::uint64_t>(value) >> (7 * length - 1)) != 0) ++length;
  std::string bytes;
  for (int i = length - 1; i >= 0; --i) bytes += i >= 8 ? '\0' : static_cast<char>((value >> (8 * i)) & 255);
  const int ones = std::min(length, 8);
  bytes[0] =
      static_cast<char>(static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(0xff00u >> ones));
  if (length > 8)
    bytes[1] = static_cast<char>(static_cast<unsigned char>(bytes[1]) |
                                 static_cast<unsigned char>(0xff00u >> (length - 8)));
  key += bytes;
}
std::string key_of(const std::string& name, const tf::Slice& slice) {
  std::string key;
  append_number(key, 0);
  for (const char c : name) {
    key += c;
    if (c == '\0') key += '\xff';
    if (c == '\xff') key += '\0';
  }
  key += std::string("\0\1", 2);
  append_number(key, static_cast<std::uint64_t>(slice.extent_size()));
  for (const auto& e : slice.extent()) {
    append_signed(key, e.start());
    append_signed(key, e.has_length_case() == tf::Slice::Extent::kLength ? e.length() : -1);
  }
  return key;
}

struct Bundle : Reader {
  std::string prefix;
  int shards = 1;
  std::map<int, std::shared_ptr<MappedFile>> files;
  std::map<std::string, tf::BundleEntry> entries;
  std::int64_t joined_bytes = 0;  // of all tensors put together from parts: no more than the data files have

  const std::shared_ptr<MappedFile>& shard(int id) {
    auto& file = files[id];
    if (!file) {
      char end[40];
      std::snprintf(end, sizeof end, ".data-%05d-of-%05d", id, shards);
      file = std::make_shared<MappedFile>(prefix + end);
    }
    return file;
  }

  // The bytes of an entry as a tensor over the mapped file.
  Tensor bytes_of(const std::string& name, const tf::BundleEntry& e, DType dtype) {
    if (e.shard_id() < 0 || e.shard_id() >= shards)
      wrong(name, "lies in data file " + std::to_string(e.shard_id()) + " of " + std::to_string(shards));
    const auto& file = shard(e.shard_id());
    const auto total = static_cast<std::int64_t>(file->size());
    if (e.offset() < 0 || e.size() < 0 || e.offset() > total || e.size() > total - e.offset())
      wrong(name, "lies outside of its data file");
    const Shape sizes = shape(name, e.shape(), total);
    if (sizes.numel() * size_of(dtype) != e.size())
      wrong(name, cat("has ", e.size(), " bytes for ", sizes, " of ", dtype));
    const auto at = static_cast<std::size_t>(e.offset()), count = static_cast<std::size_t>(e.size());
    if (masked_crc32c(crc32c(file->data() + at, count)) != e.crc32c())
      wrong(name, "does not agree with its checksum");
    return Tensor::over(mapped_storage(file, at, count, static_cast<std::size_t>(size_of(dtype))), sizes,
                        strides_for(sizes), 0, dtype);
  }

  TfCheckpoint read() {
    const MappedFile index(path);
    bool header = false;
    read_tf_table(index.text(), path, [&](std::string_view key, std::string_view value) {
      const int size = static_cast<int>(std::min<std::size_t>(value.size(), 1 << 30));
      if (key.empty()) {
        tf::BundleHeader h;
        if (!h.ParseFromArray(value.data(), size) || h.num_shards() < 1 || h.num_shards() > 100000)
          wrong("the header", "cannot be read");
        if (h.endianness() != 0) wrong("the header", "says big-endian numbers, which are not read");
        shards = h.num_shards();
        header = true;
      } else if (!entries[std::string(key)].ParseFromArray(value.data(), size)) {
        wrong("an entry", "cannot be read");
      }
    });
    if (!header) wrong("the header", "is missing");
    for (const auto& [name, e] : entries) {
      if (name[0] == '\0') continue;  // a part of another
      const auto dtype = dtype_of(e.dtype());
      if (!dtype) {
        left_out(name, e.dtype());
      } else if (e.slices_size() == 0) {
        result.tensors.emplace(name, bytes_of(name, e, *dtype));
      } else {
        result.tensors.emplace(name, joined(name, e, *dtype));
      }
    }
    result.version = 2;
    return std::move(result);
  }

  Tensor joined(const std::string& name, const tf::BundleEntry& e, DType dtype) {
    std::int64_t bytes = 0;
    std::vector<const tf::BundleEntry*> parts;
    for (const tf::Slice& slice : e.slices()) {
      const auto found = entries.find(key_of(name, slice));
      if (found == entries.end()) wrong(name, "misses a part");
      parts.push_back(&found->second);
      bytes += std::max<std::int64_t>(0, std::min<std::int64_t>(found->second.size(), std::int64_t{1} << 50));
    }
    const Shape sizes = shape(name, e.shape(), bytes / size_of(dtype));
    if (sizes.numel() * size_of(dtype) != bytes) wrong(name, "is not the sum of its parts");
    std::vector<Tensor> read;
    for (const tf::BundleEntry* p : parts) {
      if (p->dtype() != e.dtype()) wrong(name, "has a part of another type");
      read.push_back(bytes_of(name, *p, dtype));  // before the whole is allocated: its bytes are there
    }
    // Many entries may point to the same bytes, so each part's being there is not enough.
    joined_bytes += bytes;
    std::int64_t there = 0;
    for (const auto& file : files) there += static_cast<std::int64_t>(file.second->size());
    if (joined_bytes > there) wrong(name, "is larger than its file");
    const Tensor whole = zeros(sizes, dtype);
    for (std::size_t i = 0; i < read.size(); ++i) {
      Tensor place = part(name, whole, e.slices(static_cast<int>(i)));
      if (place.shape() != read[i].shape()) wrong(name, "has a part of another shape");
      place.copy_(read[i]);
    }
    require_apart(name, e.slices());
    return whole;
  }
};

// --- version 1 ---------------------------------------------------------------------------------------------

struct Slices : Reader {
  std::map<std::string, std::pair<int, tf::Shape>> known;
  struct Filled {
    std::int64_t elements = 0;
    std::vector<tf::Slice> slices;
  };
  std::map<std::string, Filled> filled;  // what was seen of each tensor

  template <class T, class V> Tensor listed(const V& values, DType dtype) const {
    Tensor t = empty({values.size()}, dtype);
    for (int i = 0; i < values.size(); ++i) static_cast<T*>(t.raw())[i] = static_cast<T>(values.Get(i));
    return t;
  }
  // The values of a message, however it keeps them, in one row.
  Tensor values(const std::string& name, const tf::Tensor& t, DType dtype) const {
    if (!t.tensor_content().empty()) {
      const auto bytes = static_cast<std::int64_t>(t.tensor_content().size());
      if (bytes % size_of(dtype) != 0) wrong(name, "has a cut number");
      Tensor out = empty({bytes / size_of(dtype)}, dtype);
      std::memcpy(out.raw(), t.tensor_content().data(), static_cast<std::size_t>(bytes));
      return out;
    }
    switch (dtype) {
      case DType::fp32: return listed<float>(t.float_val(), dtype);
      case DType::fp64: return listed<double>(t.double_val(), dtype);
      case DType::int64: return listed<std::int64_t>(t.int64_val(), dtype);
      case DType::int32: return listed<std::int32_t>(t.int_val(), dtype);
      case DType::uint8: return listed<std::uint8_t>(t.int_val(), dtype);
      case DType::boolean: return listed<bool>(t.bool_val(), dtype);
      case DType::fp16:
      case DType::bf16: return listed<std::uint16_t>(t.half_val(), dtype);
    }
    return {};
  }

  TfCheckpoint read() {
    const MappedFile file(path);
    const auto limit = static_cast<std::int64_t>(file.size());
    std::int64_t total = 0;  // bytes of all tensors: no more than the file has
    read_tf_table(file.text(), path, [&](std::string_view key, std::string_view value) {
      tf::SavedTensorSlices entry;
      if (!entry.ParseFromArray(value.data(), static_cast<int>(std::min<std::size_t>(value.size(), 1 << 30))))
        wrong("an entry", "cannot be read");
      if (key.empty()) {
        for (const auto& t : entry.meta().tensor()) known[t.name()] = {t.type(), t.shape()};
        return;
      }
      const std::string& name = entry.data().name();
      const auto found = known.find(name);
      if (found == known.end()) wrong(name, "is not in the list of tensors");
      const auto dtype = dtype_of(found->second.first);
      if (!dtype) return;
      const Tensor row = values(name, entry.data().data(), *dtype);
      auto at = result.tensors.find(name);
      if (at == result.tensors.end()) {
        const Shape sizes = shape(name, found->second.second, limit);
        total += sizes.numel() * size_of(*dtype);
        // Repeated numbers may be packed as small as a byte each.
        if (total > limit * size_of(*dtype)) wrong(name, "is larger than its file");
        at = result.tensors.emplace(name, zeros(sizes, *dtype)).first;
      }
      Tensor place = part(name, at->second, entry.data().slice());
      if (place.numel() != row.numel())
        wrong(name, cat("has a part of ", row.numel(), " values for ", place.shape()));
      place.copy_(row.reshape(place.shape()));
      filled[name].elements += row.numel();
      filled[name].slices.push_back(entry.data().slice());
    });
    for (const auto& [name, about] : known) {
      const auto at = result.tensors.find(name);
      if (!dtype_of(about.first)) {
        left_out(name, about.first);
        continue;
      }
      if (at == result.tensors.end() || filled[name].elements != at->second.numel())
        wrong(name, "misses a part");
      require_apart(name, filled[name].slices);
    }
    result.version = 1;
    return std::move(result);
  }
};

bool is_table_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) >= 48 &&
         is_tf_table(MappedFile(path).text());
}

}  // namespace

bool is_tf_checkpoint(const std::string& path) {
  return is_table_file(path) || is_table_file(path + ".index");
}

TfCheckpoint read_tf_checkpoint(const std::string& path) {
  const std::string end = ".index";
  if (!path.ends_with(end) && is_table_file(path)) {
    Slices slices;
    slices.path = path;
    return slices.read();
  }
  Bundle bundle;
  bundle.prefix = path.ends_with(end) ? path.substr(0, path.size() - end.size()) : path;
  bundle.path = bundle.prefix + end;
  return bundle.read();
}

}  // namespace gadolin
