// What `gadolin train` does with small sets, short runs, rates that are too large; and what a run's folder
// holds.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/program/version.h"
#include "data/image/image.h"
#include "data/sets/loader.h"
#include "io/csv.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tests/apps/small_run.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Runs = SmallRun;

TEST_F(Runs, ASetSmallerThanABatchTrains) {
  const struct {
    std::vector<std::string> options;
    int steps;
    const char* note;
  } cases[] = {
      {{"--batch-size", "10"}, 2, nullptr},
      {{}, 2, "train: an epoch has 10 samples, fewer than a batch of 32: batches of 10\n"},
      {{"--batch-size", "4", "--accumulate", "3"},
       2,
       "train: an epoch has 10 samples, fewer than 3 batches of 4: batches of 4, 2 a step\n"},
      {{"--batch-size", "2", "--accumulate", "16"},
       2,
       "train: an epoch has 10 samples, fewer than 16 batches of 2: batches of 2, 5 a step\n"},
      {{"--sampler", "balanced"}, 2, "fewer than a batch of 32: batches of 10\n"},
      {{"--sampler", "weighted"}, 2, "fewer than a batch of 32: batches of 10\n"},
      {{"--sampler", "capped:2", "--batch-size", "5"},
       2,
       "train: an epoch has 4 samples, fewer than a batch of 5: batches of 4\n"},
  };
  for (const auto& c : cases) {
    std::vector<std::string> options = c.options;
    options.insert(options.end(), {"--epochs", "2"});
    const Outcome run = train(options);
    EXPECT_EQ(done(run)["metrics"]["steps"], c.steps) << run.err;
    if (c.note != nullptr) {
      EXPECT_NE(run.err.find(c.note), std::string::npos) << run.err;
    } else {
      EXPECT_EQ(run.err.find("fewer than"), std::string::npos) << run.err;
    }
  }
  const Outcome rates = train({"--steps", "4"}, "lr-find");
  EXPECT_EQ(rates.code, 0) << rates.err;
}

// Five steps an epoch.
TEST_F(Runs, WarmUpIsAtMostATenthOfTheRun) {
  const std::vector<std::string> constant{"--batch-size", "2", "--schedule", "constant", "--lr", "0.01"};
  const auto rates = [&](std::vector<std::string> more, const std::vector<std::string>& base) {
    more.insert(more.begin(), base.begin(), base.end());
    const Outcome run = train(more);
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.err.find("warning"), std::string::npos) << run.err;
    return column("lr");
  };
  using Rates = std::vector<double>;
  EXPECT_EQ(rates({"--epochs", "1", "--eval-every", "1"}, constant), Rates(5, 0.01));
  EXPECT_EQ(rates({"--max-steps", "3", "--epochs", "9", "--eval-every", "1"}, constant), Rates(3, 0.01));
  const Rates four = rates({"--epochs", "4", "--eval-every", "1"}, constant);  // 2 of 20 steps
  EXPECT_NEAR(four[0], 0.0001, 1e-12);
  EXPECT_NEAR(four[1], 0.01 * (0.01 + 0.99 / 2), 1e-12);
  EXPECT_EQ(four[2], 0.01);
  // Ten epochs and more have a whole one, as before.
  const Rates ten = rates({"--epochs", "10", "--eval-every", "1"}, constant);
  EXPECT_LT(ten[4], 0.0099);
  EXPECT_EQ(ten[5], 0.01);
  // The end of the run is the end of the schedule, whichever of the two lengths is the shorter.
  const std::vector<std::string> cosine{"--batch-size", "2", "--lr", "0.01", "--warmup-epochs", "0"};
  const double last = 0.01 * (1 + std::cos(M_PI * 0.9)) / 2;
  EXPECT_NEAR(rates({"--max-steps", "100", "--epochs", "2"}, cosine).back(), last, 1e-12);
  EXPECT_NEAR(rates({"--max-steps", "10", "--epochs", "20"}, cosine).back(), last, 1e-12);
}

