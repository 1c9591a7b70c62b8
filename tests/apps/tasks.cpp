// Kinds of tasks that a program adds, by the same commands: trained, evaluated, asked, looked into. A
// detector, and a task whose samples are no pictures.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/csv.h"
#include "io/npy.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"
#include "tests/tasks/toy_detector.h"
#include "tests/tasks/toy_sequence.h"

namespace gadolin::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class TaskKinds : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    know_the_toy();
    know_the_series();
    scratch_ = std::make_unique<Scratch>();
    const Outcome run =
        train("toy:80", "toy-detection", "squares", {"--pipeline", steps, "--augment", steps});
    ASSERT_EQ(run.code, 0) << run.err;
    write_png(path("film.png"), ToySquares(1).image(0));
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static constexpr const char* steps = "grey,resize:24x24";
  static std::string path(const std::string& name) { return *scratch_ / name; }
  static std::string best(const std::string& run) { return path(run) + "/checkpoints/best.gdck"; }
  static Outcome train(const std::string& data, const std::string& task, const std::string& out,
                       const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"train",        data, "--task",   task, "--out",     path(out),
                                  "--batch-size", "8",  "--epochs", "2",  "--workers", "0"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static std::string said(const Outcome& run) { return last_line(run, scratch_->path()); }
  static std::unique_ptr<Scratch> scratch_;
};
std::unique_ptr<Scratch> TaskKinds::scratch_;

TEST_F(TaskKinds, ADetectorIsTrainedAndEvaluated) {
  const auto facts = load_checkpoint_facts(best("squares"));
  EXPECT_EQ(facts.at("task"), "toy-detection");
  EXPECT_EQ(facts.at("pipeline"), steps);
  const CsvTable rows = read_csv(path("squares/metrics.csv"));
  EXPECT_EQ(rows.rows.size(), 2u);
  for (const char* column : {"train_box", "val_iou", "val_miss"}) EXPECT_GE(rows.column(column), 0) << column;
  const Outcome run =
      run_here({"eval", "toy:80", "--splits", path("squares/split.csv"), "--checkpoint", best("squares"),
                "--out", path("squares"), "--resamples", "20", "--workers", "0"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json metrics = json::parse(contents_of(path("squares/metrics.json")));
  EXPECT_EQ(metrics["task"], "toy-detection");
  EXPECT_EQ(metrics["samples"], 10);
  EXPECT_TRUE(metrics["metrics"]["iou"]["low"].is_number());
  EXPECT_TRUE(fs::exists(path("squares/boxes.csv")));
  EXPECT_NE(contents_of(path("squares/report/index.html")).find("iou"), std::string::npos);
  EXPECT_EQ(said(run_here({"eval", "toy:80", "--checkpoint", best("squares"), "--temperature", "--save",
                           path("x.gdck")})),
            "eval: --temperature and --thresholds are for classifiers [GD-USAGE-001]");
}

TEST_F(TaskKinds, ADetectorIsAskedAndLookedInto) {
  const Outcome boxes = run_here({"predict", path("film.png"), "--checkpoint", best("squares")});
  EXPECT_EQ(boxes.code, 0) << boxes.err;
  EXPECT_NE(boxes.out.find("x1"), std::string::npos) << boxes.out;
  const Outcome layer = run_here({"predict", path("film.png"), path("film.png"), "--checkpoint",
                                  best("squares"), "--layer", "conv2", "--out", path("features")});
  ASSERT_EQ(layer.code, 0) << layer.err;
  EXPECT_EQ(load_npy(path("features/features.npy")).shape(), (Shape{2, 16, 6, 6}));
  const Outcome cam = run_here({"cam", path("film.png"), "--checkpoint", best("squares"), "--class", "large",
                                "--out", path("cams"), "--json"});
  ASSERT_EQ(cam.code, 0) << cam.err;
  const json event = json::parse(cam.out.substr(0, cam.out.find('\n')));
  EXPECT_EQ(event["class"], "large");
  EXPECT_EQ(event["layer"], "conv2");
  EXPECT_TRUE(event["probability"] >= 0 && event["probability"] <= 1) << event;
  EXPECT_TRUE(fs::exists(path("cams/film.cam.png")));
}

TEST_F(TaskKinds, SamplesNeedNotBePictures) {
  const Outcome run = train("series:80", "toy-sequence", "series", {"--folds", "2", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(read_csv(path("series/folds.csv")).rows.size(), 2u);
  EXPECT_EQ(load_checkpoint_facts(best("series/fold-1")).at("task"), "toy-sequence");
  const Outcome eval = run_here({"eval", "series:80", "--split", "val", "--checkpoint", best("series/fold-1"),
                                 "--resamples", "0", "--workers", "0"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.out.find("accuracy"), std::string::npos) << eval.out;
  const Outcome rates = run_here({"lr-find", "series:80", "--task", "toy-sequence", "--out", path("rates"),
                                  "--batch-size", "8", "--workers", "0", "--steps", "20"});
  EXPECT_EQ(rates.code, 0) << rates.err;
  EXPECT_TRUE(fs::exists(path("rates/lr-find.csv")));
}

TEST_F(TaskKinds, Mistakes) {
  EXPECT_EQ(said(train("toy:80", "speech", "none")),
            "--task speech cannot be trained; use classification, detection, sequences, toy-detection, "
            "toy-sequence "
            "[GD-USAGE-001]");
  EXPECT_EQ(said(train("films", "toy-detection", "none")), "toy: films is no set of squares [GD-DATA-001]");
  EXPECT_FALSE(fs::exists(path("none"))) << "a mistake left a folder";
}

}  // namespace
}  // namespace gadolin::test
