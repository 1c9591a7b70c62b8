// Series of features as a data set: order, series kept apart, parts, cuts, batches, and what is refused.
#include "data/sets/sequence_set.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/sets/loader.h"
#include "io/npy.h"
#include "tensor/ops.h"
#include "tests/data/messages.h"

namespace gadolin {
namespace {

using test::expect_says;
using test::Scratch;

// Row i is (i, 10 i).
void write_rows(const Scratch& dir, const std::string& folder, std::int64_t rows, const std::string& index,
                DType dtype = DType::fp32) {
  dir.write(folder + "/index.csv", index);
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows; ++i)
    for (const float scale : {1.f, 10.f}) values.push_back(static_cast<float>(i) * scale);
  save_npy(dir / (folder + "/features.npy"), from_vector(values, {rows, 2}).to(dtype));
}

constexpr const char* head = "row,path,patient,study,series,position,label,split\n";

// Two series of one patient, one of another; lines in no order, positions from the geometry.
std::string three_series() {
  return std::string(head) +
         "0,s0,p1,a,x,7.5,any|bleed,train\n"
         "1,s1,p1,a,x,-2,,train\n"
         "2,s2,p2,b,z,3,,val\n"
         "3,s3,p1,a,y,0,any,train\n"
         "4,s4,p1,a,x,10,any,train\n"
         "5,s5,p2,b,z,1,,val\n";
}

std::vector<std::string> names_of(const SequenceSet& set, std::int64_t i) {
  std::vector<std::string> names;
  for (const SequenceSlice& s : set.slices(i)) names.push_back(s.name);
  return names;
}

// length 0 stands for row 0, 1, ... of a series of its own.
std::string series_of(const std::vector<int>& lengths) {
  std::string text = head;
  int row = 0;
  for (std::size_t s = 0; s < lengths.size(); ++s)
    for (int t = 0; t < lengths[s]; ++t, ++row)
      text += cat(row, ",i", row, ",p", s, ",,series", s < 10 ? "0" : "", s, ",", t, ",",
                  row % 3 ? "any" : "", ",\n");
  return text;
}

TEST(SequenceSets, OrderIsThePlaceAndSeriesOfAPatientStayApart) {
  const Scratch dir;
  for (const DType dtype : {DType::fp32, DType::fp16}) {
    write_rows(dir, "f", 6, three_series(), dtype);
    ASSERT_TRUE(holds_sequences(dir / "f"));
    const auto set = open_sequences(dir / "f");
    EXPECT_EQ(set->classes(), (std::vector<std::string>{"any", "bleed"}));
    ASSERT_EQ(set->size(), 3);
    EXPECT_EQ(set->name(0), "x");
    EXPECT_EQ(names_of(*set, 0), (std::vector<std::string>{"s1", "s0", "s4"}));
    EXPECT_EQ(names_of(*set, 1), (std::vector<std::string>{"s3"}));
    EXPECT_EQ(names_of(*set, 2), (std::vector<std::string>{"s5", "s2"}));
    EXPECT_EQ(set->patient(1), "p1");
    EXPECT_EQ(set->labels(0), (std::vector<int>{0, 1}));
    EXPECT_EQ(set->info(2).split, Split::val);
    EXPECT_EQ(set->features(), 2);
    EXPECT_EQ(set->all_slices(), 6);
    const Sample sample = set->sample(0);
    EXPECT_EQ(sample.get<SampleArray>("x").shape, (Shape{3, 2}));
    EXPECT_EQ(sample.get<SampleArray>("x").values, (std::vector<float>{1, 10, 0, 0, 4, 40}));
    EXPECT_EQ(sample.get<SampleArray>("label").values, (std::vector<float>{0, 0, 1, 1, 1, 0}));
    EXPECT_EQ(sample.get<SampleArray>("known").values, (std::vector<float>{1, 1, 1}));
    const auto val = set->subset(Split::val);
    EXPECT_EQ(dynamic_cast<const SequenceSet&>(*val).length(0), 2);
    EXPECT_FALSE(set->has_base());
    EXPECT_TRUE(set->base(0).empty());
    // Rows alone, of the same files.
    EXPECT_EQ(open_dataset(dir / "f")->size(), 6);
  }
}

TEST(SequenceSets, EqualNamesInTwoStudiesAreTwoSeriesAndEqualPlacesAreNamed) {
  const Scratch dir;
  write_rows(dir, "f", 4,
             std::string(head) + "0,a,p,u,1,5,,\n1,b,p,v,1,5,any,\n2,c,p,v,1,5,,\n3,d,p,v,1,4,,\n");
  const auto set = open_sequences(dir / "f");
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->name(0), "1");
  EXPECT_EQ(set->name(1), "v/1");
  EXPECT_EQ(names_of(*set, 1), (std::vector<std::string>{"d", "b", "c"}));
  ASSERT_EQ(set->notes().size(), 1u);
  EXPECT_EQ(set->notes()[0],
            "1 slices have the position of the one before them, such as c and b at 5; they stay in the order "
            "of the table");
}

