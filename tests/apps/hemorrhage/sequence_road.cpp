// From pictures of slices to a net of series: train by folds, extract-features, train-lstm; restarts, and
// what the sequence is worth.
#include "tests/apps/hemorrhage/sequence_road.h"

#include <nlohmann/json.hpp>

#include "data/sets/sequence_set.h"
#include "io/npy.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using hemorrhage::subtypes;

TEST_F(HemorrhageRoad, FeaturesAreOutOfFoldAndInTheOrderOfTheGeometry) {
  const auto set = open_sequences(*dir_ / "features");
  EXPECT_EQ(set->classes(), std::vector<std::string>(subtypes.begin(), subtypes.end()));
  ASSERT_TRUE(set->has_base());
  std::int64_t slices = 0;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    double before = -1e9;
    for (const SequenceSlice& s : set->slices(i)) {
      EXPECT_GT(s.position, before);
      before = s.position;
      EXPECT_EQ(s.labelled, set->info(i).split != Split::test);
      ++slices;
    }
  }
  EXPECT_EQ(slices, set->all_slices());
  // No slice of a fold's part was learnt from by that fold's net.
  for (int k = 1; k <= 2; ++k) {
    std::map<std::string, std::string> side;
    const CsvTable split = read_csv(*dir_ / cat("slices/fold-", k, "/split.csv"));
    for (const auto& row : split.rows)
      side[row[static_cast<std::size_t>(split.column("name"))]] =
          row[static_cast<std::size_t>(split.column("split"))];
    const CsvTable index = read_csv(*dir_ / cat("features/fold-", k, "/index.csv"));
    EXPECT_FALSE(index.rows.empty());
    for (const auto& row : index.rows)
      EXPECT_EQ(side[row[static_cast<std::size_t>(index.column("path"))]], "val");
  }
  // Again: nothing is done anew.
  const auto time = fs::last_write_time(*dir_ / "features/fold-2/features.npy");
  const Outcome again = run_here(extract_args({"--json"}));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(fs::last_write_time(*dir_ / "features/fold-2/features.npy"), time);
  EXPECT_EQ(
      last_line(run_here(extract_args({"--store", "fp16"})), dir_->path()),
      "hemorrhage extract-features: DIR/features/fold-1 holds features of other nets, slices or options; "
      "name another --out, or add --overwrite [GD-USAGE-001]");
  // A part that was not finished is made again, to the same bytes.
  const std::string want = contents_of(*dir_ / "features/fold-2/features.npy");
  fs::remove(*dir_ / "features/fold-2/index.csv");
  ASSERT_EQ(run_here(extract_args({})).code, 0);
  EXPECT_EQ(contents_of(*dir_ / "features/fold-2/features.npy"), want);
}

// All scans of a patient as one, padded in front.
TEST_F(HemorrhageRoad, LegacySequencesAreTheOriginalsArrays) {
  const std::string folder = *dir_ / "legacy";
  std::string net = *dir_ / "slices";
  const auto extract = [&](const std::vector<std::string>& more) {
    auto args = with({"hemorrhage", "extract-features", "--data_dir", *dir_ / "ct", "--model_id", net,
                      "--out", folder, "--legacy", "--max_to_keep", "12", "--json"},
                     more);
    const Outcome run = run_here(args);
    return run;
  };
  const Outcome train = extract({}), several = extract({"--base_data", "test"});
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_EQ(last_line(several, dir_->path()),
            "hemorrhage extract-features: --legacy has one array for the test slices, and DIR/slices holds 2 "
            "nets; give --model_id one of them, such as DIR/slices/fold-1 [GD-USAGE-001]");
  net += "/fold-1";
  const Outcome one = extract({"--base_data", "test"});
  ASSERT_EQ(one.code, 0) << one.err;
  const Tensor x = load_npy(folder + "/train_embeddings.npy");
  ASSERT_EQ(x.shape(), (Shape{64, 12, 64}));
  ASSERT_EQ(load_npy(folder + "/train_labels.npy").shape(), (Shape{64, 12, 6}));
  const auto mask = load_npy(folder + "/train_mask.npy").to_vector<float>();
  ASSERT_EQ(mask.size(), 64u * 12);
  const auto values = x.to_vector<float>();
  int padded = 0;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    EXPECT_TRUE(i % 12 == 0 || mask[i] >= mask[i - 1]) << "padding is in front";
    const auto row = values.begin() + static_cast<std::ptrdiff_t>(64 * i);
    const bool empty = std::all_of(row, row + 64, [](float v) { return v == 0; });
    EXPECT_EQ(empty, mask[i] == 0);
    padded += mask[i] == 0;
  }
  EXPECT_GT(padded, 0);
  // No test patient is cut: two scans of the longest one.
  const Shape test = load_npy(folder + "/test_embeddings.npy").shape();
  EXPECT_EQ(test[0], 12);
  EXPECT_GT(test[1], 12);
  const std::string ids = contents_of(folder + "/test_img_ids.npy");
  EXPECT_NE(ids.find(cat("{'descr': '<U9', 'fortran_order': False, 'shape': (12, ", test[1], "), }")),
            std::string::npos)
      << ids.substr(0, 100);
  EXPECT_EQ(ids.size() % 64, static_cast<std::size_t>(12 * test[1] * 9 * 4 % 64));
  const Outcome lstm = run_here({"hemorrhage", "train-lstm", folder, "--num_layers", "1", "--cell_size", "4",
                                 "--num_epochs", "1", "--out", *dir_ / "legacy_series", "--strips", "0"});
  EXPECT_EQ(lstm.code, 0) << lstm.err;
}

