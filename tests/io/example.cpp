// tf.Example on the wire: packed and unpacked lists, what comes twice or not at all, TensorFlow's own bytes,
// hostile ones.
#include <gtest/gtest.h>

#include "io/crc32c.h"
#include "io/tfrecord.h"
#include "tests/data/hostile.h"
#include "tests/data/messages.h"
#include "tests/io/wire.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::string feature_entry(const std::string& key, const std::string& feature) {
  return field(1, field(1, key) + field(2, feature));
}
std::string example(const std::string& entries) { return field(1, entries); }
Feature only(const std::string& feature) {
  return parse_example(example(feature_entry("a", feature)), "x").at("a");
}

const std::string float_one("\0\0\x80\x3f", 4), float_half("\0\0\0\x3f", 4);

TEST(Example, ListsPackedAndUnpacked) {
  const std::uint64_t minus_one = ~std::uint64_t{0};
  const Feature ints = Feature::of_ints({-1, 300});
  EXPECT_EQ(only(field(3, field(1, varint(minus_one) + varint(300)))), ints);
  EXPECT_EQ(only(field(3, field(1, minus_one) + field(1, 300))), ints);
  EXPECT_EQ(only(field(3, field(1, minus_one) + field(1, varint(300)))), ints) << "both in one list";
  const Feature floats = Feature::of_floats({1, 0.5f});
  EXPECT_EQ(only(field(2, field(1, float_one + float_half))), floats);
  EXPECT_EQ(only(field(2, "\x0d" + float_one + "\x0d" + float_half)), floats);
  EXPECT_EQ(only(field(1, field(1, "x") + field(1, ""))), Feature::of_bytes({"x", ""}));
  EXPECT_EQ(only(field(1, "")), Feature::of_bytes({}));
  EXPECT_EQ(only(field(2, "")), Feature::of_floats({}));
  EXPECT_EQ(only(field(3, "")), Feature::of_ints({}));
  EXPECT_EQ(only(""), Feature());
}

TEST(Example, WhatComesTwiceOrNotAtAll) {
  const auto ints = [](std::uint64_t v) { return field(3, field(1, v)); };
  EXPECT_EQ(only(ints(1) + ints(2)), Feature::of_ints({1, 2})) << "a list in two pieces is one";
  EXPECT_EQ(only(ints(1) + field(1, field(1, "x"))), Feature::of_bytes({"x"}))
      << "of two kinds the last one counts";
  const Example doubled = parse_example(
      example(feature_entry("a", ints(1)) + feature_entry("b", ints(2)) + feature_entry("a", ints(3))), "x");
  EXPECT_EQ(doubled, (Example{{"a", Feature::of_ints({3})}, {"b", Feature::of_ints({2})}}));
  EXPECT_EQ(
      parse_example(example(feature_entry("a", ints(1))) + example(feature_entry("b", ints(2))), "x").size(),
      2u)
      << "features in two pieces";
  EXPECT_EQ(parse_example(example(field(1, field(1, "a")) + field(1, field(2, ints(7)))), "x"),
            (Example{{"", Feature::of_ints({7})}, {"a", Feature()}}));
  EXPECT_TRUE(parse_example("", "x").empty());
  EXPECT_TRUE(parse_example(example(""), "x").empty());
  // Fields that we do not know, of every kind, at every depth.
  const std::string unknown = field(15, 5) + field(14, "abc") + varint(13 << 3 | 1) + std::string(8, 'x') +
                              varint(12 << 3 | 5) + "four";
  EXPECT_EQ(parse_example(unknown +
                              example(unknown + field(1, unknown + field(1, "a") +
                                                             field(2, unknown + ints(1)) + unknown)) +
                              unknown,
                          "x"),
            (Example{{"a", Feature::of_ints({1})}}));
}

TEST(Example, OnlyTheKeysAskedFor) {
  const std::string bytes =
      example(feature_entry("a", field(3, field(1, 1))) + feature_entry("b", "\x0a\x05zz"));
  const std::string_view keys[] = {"a", "none"};
  EXPECT_EQ(parse_example(bytes, "x", keys), (Example{{"a", Feature::of_ints({1})}}))
      << "b is damaged and not asked for";
  EXPECT_THROW(parse_example(bytes, "x"), FormatError);
}

TEST(Example, BytesAreTensorFlowsOwn) {
  const TfRecordFile made(fixture("tfrecord/made.tfrecord"));
  const std::string_view bytes = made.record(0);
  ASSERT_GT(bytes.size(), 100u);
  Example all = parse_example(bytes, "made");
  EXPECT_EQ(serialized_example(all).size(), bytes.size());
  all.erase("");  // which TensorFlow puts behind the others
  EXPECT_EQ(serialized_example(all), example(std::string(bytes.substr(3, bytes.size() - 14))));
  // Keys sorted, lists packed.
  EXPECT_EQ(serialized_example({{"b", Feature::of_floats({1})}, {"a", Feature::of_ints({5, 6})}}),
            example(feature_entry("a", field(3, field(1, "\x05\x06"))) +
                    feature_entry("b", field(2, field(1, float_one)))));
}

TEST(Example, HostileBytes) {
  const auto says = [](const std::string& bytes) {
    return message_of<FormatError>([&] { parse_example(bytes, "f: record 3 at byte 9"); });
  };
  const std::string whole = example(feature_entry("a", field(3, field(1, 1) + field(1, varint(300)))) +
                                    feature_entry("b", field(2, field(1, float_one + float_half))) +
                                    feature_entry("c", field(1, field(1, "text") + field(1, ""))));
  EXPECT_EQ(survive_truncations(whole, [](const std::string& t) { parse_example(t, "x"); }), 1)
      << "only nothing at all is an example";
  survive_changes(whole, 3000, whole.size(), [](const std::string& t) { parse_example(t, "x"); });
  const std::string no = "f: record 3 at byte 9 is no tf.Example";
  for (const std::string& bytes :
       {std::string("\x0a\x05zz"), std::string("hello world"), std::string(1, '\0'), std::string(30, '\xff'),
        "\x0a" + varint(0x7fffffff), "\x0a" + varint(~std::uint64_t{0}), example("\x0a\xff\xff\xff\xff\x0f"),
        example(feature_entry("a", field(2, field(1, "odd")))),
        example(feature_entry("a", field(3, field(1, "\xff")))), std::string("\x0b\x0c")}) {
    EXPECT_EQ(says(bytes), no);
  }
  // Two bytes a text, one an integer: many times that in memory.
  std::string texts;
  for (int i = 0; i <= 1 << 24; ++i) texts.append("\x0a", 2);
  EXPECT_EQ(
      says(example(feature_entry("many", field(1, texts)))),
      "f: record 3 at byte 9: feature 'many' has more than 16777216 texts or 134217728 bytes of integers");
  EXPECT_EQ(
      says(example(feature_entry("many", field(3, field(1, std::string((1 << 27) + 1, '\1')))))),
      "f: record 3 at byte 9: feature 'many' has more than 16777216 texts or 134217728 bytes of integers");
  std::string entries;
  for (int i = 0; i <= 1 << 20; ++i)
    entries += field(1, field(1, std::string(reinterpret_cast<const char*>(&i), 3)));
  EXPECT_EQ(says(example(entries)), "f: record 3 at byte 9 has more than 1048576 features");
}

TEST(Example, GoldenChecksum) { EXPECT_EQ(masked_crc32c(crc32c("123456789", 9)), 0xc78ab0e5u); }

}  // namespace
