// Features of pictures as a data set: rows, parts, splits, labels, and what is refused.
#include "data/sets/feature_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "data/sets/loader.h"
#include "io/npy.h"
#include "io/zip_file.h"
#include "tensor/ops.h"
#include "tests/data/messages.h"

namespace gadolin {
namespace {

using test::expect_says;
using test::Scratch;

constexpr const char* rows_index =
    "row,path,patient,label,split\n0,a.png,p1,no,\n1,b.png,p2,yes,\n2,c.png,p2,no,\n";

// rows[i][j] = 10 i + j
void write_part(const Scratch& dir, const std::string& folder, std::int64_t rows, const std::string& index,
                const Shape& row = {4}, DType dtype = DType::fp32) {
  dir.write(folder + "/index.csv", index);
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < row.numel(); ++j) values.push_back(static_cast<float>(10 * i + j));
  Shape shape{rows};
  for (const std::int64_t size : row.vec()) shape.push_back(size);
  save_npy(dir / (folder + "/features.npy"), from_vector(values, shape).to(dtype));
}

TEST(FeatureSets, RowsWithLabelsPatientsAndSplits) {
  const Scratch dir;
  write_part(dir, "codes", 3,
             "row,path,patient,label,split\n2,c.png,p2,no,test\n0,a.png,p1,no,train\n1,b.png,p2,yes,\n");
  ASSERT_TRUE(holds_features(dir / "codes"));
  EXPECT_FALSE(holds_features(dir.path()));
  const auto set = open_dataset(dir / "codes");
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"no", "yes"}));
  ASSERT_EQ(set->size(), 3);
  EXPECT_EQ(set->name(0), "c.png");
  EXPECT_EQ(set->patient(0), "p2");
  EXPECT_EQ(set->info(0).split, Split::test);
  EXPECT_EQ(set->info(2).split, Split::none);
  EXPECT_EQ(set->sample(0).get<SampleArray>("x").values, (std::vector<float>{20, 21, 22, 23}));
  EXPECT_EQ(set->sample(2).get<SampleArray>("x").values, (std::vector<float>{10, 11, 12, 13}));
  EXPECT_EQ(set->labels(2), (std::vector<int>{1}));
  EXPECT_EQ(dynamic_cast<const FeatureSet&>(*set).row(), (Shape{4}));
  const auto part = set->subset(Split::train);
  ASSERT_EQ(part->size(), 1);
  EXPECT_EQ(part->sample(0).get<SampleArray>("x").values, (std::vector<float>{0, 1, 2, 3}));
}

TEST(FeatureRowsLarge, WhatHasBeenReadDoesNotStayResident) {
  const Scratch dir;
  constexpr std::int64_t width = 1 << 12, count = 1 << 11;  // 32 MB
  save_npy(dir / "features.npy", ones({count, width}));
  const auto resident = [] {
    std::ifstream file("/proc/self/statm");
    std::int64_t pages = 0;
    file >> pages >> pages;
    return pages;
  };
  FeatureRows rows;
  rows.add(dir.path());
  std::vector<float> row(width);
  const std::int64_t before = resident();
  std::int64_t most = 0, least = count;
  for (std::int64_t i = 0; i < 4 * count; ++i) {
    rows.copy(i % count, row.data(), "x");
    if (i < count || i % 64 != 0) continue;
    most = std::max(most, resident() - before);
    least = std::min(least, resident() - before);
  }
  EXPECT_GT(most, 6000);  // all of it lay there before it was forgotten
  EXPECT_LT(least, 1500);
  EXPECT_EQ(row.back(), 1);
}

