// A trained net of series asked: six rows an image, exports, and what goes wrong at each step.
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/hemorrhage/slices.h"
#include "data/sets/sequence_set.h"
#include "io/zip_file.h"
#include "tasks/weighted_log_loss.h"
#include "tensor/ops.h"
#include "tests/apps/hemorrhage/sequence_road.h"
#include "tests/apps/onnx_model.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using hemorrhage::subtypes;

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

// By the commands of every checkpoint.
TEST_F(HemorrhageRoad, ACheckpointOfSeriesIsExportedAndAnswers) {
  const std::string best = *dir_ / "series/checkpoints/best.gdck";
  for (const char* name : {"series.safetensors", "series.pth"}) {
    const Outcome out = run_here({"export", best, *dir_ / name, "--json"});
    ASSERT_EQ(out.code, 0) << out.err;
    EXPECT_EQ(done(out)["metrics"]["tensors"], 8);  // two directions of three, fc
  }
  const Outcome onnx = run_here({"export", best, *dir_ / "series.onnx", "--json"});
  ASSERT_EQ(onnx.code, 0) << onnx.err;
  EXPECT_GT(done(onnx)["metrics"]["nodes"], 5);
  EXPECT_EQ(describe_onnx(*dir_ / "series.onnx").metadata.at("activation"), "sigmoid");
  EXPECT_EQ(
      last_line(run_here({"export", best, *dir_ / "series.onnx", "--fold"}), dir_->path()),
      "export: a net of sequences takes sequences of any length and has no batch norm; leave out --input "
      "and --fold [GD-USAGE-001]");
  const Outcome said = run_here({"predict", *dir_ / "features", "--checkpoint", best, "--top", "1"});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("s0-0"), std::string::npos) << said.out.substr(0, 400);
  const auto fails = [&](const std::vector<std::string>& args, int code) {
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  EXPECT_EQ(last_line(run_here({"predict", "a.png", "b.png", "--checkpoint", best}), dir_->path()),
            "predict: DIR/series/checkpoints/best.gdck is a net of series; give it one folder of hemorrhage "
            "extract-features [GD-USAGE-001]");
  EXPECT_EQ(last_line(run_here({"serve", "--checkpoint", best, "--port", "0"}), dir_->path()),
            "serve: DIR/series/checkpoints/best.gdck is a net of series, and pictures come here one by one; "
            "gadolin hemorrhage predict asks it [GD-UNSUPPORTED-001]");
  fails({"predict", *dir_ / "ct/stage_2_test", "--checkpoint", best}, 3);
  EXPECT_EQ(
      last_line(run_here({"cam", *dir_ / "ct/stage_2_test", "--checkpoint", best, "--out", *dir_ / "cams"}),
                dir_->path()),
      "cam: DIR/series/checkpoints/best.gdck is a net of series and sees no pictures; gadolin eval draws "
      "the slices that carried its decisions [GD-USAGE-001]");
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