TEST_F(HemorrhageRoad, TheSequenceModelBeatsTheSlicesOnPatientsNobodyHasSeen) {
  const auto metrics = nlohmann::json::parse(contents_of(*dir_ / "series/eval/metrics.json"));
  const auto& gain = metrics["metrics"]["gain_over_base"];
  EXPECT_GT(gain["low"].get<double>(), 0) << gain.dump();
  EXPECT_GT(metrics["patients"].get<int>(), 10);
  ASSERT_EQ(metrics["strips"].size(), 4u);
  EXPECT_TRUE(fs::exists(*dir_ / "series/eval/report/strips/1.png"));
  const std::string page = contents_of(*dir_ / "series/eval/report/index.html");
  EXPECT_NE(page.find("Which slices carried the decision"), std::string::npos);
  EXPECT_NE(page.find("Series and patients"), std::string::npos);
  EXPECT_NE(steps_[3].err.find("--dropout_rate 1 is the share of outputs that is kept, as in the original: "
                               "dropout of 0"),
            std::string::npos)
      << steps_[3].err;
}

// A checkpoint of TF-Slim's ResNet-50-v2, narrowed, with a head for other classes.
TEST_F(HemorrhageRoad, SlimsWeightsAreReadAndTheHeadBeginsAnew) {
  const Outcome run =
      run_here({"hemorrhage", "train", "--data_dir", *dir_ / "ct", "--pretrained_model", "resnet_50",
                "--init", fixture("tf/resnet_v2_50.v2.ckpt"), "--net-option", "width=2", "--size", "64",
                "--max-steps", "1", "--batch_size", "4", "--out", *dir_ / "slim"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* part :
       {" is for 7 classes; it begins anew for 6", "loaded 319 of 321, 2 left as they start"})
    EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
}

TEST_F(HemorrhageRoad, ARunThatWasStoppedGoesOnToTheSameWeights) {
  ASSERT_EQ(run_here(lstm_args(*dir_ / "stopped", {"--max-steps", "20"})).code, 0);
  const Outcome other = run_here(lstm_args(*dir_ / "stopped", {"--resume", "--loss", "l2"}));
  EXPECT_EQ(last_line(other, dir_->path()),
            "resume: the run in DIR/stopped was begun with --loss masked_bin_loss, now it is l2; go on with "
            "--loss masked_bin_loss, or begin a new run with --init-from [GD-USAGE-001]");
  const Outcome resumed = run_here(lstm_args(*dir_ / "stopped", {"--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  const Checkpoint whole = load_checkpoint(*dir_ / "series/checkpoints/last.gdck"),
                   stopped = load_checkpoint(*dir_ / "stopped/checkpoints/last.gdck");
  ASSERT_EQ(stopped.tensors.size(), whole.tensors.size());
  for (const auto& [name, tensor] : whole.tensors)
    EXPECT_EQ(stopped.tensors.at(name).to_vector<double>(), tensor.to_vector<double>()) << name;
}

}  // namespace
}  // namespace gadolin::test
