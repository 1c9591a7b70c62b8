// What a run's folder says of the run, and what is said when a run is not what was asked for.
#include <nlohmann/json.hpp>

#include "tests/apps/small_run.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

using RunFacts = SmallRun;

TEST_F(RunFacts, AnotherSettingOfAResumedRunIsTold) {
  const auto go_on = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{
        "train",    dir_ / "set", "--out",    dir_ / "out", "--input-size", "8", "--width", "4",
        "--device", "cpu",        "--resume", "auto",       "--batch-size", "2"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 0) << run.err;
    return run.err;
  };
  const std::string told = "warning: the run goes on with another setting than before: ";
  go_on({"--epochs", "1", "--schedule", "constant", "--warmup-epochs", "0"});
  const std::string same = go_on({"--epochs", "2", "--schedule", "constant", "--warmup-epochs", "0",
                                  "--workers", "1", "--keep-last", "1"}),
                    other = go_on({"--epochs", "2", "--schedule", "constant", "--warmup-epochs", "0", "--lr",
                                   "0.5", "--min-lr", "0.25"});
  EXPECT_NE(same.find(told + "train.epochs: 1 -> 2\n"), std::string::npos) << same;
  EXPECT_EQ(same.find("workers"), std::string::npos) << same;
  EXPECT_EQ(other.find("train.epochs"), std::string::npos) << other;
  EXPECT_NE(other.find(told + "train.lr: 0.001 -> 0.5\n"), std::string::npos) << other;
  EXPECT_NE(other.find(told + "train.min-lr: 0 -> 0.25\n"), std::string::npos) << other;
}

// What a checkpoint's numbers belong to stays, and no file changes when it would not.
TEST_F(RunFacts, AResumedRunKeepsItsOptimizerAndBatches) {
  ASSERT_EQ(train({"--epochs", "1", "--batch-size", "2"}).code, 0);
  const std::string config = contents_of(dir_ / "out/config.toml"), log = contents_of(dir_ / "out/train.log");
  const auto refused = [&](const std::string& option, const std::string& value, const std::string& before) {
    std::vector<std::string> args{"train",    dir_ / "set", "--out",     dir_ / "out", "--input-size", "8",
                                  "--width",  "4",          "--device",  "cpu",        "--resume",     "auto",
                                  "--epochs", "2",          "--workers", "0",          option,         value};
    if (option != "--batch-size") args.insert(args.end(), {"--batch-size", "2"});
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 2) << option;
    EXPECT_EQ(last_line(run, dir_.path()), "resume: the run in DIR/out was begun with " + option + " " +
                                               before + ", now it is " + value + "; go on with " + option +
                                               " " + before +
                                               ", or begin a new run with --init-from [GD-USAGE-001]");
    EXPECT_EQ(contents_of(dir_ / "out/config.toml"), config) << option;
    EXPECT_EQ(contents_of(dir_ / "out/train.log"), log) << option;
  };
  refused("--optimizer", "adam", "adamw");
  refused("--batch-size", "4", "2");
  refused("--accumulate", "2", "1");
  refused("--sampler", "balanced", "shuffled");
  refused("--schedule", "constant", "cosine");
  refused("--loss", "focal", "cross-entropy");
  refused("--seed", "3", "0");
}

// Averaged weights are those that were evaluated: a new run begins with them.
TEST_F(RunFacts, InitialWeightsAreTheAveragedOnes) {
  ASSERT_EQ(train({"--epochs", "2", "--ema", "0.9", "--batch-size", "2"}).code, 0);
  fs::rename(dir_ / "out", dir_ / "first");
  const std::string first = dir_ / "first/checkpoints/last.gdck";
  const Outcome second = train({"--epochs", "1", "--init-from", first, "--lr", "1e-30", "--min-lr", "0",
                                "--weight-decay", "0", "--batch-size", "2", "--optimizer", "sgd"});
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_NE(second.err.find("weights of " + first + ", the averaged ones: "), std::string::npos)
      << second.err;
  const Checkpoint before = load_checkpoint(first), after = load_checkpoint(checkpoint("last"));
  for (const char* name : {"conv1.weight", "fc.weight"}) {
    const auto values = [&](const Checkpoint& c, const std::string& part) {
      return c.tensor(part + name).to_vector<float>();
    };
    EXPECT_EQ(values(after, "model."), values(before, "ema.")) << name;
    EXPECT_NE(values(after, "model."), values(before, "model.")) << name;
  }
}

// The number of a closed stream would go to a file of the run, and what is printed with it.
TEST_F(RunFacts, AClosedOutputIsNoSuccess) {
  const Outcome run = run_program({"train", dir_ / "set", "--out", dir_ / "out", "--input-size", "8",
                                   "--width", "4", "--device", "cpu", "--epochs", "1", "--workers", "0"},
                                  {.closed_output = true});
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_EQ(run.out, "");
}

