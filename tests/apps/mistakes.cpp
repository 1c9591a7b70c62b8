// Mistakes in a command line of `gadolin train`: one clear line each, the right exit code, and no trace on
// the disk.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "data/image/image.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

class TrainMistakes : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"1", "2", "3", "4", "5", "6", "7", "8"}) {
      dir_.write(std::string("set/images/") + name + ".png", encode_png(pattern(12, 12, 1)));
      rows_ += std::string("images/") + name + ".png," + (name[0] % 2 ? "a" : "b") + "," +
               (name[0] < '6' ? "train" : "val") + "\n";
    }
    dir_.write("set/manifest.csv", rows_);
  }
  Outcome train(const std::vector<std::string>& options, const std::string& data = "set") {
    std::vector<std::string> args{"train",     dir_ / data, "--out",    dir_ / "out",   "--input-size",
                                  "8",         "--width",   "4",        "--batch-size", "2",
                                  "--workers", "0",         "--device", "cpu",          "--quiet"};
    args.insert(args.end(), options.begin(), options.end());
    return run_here(args);
  }
  void expect_refused(const std::vector<Mistake>& mistakes, const std::string& data = "set") {
    for (const Mistake& m : mistakes) {
      const Outcome run = train(m.args, data);
      EXPECT_EQ(last_line(run, dir_.path()), m.want);
      EXPECT_EQ(run.code, m.code) << m.want;
      EXPECT_FALSE(fs::exists(dir_ / "out")) << "left a folder behind: " << m.want;
      fs::remove_all(dir_ / "out");
    }
  }
  Scratch dir_;
  std::string rows_ = "path,labels,split\n";
};

