// From pictures of slices to a submission: train by folds, extract-features, train-lstm, predict; restarts,
// and what the sequence is worth.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/hemorrhage/labels.h"
#include "apps/hemorrhage/slices.h"
#include "data/sets/sequence_set.h"
#include "io/csv.h"
#include "io/npy.h"
#include "io/zip_file.h"
#include "tasks/weighted_log_loss.h"
#include "tensor/ops.h"
#include "tests/apps/hemorrhage/toy_head_cts.h"
#include "tests/apps/in_process.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using hemorrhage::subtypes;

class HemorrhageRoad : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new Scratch;
    write_toy_head_cts(*dir_, "ct");
    steps_.push_back(run_here(train_args(*dir_ / "slices", {"--folds", "2"})));
    steps_.push_back(run_here(extract_args({})));
    steps_.push_back(run_here(extract_args({"--base_data", "test"})));
    steps_.push_back(run_here(lstm_args(*dir_ / "series", {})));
  }
  static void TearDownTestSuite() {
    delete dir_;
    steps_.clear();
  }
  void SetUp() override {
    for (const Outcome& step : steps_) ASSERT_EQ(step.code, 0) << step.err;
  }
  static std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static std::vector<std::string> train_args(const std::string& out, const std::vector<std::string>& more) {
    return with({"hemorrhage",
                 "train",
                 "--data_dir",
                 *dir_ / "ct",
                 "--pretrained_model",
                 "resnet18",
                 "--net-option",
                 "width=8",
                 "--net-option",
                 "small_input=true",
                 "--size",
                 "24",
                 "--augment",
                 "none",
                 "--num_epochs",
                 "3",
                 "--lr",
                 "0.003",
                 "--batch_size",
                 "32",
                 "--out",
                 out,
                 "--seed",
                 "1",
                 "--quiet"},
                more);
  }
  static std::vector<std::string> extract_args(const std::vector<std::string>& more) {
    return with({"hemorrhage", "extract-features", "--data_dir", *dir_ / "ct", "--model_id", *dir_ / "slices",
                 "--out", *dir_ / "features", "--logits"},
                more);
  }
  static std::vector<std::string> lstm_args(const std::string& out, const std::vector<std::string>& more) {
    return with({"hemorrhage",
                 "train-lstm",
                 *dir_ / "features",
                 "--num_layers",
                 "1",
                 "--cell_size",
                 "16",
                 "--dropout_rate",
                 "1",
                 "--num_epochs",
                 "12",
                 "--lr",
                 "0.01",
                 "--batch_size",
                 "8",
                 "--val_ratio",
                 "0.4",
                 "--out",
                 out,
                 "--data_dir",
                 *dir_ / "ct",
                 "--json"},
                more);
  }
  static std::vector<std::string> predict_args(const std::string& out, const std::vector<std::string>& more) {
    return with(
        {"hemorrhage", "predict", *dir_ / "features", "--model_id", *dir_ / "series", "--out", out, "--json"},
        more);
  }
  static Scratch* dir_;
  static std::vector<Outcome> steps_;
};
Scratch* HemorrhageRoad::dir_ = nullptr;
std::vector<Outcome> HemorrhageRoad::steps_;

// The rows of a submission by image.
std::map<std::string, std::vector<double>> answers_in(const std::string& path) {
  std::map<std::string, std::vector<double>> all;
  const CsvTable table = read_csv(path);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto row = hemorrhage::parse_row_id(table.rows[i][0], table.place(i));
    auto& said = all[std::string(row.image)];
    EXPECT_EQ(said.size(), row.subtype) << "rows of an image in the order of the subtypes";
    said.push_back(std::stod(table.rows[i][1]));
  }
  return all;
}