// With one class in the validation set there is no ROC.
TEST_F(RunFacts, AMetricThatIsNeverANumberNamesNoBestCheckpoint) {
  std::string rows = "path,labels,split\n";
  for (int i = 0; i < 14; ++i)
    rows += cat("images/", i, ".png", i % 3 == 0 && i < 10 ? ",a," : ",b,", i < 10 ? "train\n" : "val\n");
  dir_.write("set/manifest.csv", rows);
  const Outcome run = train({"--epochs", "1", "--monitor", "val_roc_auc"});
  const nlohmann::json last = done(run);
  EXPECT_TRUE(last["metrics"]["best"].is_null()) << last;
  EXPECT_FALSE(last["outputs"].contains("best")) << last;
  EXPECT_FALSE(fs::exists(checkpoint("best")));
  fs::remove_all(dir_ / "out");
  const Outcome shown =
      run_here({"train", dir_ / "set", "--out", dir_ / "out", "--input-size", "8", "--width", "4", "--epochs",
                "1", "--device", "cpu", "--monitor", "val_roc_auc"});
  EXPECT_NE(shown.out.find("no best checkpoint, because val_roc_auc was never a number; "), std::string::npos)
      << shown.out;
  EXPECT_NE(shown.out.find("/checkpoints/last.gdck"), std::string::npos) << shown.out;
}

// What weights say of their net is what config.toml says.
TEST_F(RunFacts, InitialWeightsDecideTheWidthThatIsWritten) {
  ASSERT_EQ(train({"--epochs", "1", "--small-input"}).code, 0);
  fs::rename(dir_ / "out", dir_ / "first");
  const std::vector<std::string> second{
      "train",        dir_ / "set", "--out",       dir_ / "out",
      "--input-size", "8",          "--init-from", dir_ / "first/checkpoints/last.gdck",
      "--epochs",     "1",          "--device",    "cpu",
      "--quiet"};
  ASSERT_EQ(run_here(second).code, 0);
  const std::string config = contents_of(dir_ / "out/config.toml");
  EXPECT_NE(config.find("\ntrain.width=4\n"), std::string::npos) << config;
  EXPECT_NE(config.find("\ntrain.small-input=true\n"), std::string::npos) << config;
  EXPECT_EQ(config.find("width=64"), std::string::npos) << config;
}

TEST_F(RunFacts, AGadolinCheckpointIsImportedWithWhatItKnows) {
  ASSERT_EQ(train({"--epochs", "2", "--ema", "0.5"}).code, 0);
  ASSERT_EQ(run_here({"eval", dir_ / "set", "--split", "val", "--checkpoint", checkpoint("last"), "--save",
                      dir_ / "tuned.gdck", "--temperature", "--device", "cpu", "--quiet"})
                .code,
            0);
  const Outcome in = run_here({"import", dir_ / "tuned.gdck", dir_ / "in.gdck", "--model", "resnet18"});
  ASSERT_EQ(in.code, 0) << in.err;
  const auto before = load_checkpoint_facts(dir_ / "tuned.gdck"),
             after = load_checkpoint_facts(dir_ / "in.gdck");
  for (const char* fact :
       {"classes", "pipeline", "multi_label", "net_options", "model", "task", "temperature"})
    EXPECT_EQ(after.at(fact), before.at(fact)) << fact;
  const auto answer = [&](const std::string& file) {
    return run_here({"predict", dir_ / "set/images/11.png", "--checkpoint", file, "--device", "cpu"}).out;
  };
  EXPECT_EQ(answer(dir_ / "in.gdck"), answer(checkpoint("last")).empty() ? "?" : answer(dir_ / "tuned.gdck"));
  // A head that starts anew has other probabilities.
  ASSERT_EQ(run_here({"import", dir_ / "tuned.gdck", dir_ / "anew.gdck", "--model", "resnet18",
                      "--exclude-scopes", "fc"})
                .code,
            0);
  EXPECT_FALSE(load_checkpoint_facts(dir_ / "anew.gdck").contains("temperature"));
}

TEST_F(RunFacts, OptionsOfFeaturesAreNotPassedOver) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  const auto says = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"predict", dir_ / "set/images/1.png", "--checkpoint", checkpoint("last")});
    return last_line(run_here(args), dir_.path());
  };
  EXPECT_EQ(says({"--out", dir_ / "p.csv"}),
            "predict: --out DIR/p.csv is for features and needs --layer; add --layer embedding, or redirect "
            "what is printed for probabilities [GD-USAGE-001]");
  EXPECT_EQ(says({"--pool"}),
            "predict: --pool is for features and needs --layer; leave it out [GD-USAGE-001]");
  EXPECT_EQ(says({"--split", "val"}),
            "predict: --split val is for features and needs --layer; gadolin eval measures a split "
            "[GD-USAGE-001]");
}

}  // namespace
