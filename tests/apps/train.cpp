// The main job from end to end with the program itself, on made-up pictures: train, eval, predict, report,
// and every mistake that a person can make, each with its exit code and its one clear line.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/csv.h"
#include "tensor/device.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class TrainProgram : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    const Outcome made = run_program({"data", "synth", *scratch_ / "set", "--samples", "96", "--patients",
                                      "24", "--classes", "3", "--size", "40"});
    ASSERT_EQ(made.code, 0) << made.err;
    const Outcome run = run_program(command(*scratch_ / "run", {"--epochs", "2"}));
    ASSERT_EQ(run.code, 0) << run.err;
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  void TearDown() override { EXPECT_EQ(leftovers(scratch_->path()), std::vector<std::string>()); }

  // 4 steps an epoch of a narrow ResNet-18.
  static std::vector<std::string> command(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"train",   set(), "--out",        out,  "--input-size", "32",
                                  "--width", "8",   "--batch-size", "16", "--workers",    "2"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static std::string path(const std::string& name) { return *scratch_ / name; }
  static std::string set() { return path("set/manifest.csv"); }
  static std::string best() { return path("run/checkpoints/best.gdck"); }
  static std::string digest(const std::string& run) {
    return weights_digest(path(run) + "/checkpoints/last.gdck", scratch_->path());
  }
  static void expect_failure(const Outcome& run, int code, const std::vector<std::string>& parts) {
    EXPECT_EQ(run.code, code) << run.err;
    const std::size_t line = run.err.rfind("gadolin: ");
    ASSERT_NE(line, std::string::npos) << run.err;
    const std::string message = run.err.substr(line);
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 1) << message;
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
    EXPECT_NE(message.find(" [GD-"), std::string::npos) << message;
  }
  static std::unique_ptr<Scratch> scratch_;
};
std::unique_ptr<Scratch> TrainProgram::scratch_;

// Columns of metrics.csv that do not depend on the clock.
std::vector<std::vector<std::string>> metric_rows(const std::string& run) {
  std::vector<std::vector<std::string>> rows = table_of(contents_of(run + "/metrics.csv"), ',');
  for (auto& row : rows) row.resize(row.size() - 2);
  return rows;
}

TEST_F(TrainProgram, WritesTheRunFolder) {
  for (const char* name : {"config.toml", "metrics.csv", "train.log", "env.json", "split.csv",
                           "checkpoints/best.gdck", "checkpoints/last.gdck", "tb", "report"}) {
    EXPECT_TRUE(fs::exists(path("run") + "/" + name)) << name;
  }
  const auto rows = metric_rows(path("run"));
  ASSERT_EQ(rows.size(), 3u);
  const std::vector<std::string> first{
      "step", "epoch", "lr", "train_loss", "val_loss", "val_accuracy", "val_balanced_accuracy"};
  EXPECT_EQ(std::vector<std::string>(rows[0].begin(), rows[0].begin() + 7), first);
  EXPECT_EQ(rows[1][0], "4");
  EXPECT_EQ(rows[2][0], "8");
  EXPECT_EQ(rows[2][1], "2");
  const auto facts = load_checkpoint_facts(path("run/checkpoints/last.gdck"));
  EXPECT_EQ(facts.at("step"), "8");
  EXPECT_EQ(facts.at("model"), "resnet18");
  EXPECT_EQ(facts.at("classes"), R"(["cross","disc","square"])");
}

