// The JSON header of .safetensors: parsed by events, so that neither depth nor repetition costs more than its
// bytes.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "io/safetensors.h"

namespace gadolin {
namespace {

constexpr std::int64_t header_limit = 100'000'000;
constexpr std::size_t entries_limit = 1'000'000, rank_limit = 16;

constexpr struct {
  const char* name;
  int bytes;
} dtype_names[] = {{"F64", 8},  {"F32", 4},     {"F16", 2},     {"BF16", 2}, {"I64", 8}, {"I32", 4},
                   {"I16", 2},  {"I8", 1},      {"U64", 8},     {"U32", 4},  {"U16", 2}, {"U8", 1},
                   {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"C64", 8}};

// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "value"}}
class Events : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  std::string error;

  bool start_object(std::size_t) override {
    if (depth_ == 0 || (depth_ == 1 && in_list_ == nullptr)) {
      ++depth_;
      if (depth_ == 2 && !metadata_) header.entries.push_back({name_, {}, {}, {}, {}});
      if (depth_ == 2) fields_.clear();
      return depth_ == 1 || header.entries.size() <= entries_limit ||
             wrong("has more than a million tensors");
    }
    return wrong("nests objects too deeply in '" + name_ + "'");
  }
  bool end_object() override {
    if (--depth_ == 1 && !metadata_) {
      if (fields_.size() != 3) return wrong("lacks dtype, shape or data_offsets of '" + name_ + "'");
    }
    return true;
  }
  bool key(string_t& key) override {
    if (depth_ == 1) {
      name_ = key;
      metadata_ = key == "__metadata__";
      return names_.insert(key).second || wrong("has '" + key + "' twice");
    }
    field_ = key;
    if (!fields_.insert(key).second) return wrong("has '" + key + "' twice in '" + name_ + "'");
    if (metadata_) return true;
    return key == "dtype" || key == "shape" || key == "data_offsets" ||
           wrong("has the unknown key '" + key + "' in '" + name_ + "'");
  }
  bool string(string_t& value) override {
    if (depth_ != 2 || in_list_ != nullptr) return misplaced();
    if (metadata_)
      header.metadata[field_] = value;
    else if (field_ == "dtype")
      header.entries.back().dtype = value;
    else
      return misplaced();
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || metadata_ || in_list_ != nullptr || field_ == "dtype") return misplaced();
    offsets_.clear();
    in_list_ = field_ == "shape" ? &header.entries.back().sizes : &offsets_;
    return true;
  }
  bool end_array() override {
    if (in_list_ == &offsets_) {
      if (offsets_.size() != 2) return wrong("has not two data_offsets in '" + name_ + "'");
      header.entries.back().begin = offsets_[0];
      header.entries.back().end = offsets_[1];
    }
    in_list_ = nullptr;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (in_list_ == nullptr) return misplaced();
    if (value > (std::uint64_t{1} << 62)) return wrong("has a number out of range in '" + name_ + "'");
    if (in_list_->size() >= rank_limit) return wrong("has more than 16 dimensions in '" + name_ + "'");
    in_list_->push_back(static_cast<std::int64_t>(value));
    return true;
  }
  bool number_integer(number_integer_t) override { return wrong("has a negative number in '" + name_ + "'"); }
  bool number_float(number_float_t, const string_t&) override { return misplaced(); }
  bool null() override { return misplaced(); }
  bool boolean(bool) override { return misplaced(); }
  bool binary(binary_t&) override { return misplaced(); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    return wrong("is not JSON at byte " + std::to_string(at));
  }

 private:
  bool wrong(std::string what) {
    if (error.empty()) error = std::move(what);
    return false;
  }
  bool misplaced() {
    return wrong(depth_ == 0 ? "is not a JSON object" : "has a value of the wrong kind in '" + name_ + "'");
  }
  int depth_ = 0;
  bool metadata_ = false;
  std::string name_, field_;
  std::set<std::string> names_, fields_;
  std::vector<std::int64_t> offsets_, *in_list_ = nullptr;
};

std::int64_t bytes_of(const SafetensorsEntry& entry, const std::string& name) {
  const auto* type = std::find_if(std::begin(dtype_names), std::end(dtype_names),
                                  [&](const auto& t) { return entry.dtype == t.name; });
  require<FormatError>(type != std::end(dtype_names), "safetensors: ", name, ": '", entry.name,
                       "' has the unknown dtype '", entry.dtype.substr(0, 20), "'");
  std::int64_t bytes = type->bytes;
  bool empty = false;
  for (const std::int64_t size : entry.sizes) {
    if (size == 0)
      empty = true;
    else
      require<FormatError>(!__builtin_mul_overflow(bytes, size, &bytes), "safetensors: ", name,
                           ": the shape of '", entry.name, "' overflows");
  }
  return empty ? 0 : bytes;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view start, std::int64_t file_bytes,
                                           const std::string& name) {
  require<FormatError>(file_bytes >= 8 && start.size() >= 8, "safetensors: ", name, ": ", file_bytes,
                       " bytes are too few for a header");
  std::uint64_t length = 0;
  std::memcpy(&length, start.data(), 8);
  require<FormatError>(length <= static_cast<std::uint64_t>(header_limit), "safetensors: ", name,
                       ": a header of ", length, " bytes, the limit is ", header_limit,
                       "; is it a .safetensors file?");
  require<FormatError>(length <= static_cast<std::uint64_t>(file_bytes) - 8 && length <= start.size() - 8,
                       "safetensors: ", name, ": it ends inside its header; the file was cut");
  const std::string_view text = start.substr(8, length);
  require<FormatError>(!text.empty() && text[0] == '{', "safetensors: ", name,
                       ": the header does not begin with '{'");
  Events events;
  const bool whole = nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  require<FormatError>(whole, "safetensors: ", name, ": the header ", events.error.substr(0, 200));

  SafetensorsHeader header = std::move(events.header);
  header.data_start = 8 + static_cast<std::int64_t>(length);
  std::sort(header.entries.begin(), header.entries.end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
            });
  std::int64_t at = 0;
  for (const SafetensorsEntry& entry : header.entries) {
    require<FormatError>(entry.begin == at, "safetensors: ", name, ": '", entry.name, "' begins at byte ",
                         entry.begin, " where ", at,
                         " is due; tensors must follow one another without holes or overlaps");
    const std::int64_t bytes = bytes_of(entry, name);
    require<FormatError>(entry.end >= entry.begin && entry.end - entry.begin == bytes, "safetensors: ", name,
                         ": '", entry.name, "' spans bytes ", entry.begin, " to ", entry.end,
                         ", but its shape takes ", bytes);
    at = entry.end;
  }
  require<FormatError>(at == file_bytes - header.data_start, "safetensors: ", name, ": ",
                       file_bytes - header.data_start, " bytes of data, the tensors take ", at,
                       "; the file was cut or something was added");
  return header;
}

}  // namespace gadolin