TEST_F(Runs, AWarmUpOfTheWholeRunIsDoneWithAWarning) {
  const Outcome run = train({"--batch-size", "2", "--epochs", "1", "--warmup-epochs", "2", "--lr", "0.01"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(
      run.err.find("warning: the warm-up of 10 steps takes all 5 of the run, and the rate never reaches "
                   "0.01\n"),
      std::string::npos)
      << run.err;
}

TEST_F(Runs, ARateThatIsTooLargeIsADivergence) {
  for (const char* rule : {"adamw", "sgd"}) {
    const Outcome run = train({"--batch-size", "5", "--epochs", "20", "--lr",
                               rule == std::string("sgd") ? "1e30" : "1e6", "--optimizer", rule});
    EXPECT_EQ(run.code, 5) << run.err;
    const std::string said = last_line(run, dir_.path());
    EXPECT_EQ(said.find("train: the training diverged at step "), 0u) << said;
    EXPECT_NE(said.find(", learning rate "), std::string::npos) << said;
    EXPECT_NE(said.find("; use a smaller --lr, --clip-norm 1, or --detect-anomaly to find the op "
                        "[GD-NUMERIC-002]"),
              std::string::npos)
        << said;
    EXPECT_EQ(leftovers(dir_ / "out"), std::vector<std::string>());
    EXPECT_EQ(last_event(run)["code"], "GD-NUMERIC-002");
  }
}

TEST_F(Runs, ASingleParameterLearns) {
  ASSERT_EQ(
      train({"--batch-size", "5", "--epochs", "1", "--save-every", "1", "--trainable-scopes", "fc.bias"})
          .code,
      0);
  const Checkpoint one = load_checkpoint(checkpoint("step-1")), two = load_checkpoint(checkpoint("step-2"));
  for (const auto& [name, tensor] : one.tensors) {
    if (!name.starts_with("model.") || name.ends_with("num_batches_tracked")) continue;
    const bool same = tensor.to_vector<double>() == two.tensor(name).to_vector<double>();
    EXPECT_EQ(same, name != "model.fc.bias") << name;
  }
}

TEST_F(Runs, OnlyTheLastStepsAreKept) {
  ASSERT_EQ(train({"--batch-size", "2", "--epochs", "1", "--save-every", "1", "--keep-last", "2"}).code, 0);
  EXPECT_EQ(step_checkpoints(), (std::vector<std::string>{"step-4", "step-5"}));
  ASSERT_EQ(train({"--batch-size", "2", "--epochs", "1"}).code, 0);
  EXPECT_EQ(step_checkpoints(), std::vector<std::string>{"step-5"});  // and none before the first step
}

TEST_F(Runs, WeightsForColourAndGreyFilmsNameChannels) {
  ASSERT_EQ(train({"--epochs", "1", "--channels", "3"}).code, 0);
  fs::rename(dir_ / "out", dir_ / "colour");
  const std::string from = dir_ / "colour/checkpoints/last.gdck";
  EXPECT_EQ(
      last_line(train({"--epochs", "1", "--init-from", from}), dir_.path()),
      "--init-from DIR/colour/checkpoints/last.gdck: its conv1.weight takes pictures of 3 channels, here "
      "they have 1; add --channels 3 or --exclude-scopes conv1 [GD-USAGE-001]");
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  EXPECT_EQ(train({"--epochs", "1", "--init-from", from, "--channels", "3"}).code, 0);
  EXPECT_EQ(train({"--epochs", "1", "--init-from", from, "--exclude-scopes", "conv1"}).code, 0);
}

// What is said and written of files that are called the same.
TEST_F(Runs, FilesOfClassFoldersAreToldApart) {
  for (const char* name : {"cat/1.png", "dog/1.png"}) dir_.write(name, encode_png(pattern(12, 12, 1)));
  fs::create_directories(dir_ / "both");
  fs::rename(dir_ / "cat", dir_ / "both/cat");
  fs::rename(dir_ / "dog", dir_ / "both/dog");
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const std::vector<std::string> films{dir_ / "both/cat/1.png", dir_ / "both/dog/1.png"};
  for (const std::vector<std::string>& given : {films, std::vector<std::string>{dir_ / "both"}}) {
    std::vector<std::string> args{"predict", "--checkpoint", checkpoint("last"), "--device", "cpu"};
    args.insert(args.begin() + 1, given.begin(), given.end());
    const Outcome shown = run_here(args);
    ASSERT_EQ(shown.code, 0) << shown.err;
    EXPECT_EQ(shown.out.find("path "), 0u) << shown.out;
    args.push_back("--json");
    const auto said = events(run_here(args), "prediction");
    ASSERT_EQ(said.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(said[i]["path"], films[i]);
    args[0] = "cam";
    args.insert(args.end(), {"--out", dir_ / "cams"});
    const Outcome painted = run_here(args);
    ASSERT_EQ(painted.code, 0) << painted.err;
    EXPECT_EQ(events(painted, "cam")[1]["path"], films[1]);
    for (const char* name : {"cams/cat_1.cam.png", "cams/dog_1.cam.png"})
      EXPECT_TRUE(fs::exists(dir_ / name)) << name;
    fs::remove_all(dir_ / "cams");
  }
}

TEST_F(Runs, PatientsStandBesidePredictions) {
  std::string rows = "path,labels,split,patient\n";
  for (int i = 0; i < 14; ++i)
    rows += cat("images/", i, ".png,", i % 2 ? "a" : "b", i < 10 ? ",train," : ",val,") +
            (i == 13 ? "" : cat("p", i)) + "\n";
  dir_.write("set/MANIFEST.CSV", rows);
  const auto predictions = [&](const std::string& set, const std::string& run) {
    const Outcome trained = run_here({"train", set, "--out", run, "--input-size", "8", "--width", "4",
                                      "--epochs", "1", "--device", "cpu", "--quiet"});
    EXPECT_EQ(trained.code, 0) << trained.err;
    const Outcome eval =
        run_here({"eval", set, "--split", "val", "--checkpoint", run + "/checkpoints/last.gdck", "--out", run,
                  "--resamples", "10", "--device", "cpu", "--quiet"});
    EXPECT_EQ(eval.code, 0) << eval.err;
    return read_csv(run + "/predictions.csv");
  };
  const CsvTable with = predictions(dir_ / "set/MANIFEST.CSV", dir_ / "known"),
                 without = predictions(dir_ / "set", dir_ / "unknown");
  EXPECT_EQ(with.header, (std::vector<std::string>{"path", "patient", "truth", "predicted", "a", "b"}));
  EXPECT_EQ(without.header, (std::vector<std::string>{"path", "truth", "predicted", "a", "b"}));
  ASSERT_EQ(with.rows.size(), 4u);
  EXPECT_EQ(with.rows[0][1], "p10");
  EXPECT_EQ(with.rows[3][1], "");
}

// Nothing is left open: the machine, the data and the task have said what options stand for.
TEST_F(Runs, ConfigTomlHoldsWhatOptionsCameTo) {
  ASSERT_EQ(train({"--epochs", "2", "--device", "auto", "--workers", "-1", "--resume", "auto"}).code, 0);
  const std::string config = contents_of(dir_ / "out/config.toml");
  const auto has = [&](const std::string& line) {
    EXPECT_NE(("\n" + config).find("\n" + line + "\n"), std::string::npos) << line << " is not in\n"
                                                                           << config;
  };
  has("# classes: a, b");
  has("# samples: 10 for training, 4 for validation");
  has("device=\"cpu\"");
  has(cat("threads=", num_threads()));
  has(cat("train.workers=", loader_workers(-1)));
  has("train.input-size=8");
  has("train.channels=1");
  has("train.batch-size=10");  // which is what the set has
  has("train.eval-batch-size=10");
  has("train.accumulate=1");
  has("train.loss=\"cross-entropy\"");
  has("train.weight-decay=0.01");
  has("train.warmup-epochs=0");
  has("train.monitor=\"val_balanced_accuracy\"");
  has("train.pipeline=\"grey,resize:9,center-crop:8,normalize:0.5:0.25\"");
  for (const char* open : {"\"auto\"", "=-1\n", "\"standard\"", "resume", "overwrite"})
    EXPECT_EQ(config.find(open), std::string::npos) << open << " is in\n" << config;
  EXPECT_NE(config.find("train.augment=\"grey,random-resized-crop:8"), std::string::npos);
  const Checkpoint first = load_checkpoint(checkpoint("last"));
  // Accepted back: the same text and the same weights.
  const Outcome again =
      run_here({"train", "--config", dir_ / "out/config.toml", "--out", dir_ / "again", "--quiet"});
  ASSERT_EQ(again.code, 0) << again.err;
  std::string text = contents_of(dir_ / "again/config.toml");
  const std::size_t at = text.find("/again\"");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 7, "/out\"");
  const std::size_t quiet = text.find("quiet=true");
  ASSERT_NE(quiet, std::string::npos);
  EXPECT_EQ(text.replace(quiet, 10, "quiet=false"), config);
  const Checkpoint second = load_checkpoint(dir_ / "again/checkpoints/last.gdck");
  for (const auto& [name, tensor] : first.tensors)
    EXPECT_EQ(second.tensor(name).to_vector<double>(), tensor.to_vector<double>()) << name;
}

TEST_F(Runs, EnvJsonNamesTheProgram) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const std::string text = contents_of(dir_ / "out/env.json");
  const json env = json::parse(text);
  EXPECT_EQ(env["version"], program_version());
  EXPECT_EQ("gadolin " + env["version"].get<std::string>() + "\n", run_here({"--version"}).out);
  EXPECT_EQ(env["commit"], program_commit());
  EXPECT_NE(env["commit"], "");
  EXPECT_EQ(text.find(fs::current_path().string()), std::string::npos) << text;
}

// Killed before its first checkpoint: the same start.
TEST_F(Runs, ARunWithoutCheckpointsBeginsAgain) {
  const std::vector<std::string> options{"--batch-size", "2", "--epochs", "2"};
  ASSERT_EQ(train(options).code, 0);
  const Checkpoint whole = load_checkpoint(checkpoint("last"));
  fs::remove_all(dir_ / "out/checkpoints");
  std::vector<std::string> again{"train",    dir_ / "set", "--out",   dir_ / "out", "--input-size",
                                 "8",        "--width",    "4",       "--workers",  "0",
                                 "--device", "cpu",        "--quiet", "--resume",   "auto"};
  again.insert(again.end(), options.begin(), options.end());
  ASSERT_EQ(run_here(again).code, 0);
  EXPECT_EQ(column("step"), (std::vector<double>{5, 10}));
  for (const auto& [name, tensor] : whole.tensors)
    EXPECT_EQ(load_checkpoint(checkpoint("last")).tensor(name).to_vector<double>(),
              tensor.to_vector<double>())
        << name;
}

}  // namespace
