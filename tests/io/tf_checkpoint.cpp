// TensorFlow's checkpoints: what TensorFlow wrote reads to its values, what is damaged is refused.
#include "io/tf_checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/sha256.h"
#include "io/tf_table.h"
#include "io/weights.h"
#include "tests/data/hostile.h"
#include "tests/data/scratch.h"

namespace gadolin {
namespace {

using test::fixture;
using test::message_of;
using test::Scratch;

std::string bytes_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void expect_values(const std::string& path, int version) {
  ASSERT_TRUE(is_tf_checkpoint(path)) << path;
  const TfCheckpoint c = read_tf_checkpoint(path);
  EXPECT_EQ(c.version, version);
  const auto expected = nlohmann::json::parse(std::ifstream(fixture("tf/expected.json")));
  std::size_t seen = 0;
  for (const auto& [name, about] : expected.items()) {
    if (version == 1 && (name == "scope/brain" || name == "scope/uint8"))
      continue;  // version 1 cannot hold these
    ASSERT_EQ(c.tensors.count(name), 1u) << name;
    const Tensor& t = c.tensors.at(name);
    EXPECT_EQ(t.shape(), Shape(about["shape"].get<std::vector<std::int64_t>>())) << name;
    EXPECT_EQ(t.to_vector<double>(), about["values"].get<std::vector<double>>()) << name;
    ++seen;
  }
  EXPECT_EQ(seen, c.tensors.size());
  EXPECT_EQ(c.tensors.at("scope/half").dtype(), DType::fp16);
  EXPECT_EQ(c.tensors.at("scope/int64").dtype(), DType::int64);
  EXPECT_EQ(c.notes,
            (std::vector<std::string>{"left out: text is of type string, which Gadolin does not have"}));
}

TEST(TfCheckpoint, ReadsVersionTwoByPrefixAndIndex) {
  expect_values(fixture("tf/types.v2.ckpt"), 2);
  expect_values(fixture("tf/types.v2.ckpt.index"), 2);
}
TEST(TfCheckpoint, ReadsVersionOne) { expect_values(fixture("tf/types.v1.ckpt"), 1); }
TEST(TfCheckpoint, IsAKindOfWeights) {
  const WeightFile file = read_weights(fixture("tf/types.v1.ckpt"));
  EXPECT_EQ(file.format, "tensorflow");
  EXPECT_EQ(file.tensors.count("parts"), 1u);
}
TEST(TfCheckpoint, OtherFilesAreNone) {
  EXPECT_FALSE(is_tf_checkpoint(fixture("tf/expected.json")));
  EXPECT_FALSE(is_tf_checkpoint("/no/such/file"));
}

// Every cut and every flipped byte is an error or changes no number that the checksums cover.
template <class Read> void expect_no_crash(const std::string& good, Read read) {
  int refused = 0, tries = 0;
  const auto attempt = [&](const std::string& bytes) {
    ++tries;
    try {
      read(bytes);
    } catch (const FormatError&) {
      ++refused;
    } catch (const FileError&) {
      ++refused;
    }
  };
  for (std::size_t n = 0; n<good.size(); n += good.size()> 1000 ? 3 : 1) attempt(good.substr(0, n));
  EXPECT_EQ(refused, tries) << "a cut file was read";
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    attempt(bad);
  }
  EXPECT_GT(refused, tries * 9 / 10);
}

TEST(TfCheckpointHostile, CutAndFlippedTables) {
  const std::string v1 = bytes_of(fixture("tf/types.v1.ckpt")),
                    v2 = bytes_of(fixture("tf/types.v2.ckpt.index"));
  for (const std::string& good : {v1, v2}) {
    expect_no_crash(good, [](const std::string& bytes) {
      read_tf_table(bytes, "x", [](std::string_view, std::string_view) {});
    });
  }
  const Scratch dir;
  const std::string data = bytes_of(fixture("tf/types.v2.ckpt.data-00000-of-00001"));
  dir.write("c.data-00000-of-00001", data);
  for (std::size_t i = 0; i < v2.size(); i += 5) {
    std::string bad = v2;
    bad[i] = static_cast<char>(~bad[i]);
    dir.write("c.index", bad);
    try {
      read_tf_checkpoint(dir / "c");
    } catch (const FormatError&) {
    } catch (const FileError&) {
    }
  }
  dir.write("c.index", v2);
  dir.write("c.data-00000-of-00001", data.substr(0, data.size() / 2));
  EXPECT_THROW(read_tf_checkpoint(dir / "c"), FormatError);
  std::string flipped = data;
  flipped[0] = static_cast<char>(~flipped[0]);
  dir.write("c.data-00000-of-00001", flipped);
  EXPECT_EQ(message_of<FormatError>([&] { read_tf_checkpoint(dir / "c"); }),
            "tensorflow checkpoint: " + (dir / "c.index") + ": parts does not agree with its checksum");
  EXPECT_EQ(
      message_of<FormatError>([] { read_tf_table("short", "x", [](std::string_view, std::string_view) {}); }),
      "tensorflow checkpoint: x is damaged at byte 5: it does not end like a table");
}

// Real checkpoints of other projects: every tensor has the bytes that TensorFlow reads.
TEST(TfCheckpoint, ReadsThoseOfOthers) {
  const auto expected = nlohmann::json::parse(std::ifstream(fixture("tf/others.json")));
  EXPECT_EQ(expected.size(), 4u);
  for (const auto& [prefix, tensors] : expected.items()) {
    const TfCheckpoint c = read_tf_checkpoint(fixture("interop/tensorflow/" + prefix));
    EXPECT_EQ(c.version, 2) << prefix;
    EXPECT_EQ(c.tensors.size(), tensors.size()) << prefix;
    for (const auto& [name, about] : tensors.items()) {
      ASSERT_EQ(c.tensors.count(name), 1u) << prefix << " " << name;
      const Tensor& t = c.tensors.at(name);
      EXPECT_EQ(t.shape(), Shape(about["shape"].get<std::vector<std::int64_t>>())) << name;
      const auto size = static_cast<std::size_t>(t.numel() * size_of(t.dtype()));
      Sha256 sum;
      sum.update({static_cast<const char*>(t.raw()), size});
      EXPECT_EQ(sum.hex(), about["sha256"].get<std::string>()) << prefix << " " << name;
    }
  }
}

}  // namespace
}  // namespace gadolin
