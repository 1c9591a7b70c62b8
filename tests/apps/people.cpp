// What training offers to people: folds, samplers, mixing, early stopping, learning rates, ensembles and
// views, thresholds and temperature; each as an option of the one training and the one evaluator.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/csv.h"
#include "tasks/thresholds.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class People : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    ASSERT_EQ(run_here({"data", "synth", path("set"), "--samples", "96", "--patients", "24", "--classes", "3",
                        "--size", "32"})
                  .code,
              0);
    ASSERT_EQ(run_here({"data", "synth", path("labels"), "--samples", "96", "--patients", "24", "--classes",
                        "3", "--size", "32", "--multi-label"})
                  .code,
              0);
    expect_good(train("run", {"--epochs", "2"}));
    expect_good(train("other", {"--epochs", "1", "--seed", "5", "--splits", path("run/split.csv")}));
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(const std::string& name) { return *scratch_ / name; }
  static Outcome train(const std::string& out, const std::vector<std::string>& more,
                       const std::string& set = "set") {
    std::vector<std::string> args{"train",        path(set) + "/manifest.csv",
                                  "--out",        path(out),
                                  "--input-size", "32",
                                  "--width",      "4",
                                  "--batch-size", "16",
                                  "--workers",    "0",
                                  "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static void expect_good(const Outcome& run) { ASSERT_EQ(run.code, 0) << run.err; }
  static std::string best(const std::string& run = "run") { return path(run) + "/checkpoints/best.gdck"; }
  static json evaluate(const std::string& split, const std::string& out,
                       const std::vector<std::string>& more) {
    std::vector<std::string> args{"eval",    path("run/split.csv"), "--split", split,       "--out",
                                  path(out), "--resamples",         "20",      "--workers", "0",
                                  "--quiet"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(contents_of(path(out) + "/metrics.json"));
  }
  static std::string said(const Outcome& run) { return last_line(run, scratch_->path()); }
  static std::unique_ptr<Scratch> scratch_;
};
std::unique_ptr<Scratch> People::scratch_;

TEST_F(People, FoldsAreRunsOfTheirOwnAndOneTable) {
  expect_good(train("folds", {"--epochs", "1", "--folds", "3"}));
  const CsvTable table = read_csv(path("folds/folds.csv"));
  EXPECT_EQ(table.header, (std::vector<std::string>{"metric", "mean", "deviation", "low", "high", "fold_1",
                                                    "fold_2", "fold_3"}));
  std::map<std::string, std::set<std::string>> patients;
  std::map<std::string, int> validated;
  for (int k = 1; k <= 3; ++k) {
    const std::string fold = path(cat("folds/fold-", k));
    const CsvTable split = read_csv(fold + "/split.csv");
    std::map<std::string, std::set<std::string>> sides;
    for (const auto& row : split.rows) {
      const std::string& patient = row[static_cast<std::size_t>(split.column("patient"))];
      const std::string& side = row[static_cast<std::size_t>(split.column("split"))];
      sides[patient].insert(side);
      if (side == "val") ++validated[row[static_cast<std::size_t>(split.column("path"))]];
      EXPECT_NE(side, "test");
    }
    for (const auto& [patient, on] : sides) EXPECT_EQ(on.size(), 1u) << patient;
  }
  for (const auto& [sample, times] : validated) EXPECT_EQ(times, 1) << sample;
  EXPECT_GT(validated.size(), 50u);
  // The mean is that of the columns.
  const auto& row = table.rows.at(0);
  double sum = 0;
  for (std::size_t c = 5; c < 8; ++c) sum += std::strtod(row[c].c_str(), nullptr);
  EXPECT_NEAR(std::strtod(row[1].c_str(), nullptr), sum / 3, 1e-12);
  std::string only_test = contents_of(path("run/split.csv"));
  for (const std::string side : {",train", ",val"}) {
    for (std::size_t at; (at = only_test.find(side + "\n")) != std::string::npos;)
      only_test.replace(at, side.size(), ",test");
  }
  scratch_->write("test.csv", only_test);
  EXPECT_EQ(
      said(run_here({"train", path("test.csv"), "--out", path("folds3"), "--folds", "2", "--allow-outside"})),
      "train: DIR/test.csv has samples of test only; folds need others [GD-DATA-001]");
  EXPECT_EQ(said(train("folds2", {"--folds", "1"})),
            "--folds 1 is not possible; use 2 or more, or 0 for one run [GD-USAGE-001]");
  EXPECT_EQ(said(train("folds2", {"--folds", "2", "--resume", "a.gdck"})),
            "--resume a.gdck names one checkpoint, but --folds makes several runs; use --resume auto "
            "[GD-USAGE-001]");
}

TEST_F(People, SamplersAndMixingTrain) {
  expect_good(train("balanced", {"--epochs", "1", "--sampler", "balanced"}));
  expect_good(train("weighted", {"--epochs", "1", "--sampler", "weighted"}));
  expect_good(train("capped", {"--epochs", "1", "--sampler", "capped:8"}));
  expect_good(train("mixed", {"--epochs", "1", "--mixup", "0.2", "--cutmix", "1", "--label-smoothing", "0.1",
                              "--class-weights"}));
  expect_good(train("mixed-labels", {"--epochs", "1", "--mixup", "0.2", "--cutmix", "1"}, "labels"));
  EXPECT_EQ(said(train("x", {"--sampler", "random"})),
            "--sampler random is unknown; use shuffled, mixed, in-order, balanced, weighted, capped:N, N "
            "samples a class at most, or background:S, the share of samples without a class "
            "[GD-USAGE-001]");
  EXPECT_EQ(said(train("x", {"--mixup", "1", "--loss", "focal"})),
            "--loss focal does not go with --mixup and --cutmix; use auto [GD-USAGE-001]");
  EXPECT_FALSE(fs::exists(path("x")));
}

TEST_F(People, ARunWithMixingGoesOnInTheSameBits) {
  const std::vector<std::string> recipe{"--epochs",     "2", "--mixup", "0.4", "--sampler", "balanced",
                                        "--save-every", "1", "--keep",  "20"};
  expect_good(train("whole", recipe));
  fs::copy(path("whole"), path("again"), fs::copy_options::recursive);
  auto more = recipe;
  more.insert(more.end(), {"--resume", path("whole/checkpoints/step-2.gdck")});
  expect_good(train("again", more));
  const Checkpoint a = load_checkpoint(path("whole/checkpoints/last.gdck")),
                   b = load_checkpoint(path("again/checkpoints/last.gdck"));
  for (const auto& [name, tensor] : a.tensors)
    EXPECT_EQ(b.tensors.at(name).to_vector<double>(), tensor.to_vector<double>()) << name;
}

TEST_F(People, PatienceEndsARun) {
  // A rate of almost nothing: no evaluation is better by a tenth than the first.
  expect_good(train("patient", {"--epochs", "9", "--lr", "1e-9", "--patience", "2", "--min-delta", "0.1"}));
  EXPECT_LE(read_csv(path("patient/metrics.csv")).rows.size(), 4u);
}

TEST_F(People, LearningRatesAreTriedAndShown) {
  const Outcome run = run_here({"lr-find", path("set/manifest.csv"), "--out", path("rates"), "--input-size",
                                "32", "--width", "4", "--batch-size", "16", "--workers", "0", "--steps", "20",
                                "--optimizer", "momentum", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const CsvTable table = read_csv(path("rates/lr-find.csv"));
  EXPECT_EQ(table.header, (std::vector<std::string>{"rate", "loss", "smoothed"}));
  EXPECT_GE(table.rows.size(), 10u);
  EXPECT_EQ(table.rows[0][0], "1e-07");
  EXPECT_NE(contents_of(path("rates/lr-find.svg")).find("</svg>"), std::string::npos);
  EXPECT_NE(run.out.find("\"steepest\""), std::string::npos);
  // A batch beyond the set is one of the set's size.
  const Outcome small =
      run_here({"lr-find", path("set/manifest.csv"), "--out", path("rates2"), "--input-size", "32", "--width",
                "4", "--batch-size", "1000", "--workers", "0"});
  EXPECT_EQ(small.code, 0) << small.err;
}

TEST_F(People, AnEnsembleOfOneIsTheNetAndViewsAreAveraged) {
  const json one = evaluate("val", "e1", {"--checkpoint", best()});
  const json twice = evaluate("val", "e2", {"--checkpoint", best() + "," + best()});
  for (const auto& [name, m] : one["metrics"].items())
    EXPECT_NEAR(twice["metrics"][name]["value"].get<double>(), m["value"].get<double>(), 1e-5) << name;
  const json both = evaluate(
      "val", "e3", {"--checkpoint", best(), "--checkpoint", best("other"), "--views", "identity,hflip"});
  EXPECT_NE(both["metrics"]["log_loss"]["value"], one["metrics"]["log_loss"]["value"]);
  // The table's probabilities are means of the members' ones.
  const auto column = [&](const std::string& out, std::size_t c) {
    std::vector<double> values;
    for (const auto& row : read_csv(path(out) + "/predictions.csv").rows)
      values.push_back(std::strtod(row[c].c_str(), nullptr));
    return values;
  };
  evaluate("val", "e4", {"--checkpoint", best("other")});
  evaluate("val", "e5", {"--checkpoint", best() + "," + best("other")});
  const auto a = column("e1", 4), b = column("e4", 4),
             mean = column("e5", 4);  // behind path, patient, truth, predicted
  ASSERT_EQ(a.size(), mean.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(mean[i], (a[i] + b[i]) / 2, 1e-6);
  // predict asks the same judges.
  const std::string film =
      path("set/images") + "/" + fs::directory_iterator(path("set/images"))->path().filename().string();
  const Outcome said_by_two =
      run_here({"predict", film, "--checkpoint", best() + "," + best("other"), "--json"});
  EXPECT_EQ(said_by_two.code, 0) << said_by_two.err;
  EXPECT_NE(said_by_two.out.find("\"probabilities\""), std::string::npos);
  EXPECT_EQ(
      said(run_here({"predict", film, "--checkpoint", best(), "--views", "sideways"})).find("--views") !=
              std::string::npos ||
          said(run_here({"predict", film, "--checkpoint", best(), "--views", "sideways"})).find("sideways") !=
              std::string::npos,
      true);
}

TEST_F(People, TemperatureAndThresholdsAreFittedSavedAndUsed) {
  const std::string fitted = path("fitted.gdck");
  const Outcome run =
      run_here({"eval", path("run/split.csv"), "--split", "val", "--checkpoint", best(), "--temperature",
                "--thresholds", "youden", "--save", fitted, "--resamples", "0", "--workers", "0"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto facts = load_checkpoint_facts(fitted);
  EXPECT_GT(std::strtod(facts.at("temperature").c_str(), nullptr), 0);
  EXPECT_EQ(thresholds_from_json(facts.at("thresholds")).size(), 3u);
  const json before = evaluate("val", "t1", {"--checkpoint", best()}),
             after = evaluate("val", "t2", {"--checkpoint", fitted});
  EXPECT_LE(after["metrics"]["log_loss"]["value"].get<double>(),
            before["metrics"]["log_loss"]["value"].get<double>() + 1e-9);
  EXPECT_EQ(after["metrics"]["accuracy"]["value"], before["metrics"]["accuracy"]["value"]);
  ASSERT_EQ(after["operating_points"].size(), 3u);
  EXPECT_EQ(after["operating_points"][0]["rule"], "youden");
  EXPECT_TRUE(after["calibration"][0]["expected_error"].is_number());
  EXPECT_EQ(said(run_here({"eval", path("run/split.csv"), "--checkpoint", best(), "--temperature"})),
            "eval: --temperature and --thresholds need --save, a checkpoint to write, and --save one of them "
            "[GD-USAGE-001]");
  EXPECT_EQ(said(run_here({"eval", path("run/split.csv"), "--checkpoint", best() + "," + best("other"),
                           "--temperature", "--save", path("x.gdck")})),
            "eval: --save fits one checkpoint without --views; evaluate ensembles after that [GD-USAGE-001]");
}

}  // namespace