double score_of(const std::string& predictions, const std::string& truth) {
  std::vector<double> p;
  std::vector<std::uint8_t> y;
  const auto labels = hemorrhage::read_reshaped_labels(truth);
  for (const auto& [image, said] : answers_in(predictions)) {
    const auto found = labels.find(image);
    if (found == labels.end()) continue;
    for (std::size_t s = 0; s < subtypes.size(); ++s) {
      p.push_back(said[s]);
      y.push_back(found->second.label(s));
    }
  }
  return weighted_log_loss(p, y, usual_label_weights({subtypes.begin(), subtypes.end()}));
}

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

TEST_F(HemorrhageRoad, SixRowsAnImageWhateverBecameOfIt) {
  const std::string sample = *dir_ / "ct/sample.csv";
  const Outcome run = run_here(predict_args(*dir_ / "lstm.csv", {"--sample-submission", sample}));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(done(run)["metrics"]["without_features"], 1);
  const CsvTable want = read_csv(sample), got = read_csv(*dir_ / "lstm.csv");
  ASSERT_EQ(got.rows.size(), want.rows.size());
  for (std::size_t i = 0; i < got.rows.size(); ++i) EXPECT_EQ(got.rows[i][0], want.rows[i][0]);
  const auto lstm = answers_in(*dir_ / "lstm.csv");
  for (const auto& [image, p] : lstm) {
    ASSERT_EQ(p.size(), 6u);
    for (const double v : p) EXPECT_TRUE(v >= 1e-6 && v <= 1 - 1e-6) << image;
  }
  // The lost image: how often each subtype is there.
  const auto set = open_sequences(*dir_ / "features");
  double any = 0, all = 0;
  for (std::int64_t i = 0; i < set->size(); ++i)
    for (const SequenceSlice& s : set->slices(i)) {
      if (!s.labelled) continue;
      any += static_cast<double>(s.labels >> 5 & 1);
      ++all;
    }
  EXPECT_NEAR(lstm.at("ID_lost")[5], any / all, 1e-12);
  EXPECT_EQ(lstm.at("ID_lost")[1], 1e-6);  // never seen, and clipped
  // By the metadata alone, of the nets of slices, and of both.
  ASSERT_EQ(
      run_here(predict_args(*dir_ / "base.csv", {"--model_type", "base", "--data_dir", *dir_ / "ct"})).code,
      0);
  ASSERT_EQ(run_here(predict_args(*dir_ / "both.csv", {"--model_type", "blend", "--blend", "0.25"})).code, 0);
  const auto base = answers_in(*dir_ / "base.csv"), both = answers_in(*dir_ / "both.csv");
  EXPECT_EQ(base.size(), lstm.size());
  EXPECT_EQ(both.size() + 1, lstm.size());
  for (const auto& [image, p] : both)
    for (std::size_t s = 0; s < 6; ++s)
      EXPECT_NEAR(p[s], std::max(1e-6, 0.75 * lstm.at(image)[s] + 0.25 * base.at(image)[s]), 2e-6);
  const std::string truth = *dir_ / "ct/truth.csv";
  EXPECT_LT(score_of(*dir_ / "lstm.csv", truth), score_of(*dir_ / "base.csv", truth));
}