TEST(SequenceSets, LongSeriesAreCutAndNothingIsLost) {
  const Scratch dir;
  write_rows(dir, "f", 12, series_of({10, 2}));
  DatasetOptions options;
  options.longest = 4;
  const auto set = open_sequences(dir / "f", options);
  ASSERT_EQ(set->size(), 4);
  EXPECT_EQ(set->name(0), "series00#1");
  EXPECT_EQ(set->name(3), "series01");
  std::vector<std::string> all;
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_LE(set->length(i), 4);
    EXPECT_GE(set->length(i), 3);
    for (const std::string& name : names_of(*set, i)) all.push_back(name);
  }
  EXPECT_EQ(all.size(), 10u);
  EXPECT_EQ(all[9], "i9");
  EXPECT_EQ(set->notes()[0], "1 series have more than 4 slices and are cut into parts");
}

TEST(SequenceSets, PartsFoldsClassesAndWhatAnotherModelSaid) {
  const Scratch dir;
  dir.write("f/classes.txt", "bleed\nany\n");
  write_rows(dir, "f/fold-1", 2, std::string(head) + "0,a,p1,,x,1,any,train\n1,b,p1,,x,0,,train\n");
  write_rows(dir, "f/fold-2", 1, std::string(head) + "0,c,p2,,y,1,bleed|any,val\n");
  write_rows(dir, "f/test", 1, "row,path,patient,series,position,labelled\n0,d,p3,z,1,0\n");
  save_npy(dir / "f/fold-1/base.npy", from_vector(std::vector<float>{.1f, .2f, .3f, .4f}, {2, 2}));
  save_npy(dir / "f/fold-2/base.npy", from_vector(std::vector<float>{.5f, .6f}, {1, 2}));
  const auto open = [&] { return open_sequences(dir / "f"); };
  expect_says<DataError>(dir, open,
                         "sequences: DIR/f: base.npy has 3 rows of 2, the features 4 and 2 classes; extract "
                         "all parts again");
  save_npy(dir / "f/test/base.npy", from_vector(std::vector<float>{.7f, .8f}, {1, 2}));
  const auto set = open();
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"bleed", "any"}));
  ASSERT_EQ(set->size(), 3);
  EXPECT_EQ(set->base(0), (std::vector<float>{.3f, .4f, .1f, .2f}));
  EXPECT_EQ(set->base(2), (std::vector<float>{.7f, .8f}));
  EXPECT_EQ(set->labels(1), (std::vector<int>{0, 1}));
  EXPECT_EQ(set->info(2).split, Split::test);
  EXPECT_EQ(set->sample(2).get<SampleArray>("known").values, (std::vector<float>{0}));
  // A label that changes changes the fingerprint, even where the series' classes stay.
  const std::string before = set->fingerprint();
  write_rows(dir, "f/fold-1", 2, std::string(head) + "0,a,p1,,x,1,,train\n1,b,p1,,x,0,any,train\n");
  EXPECT_NE(open()->fingerprint(), before);
}

// A competition's test part may hold patients of its training part.
TEST(SequenceSets, APatientWithoutLabelsMayBeInAnotherSplit) {
  const Scratch dir;
  const std::string columns = "row,path,patient,series,position,split,labelled\n";
  write_rows(dir, "f", 2, columns + "0,a,p1,x,1,train,1\n1,b,p1,y,1,test,0\n");
  EXPECT_EQ(open_sequences(dir / "f")->size(), 2);
}

TEST(SequenceSets, FewLengthsAreJoinedSoThatBatchesAreFull) {
  const Scratch dir;
  write_rows(dir, "f", 16 + 17 + 20 + 64 + 65, series_of({16, 17, 20, 64, 65}));
  const auto set = open_sequences(dir / "f");
  EXPECT_EQ(padded_lengths(*set), (std::vector<std::int64_t>{16, 32, 64, 128}));
  EXPECT_EQ(padded_lengths(*set, 2), (std::vector<std::int64_t>{32, 128}));
  EXPECT_EQ(padded_lengths(*set, 4), (std::vector<std::int64_t>{128}));
  EXPECT_EQ(padded_lengths(*set, 9), (std::vector<std::int64_t>{128}));
}

