// tf.Example to and from bytes; with protobuf's generated classes inside only.
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

#include "io/bytes.h"
#include "io/proto/example.pb.h"
#include "io/tfrecord.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using google::protobuf::io::CodedInputStream;

// Tags of fields that hold a length and bytes.
constexpr std::uint32_t tag(int field) { return static_cast<std::uint32_t>(field) << 3 | 2u; }

// Calls field(number, bytes) for every field with bytes, passes over the others; false when the bytes are no
// message.
template <class F> bool each_field(std::string_view bytes, F&& field) {
  if (bytes.size() > 0x7fffffff) return false;
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  in.SetTotalBytesLimit(0x7fffffff);
  while (const std::uint32_t t = in.ReadTag()) {
    std::uint32_t length = 0;
    std::uint64_t number = 0;
    switch (t & 7u) {
      case 0:
        if (!in.ReadVarint64(&number)) return false;
        break;
      case 1:
        if (!in.Skip(8)) return false;
        break;
      case 5:
        if (!in.Skip(4)) return false;
        break;
      case 2: {
        if (!in.ReadVarint32(&length)) return false;
        const auto at = static_cast<std::size_t>(in.CurrentPosition());
        if (length > bytes.size() - at || !in.Skip(static_cast<int>(length))) return false;
        if (!field(t, bytes.substr(at, length))) return false;
        break;
      }
      default: return false;
    }
  }
  return in.ConsumedEntireMessage();
}

// How many values a list may hold: an empty text takes two bytes in a record and 40 in memory, an integer one
// and eight.
constexpr std::int64_t most_features = 1 << 20, most_texts = 1 << 24, most_ints = 1 << 27;

// Whether the lists of a feature stay within that; known from the lengths in it.
bool affordable(std::string_view bytes) {
  std::int64_t texts = 0, ints = 0;
  each_field(bytes, [&](std::uint32_t t, std::string_view list) {
    if (t == tag(3)) ints += static_cast<std::int64_t>(list.size());
    if (t == tag(1)) each_field(list, [&](std::uint32_t, std::string_view) { return ++texts <= most_texts; });
    return true;
  });
  return texts <= most_texts && ints <= most_ints;
}

bool read_feature(std::string_view bytes, Feature& feature) {
  tfrecord::FeatureValue value;
  if (!value.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  switch (value.kind_case()) {
    case tfrecord::FeatureValue::kBytesList: {
      auto& list = *value.mutable_bytes_list()->mutable_value();
      feature.kind = Feature::Kind::bytes;
      feature.bytes.assign(std::make_move_iterator(list.begin()), std::make_move_iterator(list.end()));
      break;
    }
    case tfrecord::FeatureValue::kFloatList:
      feature = Feature::of_floats({value.float_list().value().begin(), value.float_list().value().end()});
      break;
    case tfrecord::FeatureValue::kInt64List:
      feature = Feature::of_ints({value.int64_list().value().begin(), value.int64_list().value().end()});
      break;
    case tfrecord::FeatureValue::KIND_NOT_SET: break;
  }
  return true;
}

}  // namespace

Feature Feature::of_bytes(std::vector<std::string> values) {
  Feature f;
  f.kind = Kind::bytes;
  f.bytes = std::move(values);
  return f;
}
Feature Feature::of_floats(std::vector<float> values) {
  Feature f;
  f.kind = Kind::floats;
  f.floats = std::move(values);
  return f;
}
Feature Feature::of_ints(std::vector<std::int64_t> values) {
  Feature f;
  f.kind = Kind::ints;
  f.ints = std::move(values);
  return f;
}

const char* kind_name(Feature::Kind kind) {
  constexpr const char* names[] = {"unset", "bytes", "float", "int64"};
  return names[static_cast<int>(kind)];
}

Example parse_example(std::string_view bytes, std::string_view place,
                      std::span<const std::string_view> keys) {
  Example example;
  const auto entry = [&](std::string_view text) {
    std::string_view key;
    std::string_view value;
    const bool whole = each_field(text, [&](std::uint32_t t, std::string_view part) {
      if (t == tag(1)) key = part;
      if (t == tag(2)) value = part;
      return true;
    });
    if (!whole) return false;
    if (!keys.empty() && std::find(keys.begin(), keys.end(), key) == keys.end()) return true;
    require<FormatError>(affordable(value), place, ": feature '", printable(key), "' has more than ",
                         most_texts, " texts or ", most_ints, " bytes of integers");
    Feature feature;
    if (!read_feature(value, feature)) return false;
    example.insert_or_assign(std::string(key), std::move(feature));
    require<FormatError>(static_cast<std::int64_t>(example.size()) <= most_features, place, " has more than ",
                         most_features, " features");
    return true;
  };
  const auto features = [&](std::uint32_t t, std::string_view part) {
    return t != tag(1) || each_field(part, [&](std::uint32_t inner, std::string_view text) {
             return inner != tag(1) || entry(text);
           });
  };
  require<FormatError>(each_field(bytes, features), place, " is no tf.Example");
  return example;
}

std::string serialized_example(const Example& example) {
  tfrecord::ExampleMessage message;
  auto& map = *message.mutable_features();
  for (const auto& [key, feature] : example) {
    auto& entry = *map.add_feature();
    entry.set_key(key);
    auto& value = *entry.mutable_value();
    switch (feature.kind) {
      case Feature::Kind::bytes:
        value.mutable_bytes_list();
        for (const std::string& v : feature.bytes) value.mutable_bytes_list()->add_value(v);
        break;
      case Feature::Kind::floats:
        *value.mutable_float_list()->mutable_value() = {feature.floats.begin(), feature.floats.end()};
        break;
      case Feature::Kind::ints:
        *value.mutable_int64_list()->mutable_value() = {feature.ints.begin(), feature.ints.end()};
        break;
      case Feature::Kind::none: break;
    }
  }
  require<ValueError>(message.ByteSizeLong() <= std::size_t{1} << 30, "tfrecord: an example of ",
                      message.ByteSizeLong(), " bytes, at most 1 GiB are possible");
  return message.SerializeAsString();
}

}  // namespace gadolin