// A file that lies in the archive twice gets the rows of the other.
TEST_F(HemorrhageRoad, CopiesGetTheRowsOfTheirOriginal) {
  const std::string from = contents_of(*dir_ / "ct/test_metadata.csv");
  std::string table;
  for (const char c : from)
    table += c == '\n' ? (table.find('\n') == std::string::npos ? ",SameAs\n" : ",\n") : std::string(1, c);
  const std::string id = from.substr(from.find('\n') + 1, 9);
  dir_->write("copies/test_metadata.csv", table + "ID_copy,P,study,s,,," + id + "\n");
  const Outcome run = run_here(predict_args(*dir_ / "copies.csv", {"--data_dir", *dir_ / "copies"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const auto said = answers_in(*dir_ / "copies.csv");
  EXPECT_EQ(said.at("ID_copy"), said.at(id));
  EXPECT_EQ(done(run)["metrics"]["without_features"], 1);
}

TEST_F(HemorrhageRoad, MistakesAreOneLine) {
  const std::string folder = dir_->path();
  dir_->write("short.csv", "ID,Label\nID_00_any,0.5\n");
  dir_->write("other.csv",
              "ID,Label\nID_00_epidural,0\nID_00_intraparenchymal,0\nID_00_intraventricular,0\n"
              "ID_00_subarachnoid,0\nID_00_subdural,0\nID_00_any,0\n");
  fs::create_directories(*dir_ / "empty");
  const auto says = [&](const std::vector<std::string>& args, int code, const std::string& want) {
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, code) << want;
    const std::string line = last_line(run, folder);
    EXPECT_EQ(line.substr(0, line.rfind(" [GD-")), want);
  };
  const std::string out = *dir_ / "x.csv";
  says(predict_args(out, {"--sample-submission", *dir_ / "short.csv"}), 3,
       "hemorrhage predict: DIR/short.csv has fewer than six rows of ID_00; fetch it again");
  const std::string test = cat(answers_in(*dir_ / "ct/sample.csv").size() - 1);
  {
    AtomicFile file(*dir_ / "none.zip");
    ZipWriter zip(file);
    zip.add("a.csv", std::string_view("ID,Label\n"));
    zip.finish();
    file.commit();
  }
  says(predict_args(out, {"--sample-submission", *dir_ / "none.zip"}), 3,
       "hemorrhage predict: DIR/none.zip has no sample_submission.csv; give --sample-submission the table");
  says(predict_args(out, {"--sample-submission", *dir_ / "other.csv"}), 3,
       "hemorrhage predict: " + test + " of " + test +
           " images with features are not in DIR/other.csv; it is the sample of another stage");
  EXPECT_FALSE(fs::exists(out));
  says({"hemorrhage", "predict", *dir_ / "features", "--out", out}, 2,
       "hemorrhage predict: --model_type lstm and blend need --model_id, a run of hemorrhage train-lstm");
  says({"hemorrhage", "predict", *dir_ / "features", "--out", out, "--model_id", *dir_ / "empty"}, 3,
       "hemorrhage predict: DIR/empty holds no checkpoints; give --model_id a run of hemorrhage train-lstm, "
       "or "
       "a checkpoint");
  says({"hemorrhage", "predict", *dir_ / "features", "--out", out, "--model_id",
        *dir_ / "slices/fold-1/checkpoints/last.gdck"},
       3,
       "hemorrhage predict: DIR/slices/fold-1/checkpoints/last.gdck is no model of sequences of the six "
       "classes; give a run of hemorrhage train-lstm");
  says({"hemorrhage", "extract-features", "--data_dir", *dir_ / "ct", "--model_id", *dir_ / "empty", "--out",
        *dir_ / "new"},
       3,
       "hemorrhage extract-features: DIR/empty holds no checkpoints; give --model_id a run of hemorrhage "
       "train, or a checkpoint");
  says({"hemorrhage", "train", "--data_dir", *dir_ / "empty", "--out", *dir_ / "new"}, 3,
       "hemorrhage: DIR/empty/reshaped_stage_2_train.csv does not exist; make it with hemorrhage "
       "process-labels");
  says(train_args(*dir_ / "new", {"--loss", "hinge"}), 2,
       "--loss hinge is unknown; use bin, weighted, log, l1, l2, cat");
  says(train_args(*dir_ / "new", {"--preset", "legacy"}), 2,
       "hemorrhage train: --preset legacy freezes the batch norms of inception_resnet; resnet18 had none "
       "frozen, so leave it out");
  fs::copy(*dir_ / "features", *dir_ / "stale", fs::copy_options::recursive);
  fs::copy(*dir_ / "stale/fold-2", *dir_ / "stale/fold-3", fs::copy_options::recursive);
  auto stale = extract_args({"--out", *dir_ / "stale"});
  stale.erase(stale.begin() + 6, stale.begin() + 8);
  says(stale, 2,
       "hemorrhage extract-features: DIR/stale/fold-3 holds features of another run; name another --out, or "
       "add --overwrite");
  says(lstm_args(*dir_ / "new", {"--dropout_rate", "0"}), 2,
       "--dropout_rate 0 is the share that is kept, above 0, 1 at most");
  EXPECT_FALSE(fs::exists(*dir_ / "new"));
  // Features and runs that lack something.
  fs::create_directories(*dir_ / "bare/test");
  fs::copy_file(*dir_ / "features/classes.txt", *dir_ / "bare/classes.txt");
  says({"hemorrhage", "predict", *dir_ / "features/fold-1", "--out", out, "--model_type", "base"}, 3,
       "hemorrhage predict: DIR/features/fold-1 has no part test; make it with hemorrhage extract-features "
       "--base_data test");
  for (const char* file : {"index.csv", "features.npy"})
    fs::copy_file(*dir_ / (std::string("features/test/net-1/") + file),
                  *dir_ / (std::string("bare/test/") + file));
  says({"hemorrhage", "predict", *dir_ / "bare", "--out", out, "--model_type", "base"}, 3,
       "hemorrhage predict: DIR/bare has no base.npy, which --model_type base and blend need; extract the "
       "features again");
  says(
      {"hemorrhage", "train-lstm", *dir_ / "bare", "--out", *dir_ / "new"}, 3,
      "hemorrhage train-lstm: DIR/bare holds no series with labels; extract features with --base_data train");
  Checkpoint broken = load_checkpoint(*dir_ / "series/checkpoints/best.gdck");
  for (auto& [name, tensor] : broken.tensors)
    if (name.starts_with("model.")) tensor = full(tensor.shape(), NAN);
  save_checkpoint(*dir_ / "broken.gdck", broken);
  const std::string slice = open_sequences(*dir_ / "bare")->slices(0)[0].name;
  says({"hemorrhage", "predict", *dir_ / "bare", "--out", out, "--model_id", *dir_ / "broken.gdck"}, 5,
       "hemorrhage predict: " + slice + " got a logit that is NaN; the checkpoint is damaged, train again");
  const auto extract = [&](const std::string& run) {
    return std::vector<std::string>{"hemorrhage", "extract-features", "--data_dir",
                                    *dir_ / "ct", "--model_id",       run,
                                    "--out",      *dir_ / "more"};
  };
  for (const char* fold : {"fold-1", "fold-2"}) {
    const std::string from = *dir_ / (std::string("slices/") + fold),
                      to = *dir_ / (std::string("half/") + fold);
    fs::create_directories(to + "/checkpoints");
    fs::copy_file(from + "/checkpoints/best.gdck", to + "/checkpoints/best.gdck");
  }
  says(extract(*dir_ / "half"), 3,
       "hemorrhage extract-features: fold 1 has no split.csv, so nobody knows what it has learnt from; train "
       "it again");
  for (const char* fold : {"/fold-1", "/fold-2"})
    fs::copy_file(*dir_ / "slices/fold-1/split.csv", *dir_ / ("half" + std::string(fold) + "/split.csv"));
  const auto slices = hemorrhage::open_slices(*dir_ / "ct", "train");
  const std::string learnt = cat(read_csv(*dir_ / "features/fold-2/index.csv").rows.size()),
                    all = cat(slices.set->size());
  says(extract(*dir_ / "half"), 3,
       "hemorrhage extract-features: " + learnt + " of " + all +
           " slices are in no split.csv of the run; it learnt on other data, train again");
  Checkpoint other = load_checkpoint(*dir_ / "slices/fold-1/checkpoints/best.gdck");
  other.facts["classes"] = R"(["a","b","c","d","e","f"])";
  save_checkpoint(*dir_ / "other.gdck", other);
  says(extract(*dir_ / "other.gdck"), 3,
       "hemorrhage extract-features: DIR/other.gdck is of other classes than the six of hemorrhages; give a "
       "run of hemorrhage train");
}

}  // namespace
}  // namespace gadolin::test