TEST(FeatureSets, PartsOfASplitEachAndTheSamePictureInTwo) {
  const Scratch dir;
  write_part(dir, "codes/train", 2, "row,path,patient,label\n0,a.png,p1,no\n1,b.png,p2,yes|odd\n", {2, 1, 2});
  write_part(dir, "codes/test", 1, "row,path,patient,label\n0,a.png,p1,no\n", {2, 1, 2}, DType::fp16);
  const auto set = open_dataset(dir / "codes");
  ASSERT_EQ(set->size(), 3);
  EXPECT_TRUE(set->multi_label());
  EXPECT_EQ(set->name(2), "test/a.png");
  EXPECT_EQ(set->info(1).split, Split::train);
  EXPECT_EQ(set->info(2).split, Split::test);
  EXPECT_EQ(set->sample(1).get<SampleArray>("x").shape, (Shape{2, 1, 2}));
  EXPECT_EQ(set->sample(2).get<SampleArray>("x").values, (std::vector<float>{0, 1, 2, 3}));
}

TEST(FeatureSets, BatchesOfRows) {
  const Scratch dir;
  write_part(dir, "codes", 3, rows_index);
  const auto set = open_features(dir / "codes");
  for (const int workers : {0, 2}) {
    DataLoader loader(*set, in_order(3, {2, false}), std::make_unique<RowCollation>(), {.workers = workers});
    Batch batch;
    ASSERT_TRUE(loader.next(batch));
    EXPECT_EQ(batch["x"].shape(), (Shape{2, 4}));
    EXPECT_EQ(batch["x"].to_vector<float>(), (std::vector<float>{0, 1, 2, 3, 10, 11, 12, 13}));
    EXPECT_EQ(batch["label"].to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1}));
    ASSERT_TRUE(loader.next(batch));
    EXPECT_EQ(batch["x"].shape(), (Shape{1, 4}));
    EXPECT_FALSE(loader.next(batch));
  }
  DataLoader half(*set, in_order(3, {3, false}), std::make_unique<RowCollation>(),
                  {.workers = 0, .dtype = DType::bf16});
  Batch batch;
  ASSERT_TRUE(half.next(batch));
  EXPECT_EQ(batch["x"].dtype(), DType::bf16);
  const auto uint8 = [&] {
    DataLoader(*set, in_order(3, {3, false}), std::make_unique<RowCollation>(),
               {.workers = 0, .dtype = DType::uint8});
  };
  expect_says<UsageError>(dir, uint8, "rows: numbers cannot be uint8; use fp32, bf16 or fp16");
  struct Uneven : SampleSource {
    std::int64_t size() const override { return 2; }
    Sample sample(std::int64_t i) const override {
      const auto n = static_cast<std::size_t>(i + 1);
      return Sample().set("x", SampleArray{{i + 1}, std::vector<float>(n)}).set("label", std::vector<int>{0});
    }
    std::string name(std::int64_t i) const override { return "s" + std::to_string(i); }
  } uneven;
  DataLoader loader(uneven, in_order(2, {2, false}), std::make_unique<RowCollation>(), {.workers = 0});
  expect_says<DataError>(
      dir, [&] { loader.next(batch); }, "loader: s1: 'x' is [2] with 2 numbers, the first sample's is [1]");
}