TEST_F(TrainMistakes, NumbersOutsideTheirRange) {
  expect_refused({
      {{"--input-size", "0"}, 2, "--input-size 0 is not in 1..65536 [GD-USAGE-001]"},
      {{"--width", "-4"}, 2, "--width -4 is not in 1..65536 [GD-USAGE-001]"},
      {{"--channels", "2"}, 2, "--channels 2 must be 1 or 3 [GD-USAGE-001]"},
      {{"--epochs", "0"}, 2, "--epochs 0 is not in 1..1000000000 [GD-USAGE-001]"},
      {{"--max-steps", "-1"}, 2, "--max-steps -1 is not in 0..1000000000 [GD-USAGE-001]"},
      {{"--batch-size", "0"}, 2, "--batch-size 0 is not in 1..1000000 [GD-USAGE-001]"},
      {{"--batch-size", "2000000"}, 2, "--batch-size 2000000 is not in 1..1000000 [GD-USAGE-001]"},
      {{"--eval-batch-size", "-2"}, 2, "--eval-batch-size -2 is not in 0..1000000 [GD-USAGE-001]"},
      {{"--accumulate", "0"}, 2, "--accumulate 0 is not in 1..1000000000 [GD-USAGE-001]"},
      {{"--lr", "0"}, 2, "--lr 0 is not above 0 [GD-USAGE-001]"},
      {{"--lr", "nan"}, 2, "--lr nan is not above 0 [GD-USAGE-001]"},
      {{"--lr", "fast"}, 2, "--lr fast is no number [GD-USAGE-001]"},
      {{"--epochs", "99999999999999999999"},
       2,
       "--epochs 99999999999999999999 is not in 1..1000000000 [GD-USAGE-001]"},
      {{"--epochs", "1e3"}, 2, "--epochs 1e3 is no whole number [GD-USAGE-001]"},
      {{"--seed", "-1"}, 2, "--seed -1 is no whole number from 0 to 18446744073709551615 [GD-USAGE-001]"},
      {{"--seed", "99999999999999999999"},
       2,
       "--seed 99999999999999999999 is no whole number from 0 to 18446744073709551615 [GD-USAGE-001]"},
      {{"--channels", "7"},
       2,
       "--channels 7 is not in 0..3; use 1 or 3, or 0 for those of the first image [GD-USAGE-001]"},
      {{"--weight-decay", "inf"}, 2, "--weight-decay inf is no finite number [GD-USAGE-001]"},
      {{"--stop-threshold", "5"},
       2,
       "--stop-threshold 5 is no value of val_balanced_accuracy; use 0 (never) to 1 [GD-USAGE-001]"},
      {{"--stop-threshold", "-1", "--monitor", "val_loss"},
       2,
       "--stop-threshold -1 is no value of val_loss; use 0 (never) to 1 [GD-USAGE-001]"},
      {{"--lr", "1e-3", "--min-lr", "1e-2"},
       2,
       "schedule: learning rate 0.001 with minimum 0.01; the rate must be positive and the minimum between 0 "
       "and it [GD-USAGE-001]"},
      {{"--momentum", "1"}, 2, "--momentum 1 is not in [0, 1) [GD-USAGE-001]"},
      {{"--clip-norm", "-1"}, 2, "--clip-norm -1 is below 0 [GD-USAGE-001]"},
      {{"--clip-value", "-1"}, 2, "--clip-value -1 is below 0 [GD-USAGE-001]"},
      {{"--ema", "1.5"}, 2, "--ema 1.5 is not in [0, 1) [GD-USAGE-001]"},
      {{"--focal-gamma", "-1"}, 2, "--focal-gamma -1 is below 0 [GD-USAGE-001]"},
      {{"--label-smoothing", "1"}, 2, "--label-smoothing 1 is not in [0, 1) [GD-USAGE-001]"},
      {{"--save-every", "-1"}, 2, "--save-every -1 is not in 0..1000000000 [GD-USAGE-001]"},
      {{"--keep", "0"}, 2, "--keep-last 0 is not in 1..1000000000 [GD-USAGE-001]"},
      {{"--log-every", "0"}, 2, "--log-every 0 is not in 1..1000000000 [GD-USAGE-001]"},
      {{"--workers", "65"}, 2, "--workers 65 is not in -1..64 [GD-USAGE-001]"},
      {{"--shares", "0.5"},
       2,
       "--shares 0.5: three numbers of 0 or more are needed, like 0.7/0.15/0.15 [GD-USAGE-001]"},
  });
}

