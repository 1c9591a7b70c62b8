#include "apps/serve/v2_message.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

namespace gadolin::serve {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t most_json = std::size_t{16} << 20;  // larger data are sent as binary tensors
constexpr int deepest = 16;
constexpr std::int64_t most_elements = std::int64_t{1} << 31;
constexpr std::int64_t most_texts = 65536;  // an empty one takes four bytes of a body, and 32 of memory

struct Datatype {
  int bytes;
  double low, high;  // of integers
};
const std::map<std::string, Datatype>& datatypes() {
  static const std::map<std::string, Datatype> all{
      {"BOOL", {1, 0, 1}},
      {"UINT8", {1, 0, 255}},
      {"UINT16", {2, 0, 65535}},
      {"UINT32", {4, 0, 4294967295.}},
      {"UINT64", {8, 0, 18446744073709551615.}},
      {"INT8", {1, -128, 127}},
      {"INT16", {2, -32768, 32767}},
      {"INT32", {4, -2147483648., 2147483647}},
      {"INT64", {8, -9223372036854775808., 9223372036854775807.}},
      {"FP16", {2, 0, 0}},
      {"FP32", {4, 0, 0}},
      {"FP64", {8, 0, 0}},
      {"BYTES", {0, 0, 0}}};
  return all;
}

[[noreturn]] void breach(const std::string& where, const std::string& what) {
  refuse(400, where, ": ", what);
}

// Depth is bounded before anything is built of it.
void check_depth(std::string_view text) {
  int depth = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside) {
      if (c == '\\') ++i;
      inside = c != '"' || (i < text.size() && text[i] != '"');
    } else if (c == '"') {
      inside = true;
    } else if (c == '[' || c == '{') {
      if (++depth > deepest) breach("body", cat("nested more than ", deepest, " deep"));
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

Json parsed(std::string_view text) {
  if (text.size() > most_json)
    breach("body", cat("the JSON has ", text.size(), " bytes; at most ", most_json,
                       " are read, send larger data as binary tensors"));
  check_depth(text);
  try {
    Json json = Json::parse(text);
    if (!json.is_object()) breach("body", "is no JSON object");
    return json;
  } catch (const Json::parse_error& error) {
    breach("body", cat("is no JSON; it goes wrong at byte ", error.byte));
  } catch (const Json::out_of_range&) {
    breach("body", "has a number beyond those of 64 bits, such as 1e400");
  }
}

std::string text_field(const Json& object, const char* key, const std::string& where, bool needed) {
  if (!object.contains(key)) {
    if (needed) breach(where + key, "is missing");
    return "";
  }
  if (!object[key].is_string()) breach(where + key, "is no text");
  return object[key].get<std::string>();
}

bool flag_field(const Json& parameters, const char* key, const std::string& where, bool otherwise) {
  if (!parameters.contains(key)) return otherwise;
  if (!parameters[key].is_boolean()) breach(where + key, "is neither true nor false");
  return parameters[key].get<bool>();
}

Json parameters_of(const Json& object, const std::string& where) {
  if (!object.contains("parameters")) return Json::object();
  const Json& parameters = object["parameters"];
  if (!parameters.is_object()) breach(where + "parameters", "is no object");
  if (parameters.contains("shared_memory_region"))
    breach(where + "parameters.shared_memory_region", "shared memory is not offered; send the data");
  if (parameters.contains("classification"))
    breach(where + "parameters.classification", "is not offered; ask for the output label");
  return parameters;
}

std::vector<std::int64_t> shape_of(const Json& object, const std::string& where) {
  if (!object.contains("shape")) breach(where + "shape", "is missing");
  const Json& shape = object["shape"];
  if (!shape.is_array() || shape.empty() || shape.size() > 8)
    breach(where + "shape", "is no list of 1 to 8 sizes");
  std::vector<std::int64_t> sizes;
  std::int64_t elements = 1;
  for (const Json& size : shape) {
    if (!size.is_number_integer() || size.get<std::int64_t>() < 0 || size.get<std::int64_t>() > most_elements)
      breach(where + "shape",
             cat("has the size ", size.dump().substr(0, 40), "; sizes are whole numbers from 0"));
    sizes.push_back(size.get<std::int64_t>());
    elements *= std::max<std::int64_t>(sizes.back(), 1);
    if (elements > most_elements) breach(where + "shape", "has too many elements");
  }
  return sizes;
}

template <class T> void put(std::string& raw, T value) {
  raw.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_number(V2Tensor& t, const Datatype& type, const Json& value, const std::string& where) {
  const auto at = [&] {
    return cat(where, "[",
               t.datatype == "BYTES" ? t.texts.size()
                                     : t.raw.size() / static_cast<std::size_t>(std::max(type.bytes, 1)),
               "]");
  };
  if (t.datatype == "BYTES") {
    if (!value.is_string()) breach(at(), "is no text, and BYTES is stated");
    t.texts.push_back(value.get<std::string>());
  } else if (t.datatype == "BOOL") {
    if (!value.is_boolean() && value != 0 && value != 1)
      breach(at(), "is neither true nor false, and BOOL is stated");
    put<std::uint8_t>(t.raw, value == true || value == 1);
  } else if (t.datatype == "FP32" || t.datatype == "FP64") {
    if (!value.is_number()) breach(at(), cat("is no number, and ", t.datatype, " is stated"));
    const auto number = value.get<double>();
    if (t.datatype == "FP64") return put(t.raw, number);
    if (std::abs(number) > std::numeric_limits<float>::max()) breach(at(), "is too large for FP32");
    put(t.raw, static_cast<float>(number));
  } else {
    if (!value.is_number_integer()) breach(at(), cat("is no whole number, and ", t.datatype, " is stated"));
    if ((t.datatype == "INT64" && value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) ||
        value.get<double>() < type.low || value.get<double>() > type.high)
      breach(at(), cat("does not fit ", t.datatype));
    const std::uint64_t bits = value.get<std::uint64_t>();  // two's complement of a negative one
    t.raw.append(reinterpret_cast<const char*>(&bits), static_cast<std::size_t>(type.bytes));
  }
}

void put_nested(V2Tensor& t, const Datatype& type, const Json& data, std::size_t dim,
                const std::string& where) {
  if (dim == t.shape.size()) return put_number(t, type, data, where);
  if (!data.is_array() || static_cast<std::int64_t>(data.size()) != t.shape[dim])
    breach(where, cat("is nested otherwise than its shape says: ", t.shape[dim],
                      " elements are needed in dimension ", dim));
  for (const Json& row : data) put_nested(t, type, row, dim + 1, where);
}

void read_json_data(V2Tensor& t, const Datatype& type, const Json& data, const std::string& where) {
  if (t.datatype == "FP16") breach(where, "FP16 has no form in JSON; send a binary tensor");
  if (!data.is_array()) breach(where, "is no list");
  if (t.shape.size() > 1 && !data.empty() && data[0].is_array()) return put_nested(t, type, data, 0, where);
  if (static_cast<std::int64_t>(data.size()) != t.elements())
    breach(where, cat("has ", data.size(), " elements, and the shape has ", t.elements()));
  for (const Json& value : data) put_number(t, type, value, where);
}

// BYTES: each element behind its length of four bytes.
void read_binary_data(V2Tensor& t, const Datatype& type, std::string_view data, const std::string& where) {
  t.binary = true;
  if (type.bytes > 0) {
    if (static_cast<std::int64_t>(data.size()) != t.elements() * type.bytes)
      breach(where, cat("is ", data.size(), ", and the shape has ", t.elements(), " elements of ", type.bytes,
                        " bytes"));
    t.raw = data;
    return;
  }
  while (!data.empty() && std::ssize(t.texts) <= t.elements()) {
    std::uint32_t length = 0;
    if (data.size() >= 4) std::memcpy(&length, data.data(), 4);
    if (data.size() < 4 || data.size() - 4 < length)
      breach(where, cat("ends inside element ", t.texts.size(), " of BYTES"));
    t.texts.emplace_back(data.substr(4, length));
    data.remove_prefix(4 + std::size_t{length});
  }
  if (std::ssize(t.texts) != t.elements())
    breach(where,
           cat("holds ", data.empty() ? "" : "more than ", data.empty() ? std::ssize(t.texts) : t.elements(),
               " elements, and the shape has ", t.elements()));
}

V2Tensor input_of(const Json& object, const std::string& place, std::string_view& binary) {
  if (!object.is_object()) breach(place, "is no object");
  const std::string where = place + ".";
  V2Tensor t;
  t.name = text_field(object, "name", where, true);
  t.datatype = text_field(object, "datatype", where, true);
  const auto type = datatypes().find(t.datatype);
  if (type == datatypes().end())
    breach(where + "datatype", cat(utf8(t.datatype.substr(0, 40)), " is unknown"));
  t.shape = shape_of(object, where);
  if (t.datatype == "BYTES" && t.elements() > most_texts)
    breach(where + "shape",
           cat("has ", t.elements(), " elements of BYTES; at most ", most_texts, " are read"));
  const Json parameters = parameters_of(object, where);
  const bool sized = parameters.contains("binary_data_size"), listed = object.contains("data");
  const std::string size_place = where + "parameters.binary_data_size";
  if (sized == listed)
    breach(where + "data", sized ? "stands beside parameters.binary_data_size" : "is missing");
  if (listed) {
    read_json_data(t, type->second, object["data"], where + "data");
    return t;
  }
  const Json& size = parameters["binary_data_size"];
  if (!size.is_number_unsigned()) breach(size_place, "is no number of bytes");
  if (size.get<std::uint64_t>() > binary.size())
    breach(size_place,
           cat("is ", size.get<std::uint64_t>(), ", and ", binary.size(), " bytes are left in the body"));
  read_binary_data(t, type->second, binary.substr(0, size.get<std::size_t>()), size_place);
  binary.remove_prefix(size.get<std::size_t>());
  return t;
}

}  // namespace

std::int64_t V2Tensor::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

int v2_element_bytes(const std::string& datatype) {
  const auto found = datatypes().find(datatype);
  return found == datatypes().end() ? -1 : found->second.bytes;
}

V2Request read_v2_request(Bytes body, const std::string& json_bytes) {
  const std::string_view whole(reinterpret_cast<const char*>(body.data()), body.size());
  std::size_t header = whole.size();
  if (!json_bytes.empty()) {
    const char* place = "Inference-Header-Content-Length";
    if (json_bytes.size() > 18 || json_bytes.find_first_not_of("0123456789") != std::string::npos)
      breach(place, cat(utf8(json_bytes.substr(0, 40)), " is no number of bytes"));
    header = std::stoull(json_bytes);
    if (header > whole.size())
      breach(place, cat("is ", header, ", and the body has ", whole.size(), " bytes"));
  }
  const Json json = parsed(whole.substr(0, header));
  std::string_view binary = whole.substr(header);
  V2Request request;
  request.id = text_field(json, "id", "", false);
  const Json parameters = parameters_of(json, "");
  request.binary = flag_field(parameters, "binary_data_output", "parameters.", false);
  if (!json.contains("inputs") || !json["inputs"].is_array() || json["inputs"].empty())
    breach("inputs", "is no list of tensors");
  for (std::size_t i = 0; i < json["inputs"].size(); ++i)
    request.inputs.push_back(input_of(json["inputs"][i], cat("inputs[", i, "]"), binary));
  if (!binary.empty()) breach("body", cat("has ", binary.size(), " bytes behind its last tensor"));
  if (!json.contains("outputs")) return request;
  if (!json["outputs"].is_array()) breach("outputs", "is no list");
  for (std::size_t i = 0; i < json["outputs"].size(); ++i) {
    const std::string place = cat("outputs[", i, "]");
    if (!json["outputs"][i].is_object()) breach(place, "is no object");
    const Json own = parameters_of(json["outputs"][i], place + ".");
    request.outputs.push_back({text_field(json["outputs"][i], "name", place + ".", true),
                               flag_field(own, "binary_data", place + ".parameters.", request.binary)});
  }
  return request;
}

namespace {

Json listed_data(const V2Tensor& t) {
  Json data = Json::array();
  const auto all = [&]<class T>(T) {
    for (std::size_t at = 0; at + sizeof(T) <= t.raw.size(); at += sizeof(T)) {
      T value;
      std::memcpy(&value, t.raw.data() + at, sizeof(T));
      data.push_back(value);
    }
  };
  if (t.datatype == "FP32") all(float{});
  if (t.datatype == "INT64") all(std::int64_t{});
  for (const std::string& text : t.texts) data.push_back(text);
  return data;
}

std::string binary_data(const V2Tensor& t) {
  std::string bytes = t.raw;
  for (const std::string& text : t.texts) {
    put(bytes, static_cast<std::uint32_t>(text.size()));
    bytes += text;
  }
  return bytes;
}

}  // namespace

HttpAnswer write_v2_answer(const std::string& model, const std::string& version, const std::string& id,
                           const std::vector<V2Tensor>& outputs) {
  Json json{{"model_name", model}, {"model_version", version}};
  if (!id.empty()) json["id"] = id;
  json["outputs"] = Json::array();
  std::string binary;
  for (const V2Tensor& t : outputs) {
    Json one{{"name", t.name}, {"datatype", t.datatype}, {"shape", t.shape}};
    if (t.binary) {
      const std::string bytes = binary_data(t);
      one["parameters"]["binary_data_size"] = bytes.size();
      binary += bytes;
    } else {
      one["data"] = listed_data(t);
    }
    json["outputs"].push_back(std::move(one));
  }
  HttpAnswer answer{200, "application/json", dumped(json), {}};
  if (binary.empty()) return answer;
  answer.headers.emplace_back("Inference-Header-Content-Length", cat(answer.body.size()));
  answer.type = "application/octet-stream";
  answer.body += binary;
  return answer;
}

V2Tensor v2_floats(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values) {
  return {std::move(name),
          "FP32",
          std::move(shape),
          {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)},
          {}};
}

V2Tensor v2_integers(std::string name, std::vector<std::int64_t> shape,
                     const std::vector<std::int64_t>& values) {
  return {std::move(name),
          "INT64",
          std::move(shape),
          {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)},
          {}};
}

}  // namespace gadolin::serve