TEST(FeatureSets, Messages) {
  const Scratch dir;
  const auto open = [&] { open_features(dir / "codes"); };
  dir.write("codes/readme", "");
  expect_says<DataError>(
      dir, open,
      "features: DIR/codes holds no features.npy with index.csv, nor do train, val or test in it; "
      "make them with nodule extract-features");
  write_part(dir, "codes", 2, rows_index);
  expect_says<DataError>(
      dir, open, "features: DIR/codes/index.csv has 3 rows, features.npy beside it 2; extract both again");
  save_npy(dir / "codes/features.npy", zeros({3}));
  expect_says<DataError>(
      dir, open,
      "features: DIR/codes/features.npy is [3], and a set needs [rows, ...]; was it written by "
      "nodule extract-features or predict --layer?");
  for (const char* row : {"x", "-1", "2", "0", "", "0x1", "99999999999999999999"}) {
    write_part(dir, "codes", 2,
               std::string("row,path,patient,label,split\n0,a.png,p1,no,\n") + row + ",b.png,p2,no,\n");
    expect_says<DataError>(
        dir, open,
        std::string("features: DIR/codes/index.csv:3: row '") + row + "' is not one of 0 to 1, each once");
  }
  write_part(dir, "codes", 1, "row,path,label\n0,,no\n");
  expect_says<DataError>(dir, open, "features: DIR/codes/index.csv:2: the path is empty");
  write_part(dir, "codes", 1, "row,path,label,split\n0,a.png,no,never\n");
  expect_says<DataError>(dir, open,
                         "features: DIR/codes/index.csv:2: split 'never' is not train, val or test");
  write_part(dir, "codes", 1, "row,path,label\n0,a.png,no\n");
  write_part(dir, "codes/val", 1, "row,path,label\n0,b.png,no\n", {5});
  expect_says<DataError>(
      dir, open,
      "features: DIR/codes/val/features.npy has rows [5], the part before it [4]; their rows must be of one "
      "layer of one net");
}

TEST(FeatureSets, ArchivesAndOtherTypesAreReadInPlace) {
  const Scratch dir;
  dir.write("codes/index.csv", rows_index);
  const std::vector<float> values{0, 1, 2, 3, 4, 5.5};
  for (const DType dtype : {DType::fp32, DType::fp16, DType::fp64}) {
    save_npy(dir / "x.npy", from_vector(values, {3, 2}).to(dtype));
    {
      AtomicFile file(dir / "codes/features.npz");
      ZipWriter zip(file);
      zip.add("a", "b");  // so that what follows lies anywhere
      zip.add("features.npy", read_file(dir / "x.npy", 1 << 20));
      zip.finish();
      file.commit();
    }
    const auto set = open_features(dir / "codes");
    EXPECT_EQ(set->sample(2).get<SampleArray>("x").values, (std::vector<float>{4, 5.5}));
  }
  const auto open = [&] { open_features(dir / "codes"); };
  {
    AtomicFile file(dir / "codes/features.npz");
    ZipWriter zip(file);
    zip.add("x.npy", read_file(dir / "x.npy", 1 << 20));
    zip.finish();
    file.commit();
  }
  expect_says<DataError>(dir, open,
                         "features: DIR/codes/features.npz has no array features; save it with "
                         "numpy.savez(path, features=x)");
  std::string bytes = read_file(dir / "codes/features.npz", 1 << 20);
  for (std::size_t at = bytes.find("x.npy"); at != std::string::npos; at = bytes.find("x.npy", at + 1)) {
    const bool own = bytes.compare(at - 30, 4, "PK\3\4") == 0;
    bytes[at - (own ? 22 : 36)] = 8;  // the method: deflated
  }
  for (std::size_t at = bytes.find("x.npy"); at != std::string::npos; at = bytes.find("x.npy", at + 1))
    bytes[at] = 'f';
  dir.write("packed/f.npz", bytes);
  dir.write("packed/index.csv", rows_index);
  FeatureRows rows;
  expect_says<DataError>(
      dir, [&] { rows.add(dir / "packed", "f"); },
      "features: DIR/packed/f.npz is compressed and would have to be unpacked whole; "
      "write it with numpy.savez, not savez_compressed");
}

TEST(FeatureSets, ANumberThatIsNoneIsNamed) {
  const Scratch dir;
  write_part(dir, "codes", 3, rows_index);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    save_npy(dir / "codes/features.npy", from_vector(std::vector<float>{1, 2, 3, 4, 5, bad}, {3, 2}));
    const auto set = open_features(dir / "codes");
    set->sample(1);
    const std::string number = std::isnan(bad) ? "nan" : bad > 0 ? "inf" : "-inf";
    expect_says<DataError>(
        dir, [&] { set->sample(2); },
        "features: c.png has " + number + " at place 1; extract it again, and look at the picture");
  }
}

}  // namespace
}  // namespace gadolin
