// Made-up chest films: the same bytes every time, signs where they are said to be; and what goes wrong with
// real films, as numbers.
#include "apps/chestxray/synth_chest.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/apps/chestxray/synth_pictures.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using namespace gadolin::chestxray;

constexpr int atelectasis = 0, cardiomegaly = 1, consolidation = 2, effusion = 4, mass = 9, nodule = 11,
              pneumothorax = 14;
constexpr const char* small_steps = "grey,resize:24x24,normalize:0.5:0.25";
constexpr const char* flipped_steps = "grey,resize:24x24,hflip,normalize:0.5:0.25";

Sequential linear_probe() { return Sequential(Flatten(), Linear(24 * 24, 15)); }

TEST(SynthChestLearning, FlipsTakeLateralityAway) {
  const ChestPictures all({.patients = 250, .films = 2, .size = 48, .seed = 2});
  const auto train = all.subset(Split::train), test = all.subset(Split::test);
  double area[2], sides[2];
  for (const bool flips : {false, true}) {
    manual_seed(0);
    Sequential net = linear_probe();
    teach(net, net.parameters(), *train, flips ? flipped_steps : small_steps, 12);
    const auto rows = answers(net, *test, small_steps);
    area[flips] = area_of(rows, *test, atelectasis);
    sides[flips] = area_of(rows, *test, atelectasis, consolidation);
  }
  EXPECT_GT(area[0], 0.93);
  EXPECT_LT(area[1], area[0] - 0.04);
  EXPECT_GT(sides[0], 0.97);
  EXPECT_LT(sides[1], 0.75) << "which side it is has been unlearnt";
}

// Signs that cannot be seen: whatever is right is the patient, not the finding.
TEST(SynthChestLearning, APatientOnBothSidesLooksLikeKnowledge) {
  ChestPictures all({.patients = 120, .films = 6, .size = 32, .seed = 4, .strength = 0});
  double by_patient = 0, by_image = 0;
  for (const bool images : {false, true}) {
    for (std::int64_t i = 0; i < all.size(); ++i)
      all.set_split(i, images ? (i % 5 == 0 ? Split::test : Split::train)
                              : (std::stoi(all.info(i).patient) % 5 == 0 ? Split::test : Split::train));
    const auto train = all.subset(Split::train), test = all.subset(Split::test);
    manual_seed(0);
    Sequential net = linear_probe();
    teach(net, net.parameters(), *train, small_steps, 60, 3e-3);
    const auto rows = answers(net, *test, small_steps);
    double sum = 0;
    for (const int label : {effusion, mass, nodule, pneumothorax}) sum += area_of(rows, *test, label) / 4;
    (images ? by_image : by_patient) = sum;
  }
  EXPECT_NEAR(by_patient, 0.5, 0.14);
  EXPECT_GT(by_image, 0.75);
}

TEST(SynthChestLearning, AMarkerIsLearntInsteadOfTheFinding) {
  ChestPictures all({.patients = 250, .films = 2, .size = 48, .seed = 6, .strength = 0, .confound = 1});
  for (std::int64_t i = 0; i < all.size(); ++i)
    if (all.info(i).split == Split::train && std::stoi(all.info(i).patient) % 5 == 0)
      all.set_split(i, Split::val);
  const auto train = all.subset(Split::train), val = all.subset(Split::val), test = all.subset(Split::test);
  manual_seed(0);
  Sequential net = linear_probe();
  teach(net, net.parameters(), *train, small_steps, 12);
  const double here = area_of(answers(net, *val, small_steps), *val, pneumothorax),
               elsewhere = area_of(answers(net, *test, small_steps), *test, pneumothorax);
  EXPECT_GT(here, 0.95);
  EXPECT_NEAR(elsewhere, 0.5, 0.2);
}

Sequential convolutions() {
  return Sequential(Conv2d(1, 8, {5, 5}, {.stride = {2, 2}, .padding = {2, 2}}), ReLU(),
                    Conv2d(8, 16, {3, 3}, {.padding = {1, 1}}), ReLU(), MaxPool2d(PoolOptions(12)), Flatten(),
                    Linear(16, 15));
}

TEST(SynthChestLearning, AFrozenRandomStemStaysBehind) {
  const ChestPictures all({.patients = 200, .films = 2, .size = 48, .seed = 8});
  const auto train = all.subset(Split::train), test = all.subset(Split::test);
  double area[2];
  for (const bool frozen : {false, true}) {
    manual_seed(0);
    Sequential net = convolutions();
    std::vector<Parameter> learning = net.parameters();
    if (frozen) std::erase_if(learning, [](const Parameter& p) { return !p.name.starts_with("6."); });
    teach(net, learning, *train, small_steps, 40, 1e-2);
    const auto rows = answers(net, *test, small_steps);
    area[frozen] = area_of(rows, *test, cardiomegaly);
  }
  EXPECT_GT(area[0], 0.9) << area[1];
  EXPECT_LT(area[1], area[0] - 0.2);
}

}  // namespace
}  // namespace gadolin::test
