// Tables of TensorFlow made by hand: packed blocks, and every way in which one can lie about itself.
#include "io/tf_table.h"

#include <gtest/gtest.h>

#include <cstring>

#include "io/crc32c.h"
#include "io/tf_checkpoint.h"
#include "tests/data/scratch.h"
#include "tests/io/wire.h"

namespace gadolin {
namespace {

using test::field;
using test::message_of;
using test::Scratch;
using test::varint;

std::string fixed32(std::uint32_t value) {
  std::string text(4, '\0');
  std::memcpy(text.data(), &value, 4);
  return text;
}
std::string entry(const std::string& key, const std::string& value, std::uint64_t shared = 0) {
  return varint(shared) + varint(key.size()) + varint(value.size()) + key + value;
}
const std::string one_restart("\0\0\0\0\1\0\0\0", 8);

// Blocks one behind the other, each under its right checksum; then a footer that names an index.
struct Made {
  std::string file;
  std::string block(std::string bytes, char compression = 0) {
    const std::string handle = varint(file.size()) + varint(bytes.size());
    bytes += compression;
    file += bytes + fixed32(masked_crc32c(crc32c(bytes.data(), bytes.size())));
    return handle;
  }
  std::string with_footer(const std::string& index) const {
    std::string footer = varint(0) + varint(0) + index;
    footer.resize(40, '\0');
    return file + footer + std::string("\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
  }
};
std::string table(const std::string& block, char compression = 0) {
  Made made;
  const std::string data = made.block(block, compression);
  return made.with_footer(made.block(entry("~", data) + one_restart));
}

std::vector<std::pair<std::string, std::string>> read_all(const std::string& bytes) {
  std::vector<std::pair<std::string, std::string>> all;
  read_tf_table(bytes, "x",
                [&](std::string_view key, std::string_view value) { all.emplace_back(key, value); });
  return all;
}
std::string table_refusal(const std::string& bytes) {
  return message_of<FormatError>([&] { read_all(bytes); });
}

using Entries = std::vector<std::pair<std::string, std::string>>;

TEST(TfTable, KeysShareTheirBeginnings) {
  EXPECT_EQ(read_all(table(entry("block/a", "1") + entry("b", "22", 6) + entry("s", "", 5) + one_restart)),
            (Entries{{"block/a", "1"}, {"block/b", "22"}, {"blocks", ""}}));
}

// Packed by Google's Snappy: a literal, and a copy that reads what it has just written.
TEST(TfTable, UnpacksSnappy) {
  const unsigned char packed[] = {0x54, 0x30, 0x00, 0x03, 0x46, 0x6b, 0x65, 0x79, 0x61,
                                  0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0xfa, 0x07, 0x00,
                                  0x1c, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00};
  std::string text(reinterpret_cast<const char*>(packed), sizeof packed), value;
  for (int i = 0; i < 10; ++i) value += "abcdefg";
  EXPECT_EQ(read_all(table(text, 1)), (Entries{{"key", value}}));
  for (std::size_t i = 0; i < text.size(); ++i) {  // damaged before its checksum was made
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = text;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      try {
        read_all(table(bad, 1));
      } catch (const FormatError&) {
      }
    }
    EXPECT_NE(table_refusal(table(text.substr(0, i), 1)), "") << i;
  }
  EXPECT_EQ(table_refusal(table(varint(1u << 30) + "abc", 1)),
            "tensorflow checkpoint: x is damaged at byte 0: a packed block claims more than it can hold");
  EXPECT_EQ(table_refusal(table(text, 2)),
            "tensorflow checkpoint: x is damaged at byte 27: a block of an unknown compression");
}

TEST(TfTableHostile, HandlesThatLie) {
  for (const std::uint64_t size :
       {std::uint64_t{4096}, std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 4}) {
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{50}, ~std::uint64_t{0} - 3}) {
      EXPECT_NE(table_refusal(Made{}.with_footer(varint(offset) + varint(size))), "")
          << offset << " " << size;
      Made made;
      const std::string index = made.block(entry("~", varint(offset) + varint(size)) + one_restart);
      EXPECT_EQ(table_refusal(made.with_footer(index)), "tensorflow checkpoint: x is damaged at byte " +
                                                            std::to_string(made.file.size() + 48) +
                                                            ": a block reaches beyond the file");
    }
  }
  Made made;
  EXPECT_NE(table_refusal(made.with_footer(made.block(entry("~", "\xff\xff") + one_restart))), "");
}

