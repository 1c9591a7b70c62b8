// The five causes of the original program's AUC of one half (apps-spec 5.5): each is there under --preset
// legacy, and excluded by default.
#include <set>

#include "io/csv.h"
#include "io/weights.h"
#include "tests/apps/chestxray/chest_films.h"

namespace gadolin::test {
namespace {

class ChestCauses : public ChestFilms {
 protected:
  static void SetUpTestSuite() {
    ChestFilms::SetUpTestSuite();
    const std::vector<std::string> legacy{"--preset", "legacy", "--lr", "0.01"};
    for (const Outcome& run :
         {train("old", legacy), train("old-dense", legacy, "densenet121"), train("new", {"--lr", "0.01"}),
          train("new-dense", {"--lr", "0.01"}, "densenet121"),
          train("staged", {"--lr", "0.01", "--stage", "1", "--force"}),
          train("staged-dense", {"--lr", "0.01", "--stage", "1", "--force"}, "densenet121")})
      ASSERT_EQ(run.code, 0) << run.err;
  }
};

// 1: the nets began with random weights, and stage 1 froze conv1, bn1 and layer1 all the same.
TEST_F(ChestCauses, ARandomStemIsFrozen) {
  const auto old = learnt("old"), now = learnt("new");
  EXPECT_FALSE(has(old, "conv1.weight"));
  EXPECT_FALSE(has(old, "bn1.weight"));
  EXPECT_FALSE(has(old, "layer1.0.conv1.weight"));
  EXPECT_TRUE(has(old, "layer2.0.conv1.weight") && has(old, "layer4.1.conv2.weight") &&
              has(old, "fc.weight"));
  EXPECT_TRUE(has(now, "conv1.weight") && has(now, "bn1.weight") && has(now, "layer1.0.conv1.weight"));
  const Outcome refused = train("x", {"--stage", "1"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(
      said(refused),
      "chestxray train: --stage and --freeze with --init random would freeze parts that nobody has trained; "
      "give --init FILE, or add --force");
}

// 2: stages matched words within names: layer2 is in denselayer2, of every block.
TEST_F(ChestCauses, StagesMatchWordsWithinNamesOfADenseNet) {
  const auto old = learnt("old-dense"), now = learnt("staged-dense");
  EXPECT_TRUE(has(old, "features.denseblock1.denselayer2.conv1.weight"));  // of the part that stage 1 freezes
  EXPECT_FALSE(has(old, "features.denseblock1.denselayer1.conv1.weight"));
  EXPECT_FALSE(has(old, "features.denseblock4.denselayer1.conv1.weight"));  // of a part that learns
  EXPECT_FALSE(has(old, "features.transition2.conv.weight"));
  EXPECT_TRUE(has(old, "features.denseblock3.denselayer20.conv1.weight"));
  for (const char* frozen :
       {"features.conv0", "features.norm0", "features.denseblock1", "features.transition1"})
    EXPECT_FALSE(any_begins(now, frozen)) << frozen;
  for (const char* learns :
       {"features.denseblock2.denselayer1.conv1.weight", "features.transition2.conv.weight",
        "features.denseblock4.denselayer1.conv1.weight", "features.norm5.weight"})
    EXPECT_TRUE(has(now, learns)) << learns;
}

// 3: no word is in "classifier", so the new head of a DenseNet never learnt anything.
TEST_F(ChestCauses, TheHeadOfADenseNetIsFrozen) {
  EXPECT_FALSE(any_begins(learnt("old-dense"), "classifier"));
  for (const char* run : {"new-dense", "staged-dense"}) {
    EXPECT_TRUE(has(learnt(run), "classifier.weight")) << run;
    EXPECT_TRUE(has(learnt(run), "classifier.bias")) << run;
  }
}

// 4: batch norms of frozen parts went on following the batches, so that a checkpoint answers differently.
TEST_F(ChestCauses, BatchNormsOfFrozenPartsFollowTheBatches) {
  EXPECT_TRUE(has(learnt("old"), "bn1.running_mean") && has(learnt("old"), "layer1.1.bn2.running_var"));
  EXPECT_TRUE(has(learnt("old-dense"), "features.norm0.running_mean"));
  const auto now = learnt("staged");
  for (const char* frozen : {"conv1", "bn1", "layer1"}) EXPECT_FALSE(any_begins(now, frozen)) << frozen;
  EXPECT_TRUE(has(now, "layer2.0.bn1.running_mean"));
}

// 5: images of validation were learnt from in other epochs, and the last checkpoint was taken, not the best.
TEST_F(ChestCauses, ValidationWasLearntFromAndNothingWasChosen) {
  const auto sides = [](const std::string& run, const std::string& column) {
    std::map<std::string, std::set<std::string>> all;
    const CsvTable table = read_csv(path(run + "/split.csv"));
    const auto split = static_cast<std::size_t>(table.column("split")),
               value = static_cast<std::size_t>(table.column(column));
    for (const auto& row : table.rows) all[row[split]].insert(row[value]);
    return all;
  };
  const auto shared = [&](const std::string& run, const std::string& column) {
    auto all = sides(run, column);
    std::size_t count = 0;
    for (const std::string& one : all["val"]) count += all["train"].count(one);
    return std::pair(count, all["val"].size());
  };
  EXPECT_EQ(shared("old", "path").first, shared("old", "path").second);
  EXPECT_GT(shared("old", "path").second, 0u);
  EXPECT_EQ(shared("new", "path").first, 0u);
  EXPECT_EQ(shared("new", "patient").first, 0u);
  // What the original leaves is the net of the last epoch, as a state_dict.
  const WeightFile model = read_weights(path("old/models/stage1_01_02.pth"));
  const Checkpoint last = load_checkpoint(checkpoint("old", "last"));
  EXPECT_EQ(model.tensors.at("fc.bias").to_vector<float>(), last.tensor("model.fc.bias").to_vector<float>());
  EXPECT_TRUE(std::filesystem::exists(path("old/models/stage1_01_01.pth")));
  EXPECT_TRUE(std::filesystem::exists(checkpoint("new")) && !std::filesystem::exists(path("new/models")));
  // A film of both sides is refused.
  std::string rows = contents_of(manifest());
  std::filesystem::copy_file(path("films/images/00000000_000.png"), path("films/images/copy.png"));
  rows += "images/copy.png,99,No Finding,val,PA\n";
  dir_->write("films/leak.csv", rows);
  Outcome leak = run_here({"chestxray", "train", path("films/leak.csv"), "--out", path("leak"), "--model",
                           "resnet18", "--net-option", "width=4", "--input-size", "32", "--workers", "0",
                           "--epochs", "1", "--quiet"});
  EXPECT_NE(leak.code, 0);
  EXPECT_FALSE(std::filesystem::exists(path("leak")));
}

}  // namespace
}  // namespace gadolin::test