TEST(SequenceSets, BatchesAreTheSameForAnyNumberOfWorkers) {
  const Scratch dir;
  write_rows(dir, "f", 3 + 5 + 1 + 20, series_of({3, 5, 1, 20}));
  const auto set = open_sequences(dir / "f");
  const auto lengths = padded_lengths(*set);
  std::vector<std::vector<float>> first;
  for (const int workers : {0, 3}) {
    SequenceOptions padding{.series = {"x", "label", "known"}, .label = SequenceOptions::Label::none};
    padding.lengths = lengths;
    const auto sampler =
        by_bucket(4, [&](std::int64_t i) { return padded_size(set->length(i), lengths, 1); }, {2, true});
    LoaderOptions options;
    options.workers = workers;
    options.seed = 5;
    DataLoader loader(*set, sampler, std::make_unique<SequenceCollation>(padding), options);
    std::vector<std::vector<float>> all;
    std::int64_t seen = 0;
    for (const Batch& batch : loader) {
      EXPECT_EQ(batch["x"].dim(), 3);
      EXPECT_EQ(batch["x"].size(1), batch["mask"].size(1));
      EXPECT_TRUE(batch["x"].size(1) == 16 || batch["x"].size(1) == 32);
      for (std::size_t n = 0; n < batch.indices.size(); ++n) {
        const std::int64_t t = set->length(batch.indices[n]);
        const auto at = static_cast<std::int64_t>(n);
        EXPECT_EQ(batch["length"].to_vector<std::int64_t>()[n], t);
        EXPECT_EQ(sum(batch["mask"].slice(0, at, at + 1)).item(), static_cast<double>(t));
        seen += t;
      }
      for (const char* name : {"x", "label", "mask", "known"}) all.push_back(batch[name].to_vector<float>());
    }
    EXPECT_EQ(seen, set->all_slices());
    if (first.empty()) first = all;
    EXPECT_EQ(all, first);
  }
}

TEST(SequenceSets, Messages) {
  const Scratch dir;
  const auto open = [&] { open_sequences(dir / "f"); };
  const auto says = [&](const std::string& line, const std::string& message) {
    write_rows(dir, "f", 2, std::string(head) + "0,a,p1,s,x,1,,train\n" + line + "\n");
    expect_says<DataError>(dir, open, "sequences: DIR/f/index.csv" + message);
  };
  dir.write("f/readme", "");
  expect_says<DataError>(dir, open,
                         "sequences: DIR/f holds no features.npy with index.csv, nor do train, val, test or "
                         "fold-1 in it; make them with hemorrhage extract-features");
  says("0,b,p1,s,x,2,,train", ":3: row '0' is not one of 0 to 1, each once");
  says("1,,p1,s,x,2,,train", ":3: the path is empty");
  says("1,b,p1,s,,2,,train", ":3: the series is empty");
  for (const std::string number : {"", "nan", "inf", "x"})
    says("1,b,p1,s,x," + number + ",,train",
         ":3: the position '" + number +
             "' is no number; it must be the slice's place along the normal, in mm");
  std::string many;
  for (int k = 0; k < 65; ++k) many += cat(k ? "|c" : "c", k);
  says("1,b,p1,s,x,2," + many + ",train", ":3: more than 64 classes are not possible");
  says("1,b,p1,s,x,2,,val",
       ":3: series x has another split than at sequences: DIR/f/index.csv:2; a series is of one patient and "
       "one split");
  says(
      "1,b,p2,s,x,2,,train",
      ":3: series x has another patient than at sequences: DIR/f/index.csv:2; a series is of one patient and "
      "one split");
  says(
      "1,b,p1,s,y,2,,val",
      ":3: its patient is in split 'val', but in 'train' at sequences: DIR/f/index.csv:2; divide by patient");
  says("1,a,p1,s,x,2,,train",
       ":2: slice a of series x is there twice; a folder holds the features of one run");
  says("1,b,p1,s,x,2,,train\n0,c,p1,s,x,3,,train", ":4: row '0' is not one of 0 to 1, each once");
  write_rows(dir, "f", 2, std::string(head) + "0,a,p1,s,x,1,,train\n");
  expect_says<DataError>(
      dir, open, "sequences: DIR/f/index.csv has 1 rows, features.npy beside it 2; extract both again");
  write_rows(dir, "f", 1, "row,path,patient,series,position,labelled\n0,a,p,x,1,maybe\n");
  expect_says<DataError>(dir, open, "sequences: DIR/f/index.csv:2: labelled is 'maybe'; it must be 0 or 1");
  write_rows(dir, "f", 1, std::string(head) + "0,a,p1,s,x,1,odd,train\n");
  DatasetOptions options;
  options.classes = {"any"};
  expect_says<DataError>(
      dir, [&] { open_sequences(dir / "f", options); },
      "sequences: DIR/f/index.csv:2: label 'odd' is not among the 1 classes");
  options.classes.assign(65, "c");
  expect_says<DataError>(
      dir, [&] { open_sequences(dir / "f", options); },
      "sequences: 65 classes are more than the 64 that are possible");
  options = {};
  options.longest = -1;
  expect_says<UsageError>(
      dir, [&] { open_sequences(dir / "f", options); },
      "sequences: a longest series of -1 slices is not possible; use 1 or more, or 0 for "
      "any length");
  save_npy(dir / "f/base.npy", zeros({2, 1}));
  expect_says<DataError>(
      dir, open, "sequences: DIR/f/base.npy has 2 rows, the features beside it 1; extract both again");
  FeatureRows rows;
  rows.add(dir / "f");
  float two[2];
  expect_says<ValueError>(
      dir, [&] { rows.copy(1, two, "x"); }, "features: row 1 of 1");
  write_rows(dir, "g", 1, "row,path,patient,position\n0,a,p,1\n");
  EXPECT_FALSE(holds_sequences(dir / "g"));
}

}  // namespace
}  // namespace gadolin