TEST(TfTableHostile, BlocksThatNameThemselvesOrOneTwice) {
  Made cyclic;  // an index whose only block is the index
  const std::string self = entry("~", std::string("\0\x0e", 2)) + one_restart;
  ASSERT_EQ(self.size(), 14u);
  const std::string once = cyclic.with_footer(cyclic.block(self));
  EXPECT_EQ(read_all(once), (Entries{{"~", std::string("\0\x0e", 2)}}));  // read as a block of entries, once
  Made twice;
  const std::string data = twice.block(entry("k", std::string(1000, 'v')) + one_restart);
  std::string index;
  for (char key = 'a'; key <= 'z'; ++key) index += entry(std::string(1, key), data);
  EXPECT_EQ(table_refusal(twice.with_footer(twice.block(index + one_restart))),
            "tensorflow checkpoint: x is damaged at byte 0: blocks are not in order");
}

TEST(TfTableHostile, EntriesThatLie) {
  const auto block = [](const std::string& entries) { return table_refusal(table(entries + one_restart)); };
  const std::string start = "tensorflow checkpoint: x is damaged at byte 0: ";
  EXPECT_EQ(block(entry("k", "v", 1)), start + "an entry reaches beyond its block");
  EXPECT_EQ(block(varint(0) + varint(~std::uint64_t{0}) + varint(1) + "k"),
            start + "an entry reaches beyond its block");
  EXPECT_EQ(block(varint(0) + varint(1) + varint(~std::uint64_t{0}) + "k"),
            start + "an entry reaches beyond its block");
  EXPECT_EQ(block(entry(std::string(3000, 'k'), "")), start + "a key is longer than 2048 bytes");
  EXPECT_EQ(block(std::string(11, '\xff')),
            "tensorflow checkpoint: x is damaged at byte 10: a number is longer than 64 bits");
  EXPECT_NE(block(entry("b", "") + entry("a", "")).find("keys are not in order"), std::string::npos);
  EXPECT_NE(block(entry("a", "") + entry("a", "")).find("keys are not in order"), std::string::npos);
  EXPECT_EQ(table_refusal(table(fixed32(1000))), start + "a block has more restarts than bytes");
  EXPECT_EQ(table_refusal(table("ab")), start + "a block is too small");
}

// --- what an index of version 2 says about its tensors: fields written by hand -----------------------------

std::string shape_of(std::uint64_t n) { return field(2, field(2, field(1, n))); }
std::string extent(std::uint64_t start, std::uint64_t length) {
  return field(1, field(1, start) + field(2, length));
}
// An fp32 entry over `data` from `offset`.
std::string tensor_entry(const std::string& data, std::uint64_t offset, std::uint64_t count,
                         std::uint64_t shard = 0) {
  const std::uint32_t sum = masked_crc32c(crc32c(data.data() + offset, static_cast<std::size_t>(count * 4)));
  return field(1, 1) + shape_of(count) + field(3, shard) + field(4, offset) + field(5, count * 4) +
         varint(6 * 8 + 5) + fixed32(sum);
}
std::string part_key(const std::string& name, unsigned start, unsigned length) {
  return std::string("\0", 1) + name + std::string("\0\1\1\1", 4) + static_cast<char>(0x80 | start) +
         static_cast<char>(0x80 | length);
}

struct TfBundleHostile : testing::Test {
  Scratch dir;
  std::string data = std::string(16, '\x3f');
  // Key and value of everything but the header.
  void write(const std::vector<std::pair<std::string, std::string>>& entries, std::uint64_t shards = 1) {
    std::string block = entry("", field(1, shards));
    for (const auto& e : entries) block += entry(e.first, e.second);
    dir.write("c.index", table(block + one_restart));
    dir.write("c.data-00000-of-00001", data);
  }
  std::string said() {
    const std::string text = message_of<FormatError>([&] { read_tf_checkpoint(dir / "c"); });
    const std::string start = "tensorflow checkpoint: " + (dir / "c.index") + ": ";
    EXPECT_EQ(text.rfind(start, 0), 0u) << text;
    return text.substr(std::min(text.size(), start.size()));
  }
};