TEST_F(TrainMistakes, NamesThatDoNotExist) {
  const Outcome model = train({"--model", "resnet19"});
  EXPECT_EQ(model.code, 2);
  EXPECT_EQ(last_line(model, dir_.path())
                .find("model: resnet19 is unknown; did you mean resnet18? known are resnet18, "),
            0u)
      << model.err;
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  // Programs that register tasks of their own (the toys of these tests) list them as well.
  const Outcome task = train({"--task", "clasification"});
  EXPECT_EQ(task.code, 2);
  EXPECT_EQ(
      last_line(task, dir_.path())
          .find("--task clasification cannot be trained; did you mean classification? use classification"),
      0u)
      << task.err;
  expect_refused({
      {{"--epoch", "3"}, 2, "unknown option --epoch; did you mean --epochs? [GD-USAGE-001]"},
      {{"--optimizer", "adamm"},
       2,
       "optimizer: adamm is unknown; did you mean adam? use sgd, momentum, nesterov, adam, adamw, rmsprop, "
       "rmsprop_slim, adadelta, adagrad or ftrl [GD-USAGE-001]"},
      {{"--sampler", "ballanced"},
       2,
       "--sampler ballanced is unknown; did you mean balanced? use shuffled, mixed, in-order, balanced, "
       "weighted, capped:N, N samples a class at most, or background:S, the share of samples without a "
       "class [GD-USAGE-001]"},
      {{"--sampler", "background:1"},
       2,
       "--sampler background:1: the share of samples without a class is from 0 to 0.99 [GD-USAGE-001]"},
      {{"--augment", "standart"},
       2,
       "--augment standart is unknown; did you mean standard? use none, light, standard or a list of steps "
       "such "
       "as grey,resize:128,random-crop:112 [GD-USAGE-001]"},
      {{"--loss", "focall"},
       2,
       "--loss focall is unknown; did you mean focal? use auto, cross-entropy, bce or focal [GD-USAGE-001]"},
      {{"--optimizer", "lion"},
       2,
       "optimizer: lion is unknown; use sgd, momentum, nesterov, adam, adamw, rmsprop, rmsprop_slim, "
       "adadelta, adagrad or ftrl [GD-USAGE-001]"},
      {{"--schedule", "sine"},
       2,
       "schedule: 'sine' is not known; did you mean cosine? use constant, step, multi-step, exponential, "
       "polynomial, cosine, "
       "one-cycle or plateau "
       "[GD-USAGE-001]"},
      {{"--loss", "hinge"},
       2,
       "--loss hinge is unknown; use auto, cross-entropy, bce or focal [GD-USAGE-001]"},
      {{"--loss", "bce"},
       2,
       "--loss bce does not fit: the set has one label a sample; use cross-entropy or focal [GD-USAGE-001]"},
      {{"--multi-label", "--loss", "cross-entropy"},
       2,
       "--loss cross-entropy does not fit: the set has several labels a sample; use bce or focal "
       "[GD-USAGE-001]"},
      {{"--augment", "strong"},
       2,
       "--augment strong is unknown; use none, light, standard or a list of steps such as "
       "grey,resize:128,random-crop:112 "
       "[GD-USAGE-001]"},
      {{"--bad-samples", "ignore"},
       2,
       "--bad-samples ignore is unknown; use fail, skip or quarantine [GD-USAGE-001]"},
      {{"--monitor", "val_acuracy"},
       2,
       "--monitor val_acuracy is unknown; did you mean val_accuracy? use val_loss, val_accuracy, "
       "val_balanced_accuracy, val_macro_f1, "
       "val_roc_auc, "
       "val_average_precision, val_log_loss [GD-USAGE-001]"},
      {{"--trainable-scopes", "head"},
       2,
       "--trainable-scopes head: nothing in the net that learns is called so; gadolin summary shows the "
       "names "
       "[GD-USAGE-001]"},
      {{"--freeze", "layer"},
       2,
       "--freeze layer: nothing in the net that learns is called so; gadolin summary shows the names "
       "[GD-USAGE-001]"},
      {{"--trainable-scopes", "fc,bn1.running_mean"},  // a buffer
       2,
       "--trainable-scopes bn1.running_mean: nothing in the net that learns is called so; gadolin summary "
       "shows the names [GD-USAGE-001]"},
      {{"--exclude-scopes", "fc,head"},
       2,
       "--exclude-scopes head: nothing in the net is called so; gadolin summary shows the names "
       "[GD-USAGE-001]"},
      {{"--dtype", "int8"}, 2, "--dtype int8 is unknown; use fp32, tf32, bf16, fp16 or fp64 [GD-USAGE-001]"},
  });
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"--augment", "grey,turn:3"}, {"--pipeline", "grey,resize"}}) {
    const Outcome run = train(options);
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_NE(run.err.find(options[1].substr(options[1].find(',') + 1, 4)), std::string::npos) << run.err;
    EXPECT_FALSE(fs::exists(dir_ / "out")) << options[0] << " left a folder";
  }
}

