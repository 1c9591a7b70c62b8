// Folds by patient: nobody on two sides, even classes and sizes, the same folds every time.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/sets/split.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// Patients with 1 to 5 pictures each; class 2 is rare, and some samples have no patient.
Dataset people(int patients, std::uint64_t seed, bool reversed = false) {
  std::vector<SampleInfo> samples;
  RandomStream random(seed, 1);
  for (int p = 0; p < patients; ++p) {
    const auto pictures = 1 + random.below(5);
    for (std::uint64_t k = 0; k < pictures; ++k) {
      SampleInfo s;
      s.name = cat("p", p, "-", k);
      if (pictures > 1) s.patient = cat("p", p);
      s.labels = {random.chance(0.1f) ? 2 : random.chance(0.6f) ? 1 : 0};
      samples.push_back(s);
    }
  }
  if (reversed) std::reverse(samples.begin(), samples.end());
  return Dataset({"a", "b", "rare"}, false, samples, "made up");
}

std::map<std::string, int> folds_by_name(const Dataset& set, const std::vector<int>& folds) {
  std::map<std::string, int> out;
  for (std::int64_t i = 0; i < set.size(); ++i) out[set.info(i).name] = folds[static_cast<std::size_t>(i)];
  return out;
}

}  // namespace

TEST(Folds, KeepPatientsTogetherAndEverythingEven) {
  for (const int k : {2, 5, 10}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Dataset set = people(300, seed);
      const std::vector<int> folds = assign_folds(set, k, seed);
      ASSERT_EQ(static_cast<std::int64_t>(folds.size()), set.size());
      std::map<std::string, std::set<int>> of_patient;
      std::vector<double> sizes(static_cast<std::size_t>(k));
      std::vector<std::vector<double>> classes(sizes.size(), std::vector<double>(3));
      for (std::size_t i = 0; i < folds.size(); ++i) {
        const SampleInfo& s = set.info(static_cast<std::int64_t>(i));
        ASSERT_TRUE(folds[i] >= 0 && folds[i] < k);
        if (!s.patient.empty()) of_patient[s.patient].insert(folds[i]);
        const auto fold = static_cast<std::size_t>(folds[i]);
        ++sizes[fold];
        ++classes[fold][static_cast<std::size_t>(s.labels[0])];
      }
      for (const auto& [patient, where] : of_patient) EXPECT_EQ(where.size(), 1u) << patient;
      const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
      EXPECT_LE(*most - *least, 5) << "no more than one patient's pictures, k " << k;
      const auto total = set.class_counts();
      for (const auto& fold : classes) {
        for (std::size_t c = 0; c < 3; ++c)
          EXPECT_NEAR(fold[c], static_cast<double>(total[c]) / k, 5) << "class " << c;
      }
    }
  }
}

TEST(Folds, DependOnSeedAndNamesNotOnOrder) {
  const Dataset a = people(60, 1), turned = people(60, 1, true);
  const auto folds = folds_by_name(a, assign_folds(a, 4, 7));
  EXPECT_EQ(folds, folds_by_name(a, assign_folds(a, 4, 7)));
  EXPECT_EQ(folds, folds_by_name(turned, assign_folds(turned, 4, 7)));
  EXPECT_NE(folds, folds_by_name(a, assign_folds(a, 4, 8)));
  EXPECT_NE(folds, folds_by_name(a, assign_folds(a, 4, 7, false))) << "samples alone";
}

TEST(Folds, AreSidesOfTraining) {
  Dataset set = people(30, 2);
  const std::vector<int> folds = assign_folds(set, 3);
  std::set<std::int64_t> tested;
  for (int f = 0; f < 3; ++f) {
    const FoldSides sides = fold_sides(folds, f);
    EXPECT_EQ(static_cast<std::int64_t>(sides.train.size() + sides.val.size()), set.size());
    EXPECT_TRUE(std::is_sorted(sides.train.begin(), sides.train.end()));
    tested.insert(sides.val.begin(), sides.val.end());
    set_fold(set, folds, f);
    EXPECT_TRUE(patient_leaks(set).empty());
    EXPECT_EQ(set.subset(Split::val)->size(), static_cast<std::int64_t>(sides.val.size()));
    EXPECT_EQ(set.subset(Split::train)->size(), static_cast<std::int64_t>(sides.train.size()));
    for (const std::int64_t i : sides.val) EXPECT_EQ(set.info(i).split, Split::val);
  }
  EXPECT_EQ(static_cast<std::int64_t>(tested.size()), set.size()) << "everybody is in one fold";
}

TEST(Folds, AreNeverEmpty) {
  for (int patients = 2; patients < 12; ++patients) {
    const Dataset set = people(patients, static_cast<std::uint64_t>(patients));
    const std::vector<int> folds = assign_folds(set, patients);
    EXPECT_EQ(std::set<int>(folds.begin(), folds.end()).size(), static_cast<std::size_t>(patients));
  }
}

TEST(Folds, RefuseMoreThanThereArePatients) {
  const Dataset set = people(3, 4);
  EXPECT_EQ(message_of<DataError>([&] { assign_folds(set, 5); }),
            "folds: 5 of them for 3 patients; every fold needs one of its own");
  EXPECT_EQ(message_of<UsageError>([&] { assign_folds(set, 1); }), "folds: 1 of them; at least 2 are needed");
  EXPECT_EQ(message_of<ValueError>([] { fold_sides({0, 1, 0}, 2); }), "folds: no sample is in fold 2");
  Dataset one({"a"}, false, {set.info(0)}, "made up");
  EXPECT_EQ(message_of<ShapeError>([&] { set_fold(one, {0, 1}, 0); }), "folds: 2 numbers for 1 samples");
}
