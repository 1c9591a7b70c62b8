// A central directory of 700,000 members, as RSNA's archive of head CTs has, whole and damaged; and what our
// own zip64 records look like when they lie.
#include <gtest/gtest.h>

#include "io/zip_file.h"
#include "tensor/random.h"
#include "tests/data/hostile.h"
#include "tests/data/scratch.h"
#include "tests/io/torch_parts.h"

namespace gadolin::test {
namespace {

constexpr int many = 700'000;

// An archive of empty members, put together here: a writer would take longer than the reader.
std::string large_archive() {
  std::string file, directory;
  file.reserve(std::size_t{many} * 60);
  directory.reserve(std::size_t{many} * 76);
  char name[40];
  for (int i = 0; i < many; ++i) {
    const int bytes = std::snprintf(name, sizeof name, "stage_2_train/ID_%09x.dcm", i * 977);
    const std::string common = raw(std::uint16_t{20}) + raw(std::uint16_t{0}) + raw(std::uint16_t{0}) +
                               std::string(16, '\0') + raw(static_cast<std::uint16_t>(bytes)) +
                               raw(std::uint16_t{0});
    directory += "PK\x01\x02" + raw(std::uint16_t{20}) + common + std::string(10, '\0') +
                 raw(static_cast<std::uint32_t>(file.size())) + name;
    file += "PK\x03\x04" + common + name;
  }
  const std::uint64_t begin = file.size(), bytes = directory.size(), count = many;
  const std::string end64 = "PK\x06\x06" + raw(std::uint64_t{44}) + raw(std::uint32_t{0x002d002d}) +
                            raw(std::uint64_t{0}) + raw(count) + raw(count) + raw(bytes) + raw(begin) +
                            "PK\x06\x07" + raw(std::uint32_t{0}) + raw(begin + bytes) + raw(std::uint32_t{1});
  return file + directory + end64 + "PK\x05\x06" + raw(std::uint32_t{0}) + raw(std::uint32_t{0xffffffff}) +
         raw(std::uint32_t{0xffffffff}) + raw(std::uint32_t{0xffffffff}) + raw(std::uint16_t{0});
}

TEST(ZipLarge, SevenHundredThousandMembersWholeAndDamaged) {
  std::string bytes = large_archive();
  {
    const ZipFile zip(bytes, "x");
    ASSERT_EQ(zip.entries().size(), static_cast<std::size_t>(many));
    EXPECT_NE(zip.find("stage_2_train/ID_000000000.dcm"), nullptr);
    std::string room;
    EXPECT_EQ(zip.read(zip.entries().back(), 100, room), "");
    EXPECT_EQ(zip.unpacked_bytes(), 0u);
  }
  // Damage: far from the end the directory alone is read, so a round costs what opening does.
  const std::size_t directory = bytes.find("PK\x01\x02");
  int refused = 0;
  for (std::uint64_t round = 0; round < 8; ++round) {
    RandomStream random(3, round);
    const std::size_t at = directory + static_cast<std::size_t>(random.below(bytes.size() - directory));
    const char before = bytes[at];
    bytes[at] = static_cast<char>(before ^ (1 << random.below(8)));
    try {
      ZipFile(bytes, "x");
    } catch (const FormatError&) {
      ++refused;
    }
    bytes[at] = before;
  }
  EXPECT_GE(refused, 1);
  // Two members of one name, and two in one place, are found among all of them.
  const std::size_t last = bytes.rfind("PK\x01\x02");
  std::string lying = bytes;
  lying.replace(last + 46, 30, bytes, directory + 46, 30);
  EXPECT_EQ(message_of<FormatError>([&] { ZipFile(lying, "x"); }),
            "zip: x: two members are called stage_2_train/ID_000000000.dcm");
  bytes.replace(last + 42, 4, raw(std::uint32_t{0}));
  EXPECT_EQ(message_of<FormatError>([&] { ZipFile(bytes, "x"); }).substr(0, 26),
            "zip: x: member stage_2_tra");
}

// Every truncation and thousands of changes of an archive that has nothing but zip64 numbers.
TEST(ZipLarge, DamagedZip64IsAnErrorAndNothingElse) {
  const std::string name = "a/ID_1.dcm", content = "hello hello hello";
  const PackedMember packed = packed_member(content);
  const auto common = [&](std::uint16_t extra) {
    return raw(std::uint16_t{45}) + raw(std::uint16_t{0}) + raw(std::uint16_t{8}) + raw(std::uint32_t{0}) +
           raw(packed.crc) + raw(std::uint32_t{0xffffffff}) + raw(std::uint32_t{0xffffffff}) +
           raw(static_cast<std::uint16_t>(name.size())) + raw(extra);
  };
  const auto sizes = raw(std::uint64_t{content.size()}) + raw(std::uint64_t{packed.bytes.size()});
  std::string file = "PK\x03\x04" + common(20) + name + raw(std::uint16_t{1}) + raw(std::uint16_t{16}) +
                     sizes + packed.bytes;
  const std::uint64_t begin = file.size();
  file += "PK\x01\x02" + raw(std::uint16_t{45}) + common(28) + std::string(10, '\0') +
          raw(std::uint32_t{0xffffffff}) + name + raw(std::uint16_t{1}) + raw(std::uint16_t{24}) + sizes +
          raw(std::uint64_t{0});
  const std::uint64_t bytes = file.size() - begin, at = file.size();
  file += "PK\x06\x06" + raw(std::uint64_t{44}) + raw(std::uint32_t{0x002d002d}) + raw(std::uint64_t{0}) +
          raw(std::uint64_t{1}) + raw(std::uint64_t{1}) + raw(bytes) + raw(begin) + "PK\x06\x07" +
          raw(std::uint32_t{0}) + raw(at) + raw(std::uint32_t{1}) + "PK\x05\x06" + raw(std::uint32_t{0}) +
          raw(std::uint32_t{0xffffffff}) + raw(std::uint32_t{0xffffffff}) + raw(std::uint32_t{0xffffffff}) +
          raw(std::uint16_t{0});
  const auto read = [](const std::string& damaged) {
    const ZipFile zip(damaged, "x");
    std::string room;
    for (const ZipEntry& entry : zip.entries()) {
      zip.head(entry, 4, room);
      zip.read(entry, 1 << 20, room);
    }
  };
  read(file);
  EXPECT_EQ(survive_truncations(file, read), 0);
  EXPECT_LT(survive_changes(file, 20000, file.size(), read), 8000);
}

}  // namespace
}  // namespace gadolin::test