TEST_F(TfBundleHostile, GoodOnesAreRead) {
  write({{part_key("p", 0, 3), tensor_entry(data, 0, 3)},
         {part_key("p", 3, 1), tensor_entry(data, 12, 1)},
         {"p", field(1, 1) + shape_of(4) + field(7, extent(0, 3)) + field(7, extent(3, 1))},
         {"t", tensor_entry(data, 4, 2)}});
  const TfCheckpoint c = read_tf_checkpoint(dir / "c");
  ASSERT_EQ(c.tensors.size(), 2u);
  float v;
  std::memcpy(&v, data.data(), 4);
  EXPECT_EQ(c.tensors.at("p").to_vector<float>(), std::vector<float>(4, v));
  EXPECT_EQ(c.tensors.at("t").to_vector<float>(), std::vector<float>(2, v));
}
TEST_F(TfBundleHostile, PlacesOutsideOfTheFile) {
  write({{"t", field(1, 1) + shape_of(std::uint64_t{1} << 60) + field(5, 16)}});
  EXPECT_EQ(said(), "t is larger than its file");
  write({{"t", field(1, 1) + shape_of(4) + field(4, std::uint64_t{1} << 62) + field(5, 16)}});
  EXPECT_EQ(said(), "t lies outside of its data file");
  write({{"t", field(1, 1) + shape_of(4) + field(5, ~std::uint64_t{0})}});
  EXPECT_EQ(said(), "t lies outside of its data file");
  write({{"t", field(1, 1) + shape_of(3) + field(5, 16)}});
  EXPECT_EQ(said(), "t has 16 bytes for [3] of fp32");
}
// A data file is named by the prefix and two numbers: no name in a checkpoint leads out of its folder.
TEST_F(TfBundleHostile, DataFilesThatAreNotThere) {
  write({{"t", tensor_entry(data, 0, 4, 1)}});
  EXPECT_EQ(said(), "t lies in data file 1 of 1");
  write({{"t", tensor_entry(data, 0, 4, ~std::uint64_t{0})}});
  EXPECT_EQ(said(), "t lies in data file -1 of 1");
  write({{"t", tensor_entry(data, 0, 4)}}, 2);
  EXPECT_THROW(read_tf_checkpoint(dir / "c"), FileError);
  write({{"../../etc/passwd", tensor_entry(data, 0, 4)}});  // a tensor's name, and no more
  EXPECT_EQ(read_tf_checkpoint(dir / "c").tensors.count("../../etc/passwd"), 1u);
}
TEST_F(TfBundleHostile, PartsThatDoNotFit) {
  const std::string whole = field(1, 1) + shape_of(4), both = field(7, extent(0, 2)) + field(7, extent(2, 2));
  write({{"p", whole + both}});
  EXPECT_EQ(said(), "p misses a part");
  write({{part_key("p", 0, 2), tensor_entry(data, 0, 2)},
         {"p", whole + field(7, extent(0, 2)) + field(7, extent(0, 2))}});
  EXPECT_EQ(said(), "p has two parts in one place");
  write({{part_key("p", 0, 2), tensor_entry(data, 0, 2)}, {"p", whole + field(7, extent(0, 2))}});
  EXPECT_EQ(said(), "p is larger than its file");
  write({{part_key("p", 0, 2), tensor_entry(data, 0, 2)},
         {"p", field(1, 1) + shape_of(1) + field(7, extent(0, 2))}});
  EXPECT_EQ(said(), "p is not the sum of its parts");
  write({{part_key("p", 0, 4), tensor_entry(data, 0, 2)},
         {"p", field(1, 1) + shape_of(2) + field(7, extent(0, 4))}});
  EXPECT_EQ(said(), "p has a part outside of itself");
  // 1024 times the same bytes
  std::string many = field(1, 1) + shape_of(4096);
  for (std::uint64_t i = 0; i < 1024; ++i) many += field(7, extent(0, 4));
  write({{part_key("p", 0, 4), tensor_entry(data, 0, 4)}, {"p", many}});
  EXPECT_EQ(said(), "p is larger than its file");
}

}  // namespace
}  // namespace gadolin
