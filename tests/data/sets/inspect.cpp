// Splits by patient, leaks, the data check and the synthetic set.
#include "data/sets/inspect.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "data/sets/split.h"
#include "data/sets/synth.h"
#include "io/csv.h"
#include "tensor/random.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// `count` samples of patients with 1 to 6 pictures each; class 2 is rare.
Dataset patients(int count, std::uint64_t seed, bool reversed = false) {
  std::vector<SampleInfo> samples;
  RandomStream random(seed, 1);
  for (int p = 0; static_cast<int>(samples.size()) < count; ++p) {
    const auto pictures = 1 + random.below(6);
    for (std::uint64_t k = 0; k < pictures; ++k) {
      SampleInfo s;
      s.name = cat("p", p, "-", k);
      s.patient = cat("p", p);
      s.labels = {random.chance(0.08f) ? 2 : random.chance(0.6f) ? 1 : 0};
      samples.push_back(s);
    }
  }
  if (reversed) std::reverse(samples.begin(), samples.end());
  return Dataset({"a", "b", "rare"}, false, samples, "made up");
}

std::map<std::string, Split> splits_by_name(const Dataset& set) {
  std::map<std::string, Split> out;
  for (std::int64_t i = 0; i < set.size(); ++i) out[set.info(i).name] = set.info(i).split;
  return out;
}

}  // namespace

TEST(Split, KeepsPatientsTogetherAndClassesInProportion) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Dataset set = patients(600, seed);
    assign_splits(set, {.train = 0.6, .val = 0.2, .test = 0.2, .seed = seed});
    EXPECT_TRUE(patient_leaks(set).empty());
    const auto total = set.class_counts();
    const double share[] = {0, 0.6, 0.2, 0.2};
    for (int s = 1; s <= 3; ++s) {
      const auto part = set.subset(static_cast<Split>(s));
      EXPECT_NEAR(double(part->size()) / double(set.size()), share[s], 0.02);
      const auto counts = part->class_counts();
      for (std::size_t c = 0; c < 3; ++c)
        EXPECT_NEAR(double(counts[c]) / double(total[c]), share[s], c == 2 ? 0.06 : 0.03) << "class " << c;
    }
  }
}

TEST(Split, DependsOnSeedAndNamesNotOnOrder) {
  Dataset a = patients(300, 1), b = patients(300, 1, true), c = patients(300, 1);
  assign_splits(a, {.seed = 5});
  assign_splits(b, {.seed = 5});
  assign_splits(c, {.seed = 6});
  EXPECT_EQ(splits_by_name(a), splits_by_name(b));
  EXPECT_NE(splits_by_name(a), splits_by_name(c));
}

TEST(Split, RefusesWhatCannotBeDivided) {
  Dataset set = patients(3, 2);
  Dataset one({"a"}, false, {set.info(0)}, "made up");
  EXPECT_EQ(message_of<DataError>([&] { assign_splits(one, {}); }),
            "split: val would be empty with 1 patient; give it a larger share or more patients");
  EXPECT_EQ(message_of<UsageError>([&] { assign_splits(set, {.train = -1}); }),
            "split: shares -1, 0.15, 0.15 are not 0 or more with a sum above 0");
  assign_splits(one, {.train = 1, .val = 0, .test = 0});
  EXPECT_EQ(one.info(0).split, Split::train);
}

TEST(Split, PlantedLeaksAreFoundWithoutNamingPatients) {
  Dataset set = patients(400, 3);
  assign_splits(set, {});
  std::set<std::string> moved;
  for (std::int64_t i = 1; i < set.size(); i += 17) {
    if (set.info(i).patient != set.info(i - 1).patient) continue;
    set.set_split(i, set.info(i - 1).split == Split::train ? Split::test : Split::train);
    moved.insert(set.info(i).patient);
  }
  ASSERT_GT(moved.size(), 5u);
  EXPECT_EQ(patient_leaks(set).size(), moved.size());
}

TEST(Check, FindsEveryPlantedFault) {
  const Scratch root;
  std::string rows = "path,patient,labels,split\n";
  const auto add = [&](const std::string& name, const std::vector<std::uint8_t>& bytes, const char* rest) {
    root.write(name, bytes);
    rows += name + "," + rest + "\n";
  };
  const auto png = [](int seed, int w = 16, int h = 16) {
    Image image = pattern(w, h, 1);
    image.pixels[0] = static_cast<std::uint8_t>(seed);
    return encode_png(image);
  };
  for (int i = 0; i < 8; ++i) add(cat("good", i, ".png"), png(i), i % 2 ? "p1,a,train" : "p2,b,val");
  auto cut = png(9);
  cut.resize(cut.size() - 20);
  add("cut.png", cut, "p1,a,train");
  add("copy.png", png(1), "p1,a,train");
  add("conflict.png", png(1), "p1,b,train");
  add("leak.png", png(2), "p3,b,train");
  add("other.jpg", png(20), "p1,a,train");
  add("flat.png", encode_png(Image(16, 16, 1)), "p1,a,train");
  add("huge.png", png(21, 200, 100), "p1,a,train");
  add("strip.png", png(22, 90, 4), "p1,a,train");
  add("shared.png", png(23), "p1,a,test");
  add("only.png", png(24), "p4,c,val");
  rows += "gone.png,p1,a,train\n";
  rows += "bad.png,p1,a,somewhere\n";
  root.write("manifest.csv", rows);
  std::vector<std::string> row_faults;
  DatasetOptions options;
  options.problems = &row_faults;
  const auto set = open_dataset(root.path(), options);
  const auto facts = inspect_samples(*set, 3);
  std::map<std::string, int> kinds;
  std::string all;
  for (const Problem& p : check_dataset(*set, facts, row_faults)) {
    ++kinds[p.kind];
    all += p.text + "\n";
  }
  const std::map<std::string, int> want = {{"unreadable", 2},   {"duplicate", 1},       {"label-conflict", 1},
                                           {"leak-pixels", 1},  {"wrong-extension", 1}, {"constant", 1},
                                           {"size-outlier", 2}, {"leak-patient", 1},    {"missing-class", 4},
                                           {"row", 1}};
  EXPECT_EQ(kinds, want) << all;
  EXPECT_NE(all.find("copy.png have the same pixels"), std::string::npos) << all;
  EXPECT_NE(all.find("cut.png is a damaged PNG"), std::string::npos) << all;
  EXPECT_EQ(all.find("p4"), std::string::npos) << "patients are not named: " << all;
}