TEST_F(TrainProgram, ConfigTomlGivesTheSameRun) {
  const Outcome again = run_program({"train", "--config", path("run/config.toml"), "--out", path("again")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(digest("again"), digest("run"));
  EXPECT_EQ(metric_rows(path("again")), metric_rows(path("run")));
  EXPECT_EQ(contents_of(path("again/split.csv")), contents_of(path("run/split.csv")));
  const auto without_out = [](std::string text) {
    const std::size_t at = text.find("train.out=");
    return text.erase(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(without_out(contents_of(path("again/config.toml"))),
            without_out(contents_of(path("run/config.toml"))));
}

// Two epochs: eager steps first, then replays of a recorded one.
TEST_F(TrainProgram, CudaTakesTheStepsOfTheCpu) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const char* device : {"cpu", "cuda"}) {
    const Outcome run =
        run_program(command(path(device), {"--epochs", "2", "--device", device, "--dtype", "fp32"}));
    ASSERT_EQ(run.code, 0) << run.err;
  }
  const auto want = metric_rows(path("cpu")), got = metric_rows(path("cuda"));
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t row = 1; row < want.size(); ++row) {
    for (const std::size_t loss : {3u, 4u}) {
      const double a = std::stod(got[row][loss]), b = std::stod(want[row][loss]);
      EXPECT_TRUE(std::abs(a - b) <= 0.02 * b) << want[0][loss] << ": " << a << ", on the cpu " << b;
    }
  }
}

TEST_F(TrainProgram, NumberOfWorkersChangesNothing) {
  for (const char* workers : {"0", "3"}) {
    const Outcome run =
        run_program(command(path("workers"), {"--epochs", "2", "--overwrite", "--workers", workers}));
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(digest("workers"), digest("run")) << workers;
  }
}

TEST_F(TrainProgram, EvalPredictReport) {
  const Outcome eval = run_program({"eval", path("run/split.csv"), "--checkpoint", best(), "--out",
                                    path("run"), "--resamples", "50", "--json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  const json metrics = json::parse(contents_of(path("run/metrics.json")));
  const int samples = metrics.at("samples");
  EXPECT_GT(samples, 5);
  double counted = 0;
  for (const auto& row : metrics.at("confusion")) {
    for (const double cell : row) counted += cell;
  }
  EXPECT_EQ(counted, samples);
  const json& accuracy = metrics.at("metrics").at("accuracy");
  EXPECT_LE(accuracy.at("low").get<double>(), accuracy.at("value").get<double>());
  EXPECT_GE(accuracy.at("high").get<double>(), accuracy.at("value").get<double>());
  const std::string predictions = contents_of(path("run/predictions.csv"));
  EXPECT_EQ(predictions.substr(0, predictions.find('\n')), "path,patient,truth,predicted,cross,disc,square");
  EXPECT_EQ(std::count(predictions.begin(), predictions.end(), '\n'), samples + 1);
  EXPECT_NE(contents_of(path("run/report/index.html")).find("<svg"), std::string::npos);

  // predict gives a film what eval gave it, to the last digit printed.
  const std::string line =
      predictions.substr(predictions.find('\n') + 1,
                         predictions.find('\n', predictions.find('\n') + 1) - predictions.find('\n') - 1);
  const std::string film = line.substr(0, line.find(','));
  const Outcome predict = run_program({"predict", film, "--checkpoint", best(), "--json"});
  ASSERT_EQ(predict.code, 0) << predict.err;
  const json event = json::parse(predict.out.substr(0, predict.out.find('\n')));
  EXPECT_EQ(event.at("event"), "prediction");
  double total = 0;
  for (const auto& [name, p] : event.at("probabilities").items()) total += p.get<double>();
  EXPECT_NEAR(total, 1, 1e-6);
  EXPECT_NEAR(event["probabilities"]["square"].get<double>(), std::stod(line.substr(line.rfind(',') + 1)),
              1e-5);

  const Outcome report = run_program({"report", path("run"), "--out", path("report.html")});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_NE(contents_of(path("report.html")).find("<svg"), std::string::npos);

  // What is for detectors alone.
  const Outcome cap = run_program({"eval", path("run/split.csv"), "--checkpoint", best(), "--max-dets", "5"});
  EXPECT_NE(cap.err.find("eval: --max-dets is for detectors; leave it out"), std::string::npos) << cap.err;
  const Outcome drawn =
      run_program({"predict", path("run"), "--checkpoint", best(), "--draw", path("drawn")});
  EXPECT_NE(drawn.err.find("predict: --draw is for detectors, and " + best() +
                           " is of classification; gadolin cam shows what a classifier looks at"),
            std::string::npos)
      << drawn.err;
}

TEST_F(TrainProgram, SigtermSavesAndLeavesWith75) {
  const std::vector<std::string> more{"--epochs", "12", "--ema", "0.9", "--accumulate", "2"};
  auto resume = more;
  resume.insert(resume.end(), {"--resume", "auto"});
  const Outcome whole = run_program(command(path("whole"), more));
  ASSERT_EQ(whole.code, 0) << whole.err;
  for (const int signal : {SIGTERM, SIGINT}) {
    fs::remove_all(path("stopped"));
    const Outcome stopped = run_program(command(path("stopped"), resume),
                                        {.signal = signal, .once = path("stopped/checkpoints/step-2.gdck")});
    expect_failure(
        stopped, 75,
        {signal == SIGTERM ? "train: stopped by SIGTERM at step " : "train: stopped by SIGINT at step ",
         " of 24; continue with --resume auto"});
    const auto facts = load_checkpoint_facts(path("stopped/checkpoints/last.gdck"));
    EXPECT_NE(stopped.err.find("at step " + facts.at("step") + " of"), std::string::npos)
        << facts.at("step") << " " << stopped.err;
    const Outcome on = run_program(command(path("stopped"), resume));
    ASSERT_EQ(on.code, 0) << on.err;
    EXPECT_EQ(digest("stopped"), digest("whole"));
    EXPECT_EQ(metric_rows(path("stopped")), metric_rows(path("whole")));
  }
}

TEST_F(TrainProgram, FullDiskLeavesTheOldCheckpoint) {
  const std::vector<std::string> more{"--schedule", "constant", "--epochs", "2"};
  ASSERT_EQ(
      run_program(command(path("disk"), {"--schedule", "constant", "--epochs", "2", "--max-steps", "4"}))
          .code,
      0);
  const std::string before = contents_of(path("disk/checkpoints/last.gdck"));
  auto resume = more;
  resume.insert(resume.end(), {"--resume", "auto"});
  const Outcome full = run_program(command(path("disk"), resume), {.file_limit = 200000});
  expect_failure(full, 6, {"step-8.gdck"});
  EXPECT_EQ(leftovers(path("disk")), std::vector<std::string>());
  EXPECT_TRUE(contents_of(path("disk/checkpoints/last.gdck")) == before);
  ASSERT_EQ(run_program(command(path("disk"), resume)).code, 0);
  ASSERT_EQ(run_program(command(path("roomy"), more)).code, 0);
  EXPECT_EQ(digest("disk"), digest("roomy"));
}

TEST_F(TrainProgram, TruncatedCheckpoint) {
  const std::string half = contents_of(best()).substr(0, 100000), file = path("half.gdck");
  scratch_->write("half.gdck", half);
  expect_failure(run_program({"eval", path("run/split.csv"), "--checkpoint", file}), 6, {file});
  expect_failure(run_program({"predict", path("set/images/000001.png"), "--checkpoint", file}), 6, {file});
  expect_failure(run_program(command(path("unread"), {"--init-from", file})), 6, {file});
  // --resume auto passes over a damaged one and says so.
  const std::vector<std::string> more{"--epochs", "2", "--resume", "auto"};
  fs::copy(path("run"), path("damaged"), fs::copy_options::recursive);
  for (const char* name : {"last.gdck", "step-8.gdck"}) {
    fs::remove(path("damaged/checkpoints/") + name);
    scratch_->write(std::string("damaged/checkpoints/") + name, half);
  }
  const Outcome run = run_program(command(path("damaged"), more));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("resume: passed over a damaged checkpoint: "), std::string::npos) << run.err;
  EXPECT_EQ(digest("damaged"), digest("run"));
}

TEST_F(TrainProgram, CorruptImages) {
  fs::copy(path("set"), path("bad"), fs::copy_options::recursive);
  const std::string name = "bad/images/000000.png";
  scratch_->write(name, contents_of(path(name)).substr(0, 60));
  const auto with = [&](const char* policy) {
    auto args = command(path("bad-run"), {"--epochs", "1", "--overwrite", "--bad-samples", policy});
    args[1] = path("bad/manifest.csv");
    return run_program(args);
  };
  expect_failure(with("fail"), 3, {"000000.png"});
  const Outcome skip = with("skip");
  EXPECT_EQ(skip.code, 0) << skip.err;
  EXPECT_NE(skip.err.find("skipped images/000000.png: "), std::string::npos) << skip.err;
  EXPECT_FALSE(fs::exists(path("bad-run/bad_samples.csv")));
  const Outcome quarantine = with("quarantine");
  EXPECT_EQ(quarantine.code, 0) << quarantine.err;
  EXPECT_NE(contents_of(path("bad-run/bad_samples.csv")).find("000000.png"), std::string::npos);
  expect_failure(run_program({"predict", path(name), "--checkpoint", best()}), 3,
                 {"predict: 1 of 1 files could not be read ("});
}

TEST_F(TrainProgram, MistakesOfTheCommandLine) {
  expect_failure(run_program(command(path("none"), {"--model", "resnet19"})), 2,
                 {"model: resnet19 is unknown; did you mean resnet18? known are resnet18, "});
  expect_failure(run_program(command(path("none"), {"--batch-sise", "4"})), 2,
                 {"unknown option --batch-sise; did you mean --batch-size?"});
  expect_failure(run_program(command(path("none"), {"--bad-samples", "ignore"})), 2,
                 {"--bad-samples ignore is unknown; use fail, skip or quarantine [GD-USAGE-001]"});
  EXPECT_FALSE(fs::exists(path("none"))) << "a mistake left a folder";
  expect_failure(run_program(command(path("other"), {"--optimizer", "lion"})), 2,
                 {"optimizer: lion is unknown; use sgd, "});
  expect_failure(run_program(command(path("run"))), 2,
                 {"already holds a run; add --resume, or --overwrite, or choose another --out"});
  expect_failure(run_program(command(path("other"), {"--overwrite", "--trainable-scopes", "head"})), 2,
                 {"head"});
  expect_failure(run_program({"train", path("nowhere"), "--out", path("other"), "--overwrite"}), 3,
                 {path("nowhere")});
  expect_failure(run_program({"eval", set(), "--checkpoint", path("nowhere.gdck")}), 6,
                 {path("nowhere.gdck")});
}

TEST_F(TrainProgram, ClassesThatDoNotFit) {
  ASSERT_EQ(run_program({"data", "synth", path("four"), "--samples", "60", "--classes", "4", "--size", "40",
                         "--patients", "12"})
                .code,
            0);
  // A label that the checkpoint does not know, with file and line.
  expect_failure(run_program({"eval", path("four/manifest.csv"), "--checkpoint", best()}), 3,
                 {path("four/manifest.csv") + ":", "ring"});
  // A head of another size is named, with the option that helps.
  auto args = command(path("transfer"), {"--epochs", "1", "--init-from", best()});
  args[1] = path("four/manifest.csv");
  expect_failure(run_program(args), 6, {"fc.weight", "--exclude-scopes"});
  args.insert(args.end(), {"--exclude-scopes", "fc", "--overwrite", "--trainable-scopes", "fc"});
  const Outcome run = run_program(args);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("2 left as they start"), std::string::npos) << run.err;
  // Only fc learnt: all else is bit for bit what it was, statistics included.
  const Checkpoint before = load_checkpoint(best()),
                   after = load_checkpoint(path("transfer/checkpoints/last.gdck"));
  for (const auto& [name, tensor] : before.tensors) {
    if (name.rfind("model.", 0) != 0 || name.rfind("model.fc.", 0) == 0) continue;
    EXPECT_EQ(after.tensor(name).to_vector<double>(), tensor.to_vector<double>()) << name;
  }
}

TEST_F(TrainProgram, ResumingOtherDataIsRefused) {
  fs::copy(path("set"), path("moved"), fs::copy_options::recursive);
  fs::copy(path("run"), path("moved-run"), fs::copy_options::recursive);
  std::string manifest = contents_of(path("moved/manifest.csv"));
  manifest.replace(manifest.find(",disc,"), 6, ",ring,");
  for (std::size_t at; (at = manifest.find(",disc,")) != std::string::npos;)
    manifest.replace(at, 6, ",ring,");
  scratch_->write("moved/manifest.csv", manifest);
  auto args = command(path("moved-run"), {"--epochs", "2", "--resume", "auto"});
  args[1] = path("moved/manifest.csv");
  expect_failure(
      run_program(args), 3,
      {"resume: the data in ", "; restore them, or start a new run with --init-from [GD-DATA-040]"});
}

}  // namespace