TEST_F(TrainMistakes, DataThatIsNotThereOrDoesNotFit) {
  expect_refused({{{}, 3, "dataset: DIR/none does not exist; check the path [GD-DATA-001]"}}, "none");
  dir_.write("held/manifest.csv",
             "path,labels,split\n../set/images/1.png,a,test\n../set/images/2.png,b,test\n");
  expect_refused({{{"--allow-outside"},
                   3,
                   "train: DIR/held has samples of val or test but none of train; set the split column, or "
                   "add --ignore-splits "
                   "[GD-DATA-001]"},
                  {{},
                   3,
                   "dataset: DIR/held/manifest.csv:2: DIR/held/../set/images/1.png leaves the folder "
                   "DIR/held; allow it with "
                   "--allow-outside [GD-DATA-001]"}},
                 "held");
  expect_refused({
      {{"--label-column", "class"},
       3,
       "csv: DIR/set/manifest.csv:1: there is no column 'class'; there are path, labels, split "
       "[GD-DATA-001]"},
      {{"--ignore-splits", "--shares", "1/0/0"},
       3,
       "dataset: DIR/set has no samples for val, only for train; choose one of these (eval --split), or "
       "divide anew with `gadolin data split` [GD-DATA-001]"},
      {{"--splits", "x.csv", "--ignore-splits"},
       2,
       "--splits x.csv and --ignore-splits exclude each other; leave one out [GD-USAGE-001]"},
  });
  const Outcome weights = train({"--init-from", dir_ / "none.gdck"});
  EXPECT_EQ(weights.code, 6);
  EXPECT_NE(weights.err.find("none.gdck"), std::string::npos) << weights.err;
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(TrainMistakes, RunsThatAreOrAreNotThere) {
  expect_refused({{{"--resume", dir_ / "out/checkpoints/last.gdck"},
                   2,
                   "run: DIR/out holds no run to resume; leave out --resume [GD-USAGE-001]"}});
  const std::vector<std::string> one{"--max-steps", "1", "--epochs", "1"};
  ASSERT_EQ(train(one).code, 0);
  const std::string before = contents_of(dir_ / "out/config.toml");
  EXPECT_EQ(last_line(train(one), dir_.path()),
            "run: DIR/out already holds a run; add --resume, or --overwrite, or choose another --out "
            "[GD-USAGE-001]");
  // A mistake with --overwrite leaves the run that is there.
  EXPECT_EQ(train({"--overwrite", "--loss", "hinge"}).code, 2);
  EXPECT_EQ(contents_of(dir_ / "out/config.toml"), before);
  EXPECT_TRUE(fs::exists(dir_ / "out/checkpoints/last.gdck"));
  // Whatever is refused about a checkpoint leaves every file of the run as it was.
  const auto files = [&] {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "out"))
      all[entry.path().string()] = entry.is_regular_file() ? contents_of(entry.path().string()) : "folder";
    return all;
  };
  const auto whole = files();
  dir_.write("damaged.gdck", "GADOLIN");
  for (const std::vector<std::string>& other :
       std::vector<std::vector<std::string>>{{"--resume", dir_ / "damaged.gdck"},
                                             {"--resume", dir_ / "none.gdck"},
                                             {"--resume", "auto", "--width", "8"},
                                             {"--resume", "auto", "--model", "resnet34"},
                                             {"--resume", "auto", "--channels", "3"},
                                             {"--resume", "auto", "--ema", "0.9"},
                                             {"--resume", "auto", "--schedule", "constant"},
                                             {"--resume", "auto", "--ignore-splits"}}) {
    std::vector<std::string> args = one;
    args.insert(args.end(), other.begin(), other.end());
    EXPECT_NE(train(args).code, 0) << testing::PrintToString(other);
    EXPECT_EQ(files(), whole) << testing::PrintToString(other);
  }
  // Other labels, under the same names.
  for (std::size_t at; (at = rows_.find(",a,")) != std::string::npos;) rows_.replace(at, 3, ",c,");
  dir_.write("set/manifest.csv", rows_);
  EXPECT_EQ(last_line(train({"--resume", "auto"}), dir_.path()),
            "resume: the data in DIR/set are not those that the run was started with (names, labels or "
            "splits differ); restore them, "
            "or start a new run with --init-from [GD-DATA-040]");
  EXPECT_EQ(files(), whole);
}

}  // namespace