// What is read although it breaks the standard is told with the file, also where the picture needs nothing of
// it.
TEST(Check, NamesWhatBreaksTheStandard) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Scratch root;
  Picture comma, charset, plain;
  comma.more = element(dicom::window_center, "DS", "40,5") + element(dicom::window_width, "DS", "x");
  charset.front =
      element(dicom::character_set, "CS", "ISO_IR 192") + element(dicom::patient_name, "PN", "M\xfcller");
  root.write("a/1.dcm", picture(comma, words({0, 1, 2, 3})));
  root.write("a/2.dcm", picture(charset, words({0, 1, 2, 4})));
  root.write("b/3.dcm", picture(plain, words({0, 1, 2, 5})));
  root.write("b/4.dcm", picture(plain, words({0, 1, 2, 6})) + "\r\n");
  const auto set = open_dataset(root.path());
  std::vector<std::string> said;
  for (const Problem& p : check_dataset(*set, inspect_samples(*set)))
    if (p.kind == "standard") said.push_back(p.text);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0],
            "a/1.dcm: WindowCenter has a decimal comma, it is read as a point; WindowWidth has a value "
            "that is no number, it is left out");
  EXPECT_EQ(said[1],
            "a/2.dcm: PatientName has bytes that mean nothing in its character set; they are shown as "
            "\\xNN");
  EXPECT_EQ(said[2].find("b/4.dcm: blanks or a line break follow the last element at byte "), 0u) << said[2];
}

TEST(Stats, CountsAndMeansAreRight) {
  const Scratch root;
  Image half(4, 2, 1);
  for (std::size_t i = 0; i < 4; ++i) half.pixels[i] = 255;
  root.write("a/1.png", encode_png(half));
  Image red(2, 2, 3);
  for (std::size_t i = 0; i < 4; ++i) red.pixels[3 * i] = 255;
  root.write("b/2.png", encode_png(red));
  root.write("b/3.png", "rubbish");
  const auto set = open_dataset(root.path());
  const DataStats stats = dataset_stats(*set, inspect_samples(*set, 1));
  EXPECT_EQ(stats.samples, 3);
  EXPECT_EQ(stats.unreadable, 1);
  EXPECT_EQ(stats.class_counts[1][0], 2);
  EXPECT_EQ(stats.width.most, 4);
  ASSERT_EQ(stats.mean.size(), 3u);
  EXPECT_NEAR(stats.mean[0], 8.0 / 12, 1e-12);  // 4 white and 4 red of 12 pixels
  EXPECT_NEAR(stats.mean[1], 4.0 / 12, 1e-12);
  EXPECT_NEAR(stats.deviation[1], std::sqrt(4.0 / 12 - 16.0 / 144), 1e-12);
  EXPECT_EQ(stats.kinds[0].first, "PNG colour 8 bit");
}

TEST(Synth, IsLabelledSplitAndRepeatable) {
  const Scratch a, b;
  const SynthOptions options{.samples = 60, .patients = 12, .classes = 3, .size = 24, .seed = 4};
  write_synth(a.path(), options);
  write_synth(b.path(), options);
  const auto set = open_dataset(a.path()), same = open_dataset(b.path());
  EXPECT_EQ(set->fingerprint(), same->fingerprint());
  EXPECT_EQ(set->size(), 60);
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"cross", "disc", "square"}));
  EXPECT_EQ(set->image(7), same->image(7));
  EXPECT_NE(set->image(7), set->image(8));
  for (const Problem& p : check_dataset(*set, inspect_samples(*set)))
    EXPECT_NE(p.level, Problem::Level::error) << p.text;
  const Scratch c;
  write_synth(c.path(),
              {.samples = 30, .patients = 6, .size = 16, .colour = true, .jpeg = true, .multi_label = true});
  const auto multi = open_dataset(c.path());
  EXPECT_TRUE(multi->multi_label());
  EXPECT_EQ(multi->image(0).channels, 3);
  EXPECT_EQ(message_of<UsageError>([&] { write_synth(c.path(), {.classes = 7}); }),
            "synth: classes = 7 is not in 1..6");
}
