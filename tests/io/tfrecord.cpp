// TFRecord and tf.Example: golden bytes, TensorFlow's files to TensorFlow's numbers, damage of every kind.
#include "io/tfrecord.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "io/record_file.h"
#include "io/sha256.h"
#include "tests/data/hostile.h"
#include "tests/data/messages.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;

namespace {

template <class T> std::string raw_values(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
std::string digest_of_example(const Example& example) {
  std::string all;
  for (const auto& [key, f] : example) {
    all += cat(key, " ", kind_name(f.kind), " ", f.bytes.size() + f.floats.size() + f.ints.size(), " ");
    for (const std::string& text : f.bytes)
      all += raw_values(std::vector<std::int64_t>{static_cast<std::int64_t>(text.size())}) + text;
    all += raw_values(f.floats) + raw_values(f.ints);
  }
  return sha256_hex(all).substr(0, 16);
}
std::string hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST(TfRecord, FramingToTheByte) {
  EXPECT_EQ(framed_record("abc"), hex("0300000000000000b099490e6162636e57f121"));
  const Scratch dir;
  TfRecordWriter writer(dir / "a.tfrecord");
  writer.append("abc");
  EXPECT_FALSE(std::filesystem::exists(dir / "a.tfrecord"));
  writer.close();
  EXPECT_EQ(read_file(dir / "a.tfrecord", 100), framed_record("abc"));
  EXPECT_EQ(read_file(dir / "a.tfrecord.index", 100), "0 19\n");
}

TEST(TfRecord, TensorFlowsFilesReadToItsNumbers) {
  std::ifstream file(fixture("tfrecord/expected.json"));
  const json files = json::parse(file)["files"];
  EXPECT_EQ(files.size(), 9u);
  std::int64_t records = 0;
  for (const auto& [name, facts] : files.items()) {
    const TfRecordFile read(fixture("tfrecord/" + name));
    ASSERT_EQ(read.size(), static_cast<std::int64_t>(facts.size())) << name;
    for (std::int64_t i = read.size() - 1; i >= 0; --i, ++records) {
      const json& fact = facts[static_cast<std::size_t>(i)];
      const std::string_view bytes = read.record(i);
      EXPECT_EQ(bytes.size(), fact["bytes"].get<std::size_t>()) << name << i;
      EXPECT_EQ(sha256_hex(bytes).substr(0, 16), fact["sha256"].get<std::string>()) << name << i;
      if (!fact.contains("features")) continue;
      const Example example = parse_example(bytes, name);
      EXPECT_EQ(example.size(), fact["features"][0].get<std::size_t>()) << name << i;
      EXPECT_EQ(digest_of_example(example), fact["features"][1].get<std::string>()) << name << i;
      EXPECT_EQ(parse_example(serialized_example(example), name), example) << name << i;
    }
  }
  EXPECT_EQ(records, 642);
}

TEST(TfRecord, ShardsIndexAndPatterns) {
  const Scratch dir;
  TfRecordWriter writer(dir / "a.tfrecord", 3);
  for (int i = 0; i < 8; ++i) writer.append(std::string(static_cast<std::size_t>(i), 'x'));
  writer.close();
  const auto files = tfrecord_files(dir.path());
  ASSERT_EQ(files,
            (std::vector<std::string>{dir / "a.tfrecord-00000-of-00003", dir / "a.tfrecord-00001-of-00003",
                                      dir / "a.tfrecord-00002-of-00003"}));
  EXPECT_EQ(tfrecord_files(dir / "a.tf*"), files);
  for (const bool index : {true, false}) {
    const TfRecordFile middle(files[1], {.index = index});
    ASSERT_EQ(middle.size(), 3);
    EXPECT_EQ(middle.record(2), "xxxxxxx");
    EXPECT_EQ(middle.record(0), "x");
  }
  const std::string second = "DIR/a.tfrecord-00001-of-00003.index";
  dir.write("a.tfrecord-00001-of-00003.index", "0 17\n17 x\n");
  expect_says<FormatError>(
      dir, [&] { TfRecordFile f(files[1]); },
      "tfrecord: " + second + ":2: not an offset and a length; remove the index");
  dir.write("a.tfrecord-00001-of-00003.index", "0 17\n17 200\n");
  expect_says<FormatError>(
      dir, [&] { TfRecordFile f(files[1]); },
      "tfrecord: " + second + ":2: 200 bytes at byte 17 do not fit the file of 60 bytes; remove the index");
  dir.write("a.tfrecord-00001-of-00003.index", "0 17\n");
  expect_says<FormatError>(
      dir, [&] { TfRecordFile f(files[1]); },
      "tfrecord: " + second + " ends at byte 17, the file at 60; remove the index");
  dir.write("a.tfrecord-00001-of-00003.index", "0 17\n17 21\n38 22\n");
  expect_says<FormatError>(
      dir, [&] { TfRecordFile(files[1]).record(1); },
      "tfrecord: DIR/a.tfrecord-00001-of-00003: record 1 at byte 17 has 4 bytes, the index says 5; remove "
      "the index");
  expect_says<ValueError>(
      dir, [&] { TfRecordFile(files[0]).record(3); },
      "tfrecord: record 3 of 3 in DIR/a.tfrecord-00000-of-00003");
  std::filesystem::remove(files[1]);
  expect_says<DataError>(
      dir, [&] { tfrecord_files(dir.path()); },
      "tfrecord: shard 1 of 3 of DIR/a.tfrecord is missing; copy it there or name the files you mean with ? "
      "and *");
  expect_says<DataError>(
      dir, [&] { tfrecord_files(dir / "b*"); }, "tfrecord: DIR/b* matches no TFRecord");
  expect_says<ValueError>(
      dir, [&] { TfRecordWriter w(dir / "c", 513); }, "tfrecord: 513 shards, 1 to 512 are possible");
}

TEST(TfRecord, DamageNamesRecordAndByte) {
  const Scratch dir;
  const std::string whole = framed_record("abc") + framed_record("defgh");
  const auto read_all = [&](const std::string& bytes) {
    const TfRecordFile file(dir.write("d.tfrecord", bytes));
    for (std::int64_t i = 0; i < file.size(); ++i) file.record(i);
  };
  const auto says = [&](const std::string& bytes, const std::string& text) {
    expect_says<FormatError>(
        dir, [&] { read_all(bytes); }, text);
  };
  EXPECT_EQ(survive_truncations(whole, read_all), 2);  // empty, and after the first record
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_THROW(read_all(bytes), FormatError) << bit;
  }
  says(whole.substr(0, 25),
       "tfrecord: DIR/d.tfrecord: record 1 at byte 19 has 6 of the 12 bytes of its head; the file was cut");
  says(whole.substr(0, 37),
       "tfrecord: DIR/d.tfrecord: record 1 at byte 19 has 5 bytes, the file has 2 more; the file was cut");
  std::string bytes = whole;
  bytes[20] = 1;
  says(bytes,
       "tfrecord: DIR/d.tfrecord: record 1 at byte 19: its length does not match its checksum; the file is "
       "damaged or no TFRecord");
  bytes = whole;
  bytes[33] = 'x';
  says(bytes,
       "tfrecord: DIR/d.tfrecord: record 1 at byte 19: its 5 bytes do not match their checksum; the file is "
       "damaged");
  // A huge length with a right checksum.
  const std::string huge = hex("ffffffffffffff7f");
  const std::uint32_t crc = [&] {
    std::uint32_t c = 0;
    const std::string f = framed_record(huge);
    std::memcpy(&c, f.data() + 20, 4);
    return c;
  }();
  bytes = huge + raw_values(std::vector<std::uint32_t>{crc}) + "abcdefgh";
  says(bytes,
       "tfrecord: DIR/d.tfrecord: record 0 at byte 0 has 9223372036854775807 bytes, the file has 4 more; the "
       "file was cut");
  for (const bool index : {false, true}) {
    dir.write("d.tfrecord", whole);
    if (index) dir.write("d.tfrecord.index", "0 19\n19 21\n");
    expect_says<FormatError>(
        dir, [&] { TfRecordFile f(dir / "d.tfrecord", {.record_limit = 4}); },
        "tfrecord: DIR/d.tfrecord: record 1 at byte 19 has 5 B, at most 4 B are read");
  }
}

TEST(TfRecord, PackedFilesAreBoundedAndTheirDamageFound) {
  const Scratch dir;
  const std::string whole = read_file(fixture("tfrecord/made.gz"), 1000);
  const auto read = [&](const std::string& bytes) { TfRecordFile(dir.write("p.gz", bytes)).record(0); };
  read(whole);
  EXPECT_EQ(survive_truncations(whole,
                                [&](const std::string& b) {
                                  if (!b.empty())
                                    read(b);
                                  else
                                    fail<FormatError>("empty");
                                }),
            0);
  survive_changes(whole, 300, whole.size(), read);
  expect_says<FormatError>(
      dir, [&] { read(whole.substr(0, 100)); },
      "tfrecord: DIR/p.gz: its packing is damaged at byte 100 of 100: the file was cut; copy or download it "
      "again");
  expect_says<FormatError>(
      dir, [&] { TfRecordFile f(dir.write("p.gz", whole), {.unpacked_limit = 100}); },
      "tfrecord: DIR/p.gz unpacks to more than 100 B; unpack it with gunzip");
}

}  // namespace
