// The training loop, the evaluator and the predictor with tasks that are no classifiers: a detector and a
// task on series.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/csv.h"
#include "tasks/classification.h"
#include "tasks/evaluate.h"
#include "tasks/predictor.h"
#include "tasks/training.h"
#include "tests/data/scratch.h"
#include "tests/scratch.h"
#include "tests/tasks/toy_detector.h"
#include "tests/tasks/toy_sequence.h"

using namespace gadolin;
using test::message_of;

namespace {

TrainPlan plan_of(const Task& task, std::int64_t epochs, double lr) {
  TrainPlan plan;
  plan.data = "toys";
  plan.augment = task.pipeline();
  plan.load.batch_size = 8;
  plan.load.workers = 0;
  plan.rule = optimizer_options("adam");
  plan.rule.lr = lr;
  plan.warmup_epochs = 0;
  plan.loop.epochs = epochs;
  plan.loop.quiet = true;
  return plan;
}

struct Trained {
  test::Scratch scratch;
  std::string folder = scratch.path() + "/run";
  TrainResult result;
  std::string monitor;
  Trained(Task& task, const Dataset& set, const TrainPlan& plan) {
    const auto train = set.subset(Split::train), val = set.subset(Split::val);
    Reporter silent;
    Training training(task, *train, *val, plan, set.fingerprint(), silent);
    RunDir run(folder, RunDir::Open::create);
    result = training.run(run);
    monitor = training.monitor();
  }
  double metric(const std::string& name) const {
    for (const auto& [known, value] : result.last) {
      if (known == name) return value;
    }
    return NAN;
  }
};

TEST(Tasks, ADetectorLearns) {
  manual_seed(1);
  test::ToyDetector task;
  const test::ToySquares set(160);
  const Trained trained(task, set, plan_of(task, 24, 3e-3));
  EXPECT_EQ(trained.monitor, "val_iou");
  EXPECT_GT(trained.metric("val_iou"), 0.5);
  EXPECT_LT(trained.metric("val_miss"), 0.2);
  // The parts of the loss are columns of the run's table, and add up to the whole.
  const CsvTable table = read_csv(trained.folder + "/metrics.csv");
  const auto number = [&](std::size_t row, const char* column) {
    return std::strtod(table.rows[row][static_cast<std::size_t>(table.column(column))].c_str(), nullptr);
  };
  ASSERT_EQ(table.rows.size(), 24u);
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    EXPECT_NEAR(number(row, "train_class") + 10 * number(row, "train_box"), number(row, "train_loss"), 1e-5);
  }
  EXPECT_LT(number(23, "train_box"), number(0, "train_box"));
}

TEST(Tasks, ADetectorComesBackFromItsCheckpoint) {
  test::know_the_toy();
  manual_seed(1);
  test::ToyDetector task;
  const test::ToySquares set(80);
  const Trained trained(task, set, plan_of(task, 2, 3e-3));
  Predictor predictor(load_task(trained.folder + "/checkpoints/last.gdck", cpu));
  EXPECT_STREQ(predictor.task().kind(), "toy-detection");
  const auto squares = predictor.task().open("toy:80", {});
  const auto val = squares->subset(Split::val);
  const auto loader =
      predictor.task().loader(*val, predictor.task().pipeline(), {.batch_size = 4, .workers = 0});
  const auto evaluator = predictor.task().evaluator(*val);
  EXPECT_TRUE(evaluate([&](const Batch& b) { return predictor.run(b); }, *loader, *evaluator).empty());
  const auto found = evaluator->finish({200, 0.95, 0});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "iou");
  EXPECT_NEAR(found[0].value, trained.metric("val_iou"), 1e-6);
  EXPECT_LE(found[0].interval.low, found[0].value);
  EXPECT_GE(found[0].interval.high, found[0].value);
}

TEST(Tasks, ResumingADetectorGivesTheSameBits) {
  const test::ToySquares set(80);
  const auto run_in = [&](const std::string& folder, const std::string& from) {
    manual_seed(1);
    test::ToyDetector task;
    TrainPlan plan = plan_of(task, 3, 3e-3);
    const auto train = set.subset(Split::train), val = set.subset(Split::val);
    Reporter silent;
    plan.loop.save_every = 1;
    plan.loop.keep = 50;
    Training training(task, *train, *val, plan, set.fingerprint(), silent);
    RunDir run(folder, RunDir::Open::automatic);
    if (from.empty()) {
      training.run(run);
    } else {
      const Checkpoint checkpoint = load_checkpoint(from);
      training.run(run, &checkpoint, from);
    }
    return load_checkpoint(folder + "/checkpoints/last.gdck");
  };
  const test::Scratch scratch;
  const Checkpoint whole = run_in(scratch.path() + "/whole", "");
  std::filesystem::copy(scratch.path() + "/whole", scratch.path() + "/again",
                        std::filesystem::copy_options::recursive);
  const Checkpoint again =
      run_in(scratch.path() + "/again", scratch.path() + "/whole/checkpoints/step-10.gdck");
  for (const auto& [name, tensor] : whole.tensors) {
    ASSERT_TRUE(again.tensors.contains(name)) << name;
    EXPECT_EQ(again.tensors.at(name).to_vector<double>(), tensor.to_vector<double>()) << name;
  }
}

TEST(Tasks, ATaskOnSeriesLearns) {
  manual_seed(1);
  test::ToySequence task;
  const test::ToySeries set(160);
  const Trained trained(task, set, plan_of(task, 8, 2e-2));
  EXPECT_EQ(trained.monitor, "val_accuracy");
  EXPECT_GT(trained.metric("val_accuracy"), 0.9);
}

TEST(Tasks, Messages) {
  test::know_the_toy();
  test::ToyDetector task;
  const test::ToySquares set(80);
  const auto train = set.subset(Split::train), val = set.subset(Split::val);
  Reporter silent;
  TrainPlan plan = plan_of(task, 1, 1e-3);
  plan.loop.monitor = "val_accuracy";
  EXPECT_EQ(message_of<UsageError>([&] { Training(task, *train, *val, plan, "", silent); }),
            "--monitor val_accuracy is unknown; use val_loss, val_iou, val_miss");
  EXPECT_EQ(message_of<UsageError>([] { add_task_kind(test::toy_kind()); }),
            "task: toy-detection is there already; choose another name");
  EXPECT_EQ(message_of<CheckpointError>([] { task_kind("speech"); }),
            "task: speech is unknown to this program; known are classification, detection, sequences, "
            "toy-detection; "
            "was it made "
            "by a newer version?");
  EXPECT_EQ(message_of<UsageError>([] { trainable_kind("speech"); }),
            "--task speech cannot be trained; use classification, detection, sequences, toy-detection");
  EXPECT_EQ(message_of<ValueError>([] {
              Outputs({{"boxes", zeros({1})}, {"score", zeros({1})}})["logits"];
            }),
            "outputs: there is no logits; known are boxes, score");
  test::ToySequence other;
  EXPECT_EQ(message_of<Unsupported>([&] { other.evidence({}, 0); }),
            "cam: a task of kind toy-sequence has no evidence of a class to follow; use a classifier");
  EXPECT_EQ(message_of<Unsupported>([&] { other.class_probabilities({}, 0); }),
            "task: one of kind toy-sequence gives no probabilities of classes; use a classifier");
  EXPECT_EQ(message_of<Unsupported>([] { test::ToySeries(4).read(0); }),
            "dataset: series-0 is no picture in a file; ask sample() for what it is");
  EXPECT_EQ(message_of<CheckpointError>([&] { as_classifier(task, "toy.gdck"); }),
            "checkpoint: toy.gdck is of kind toy-detection, but a classifier is needed here; use the "
            "commands of its kind");
}

TEST(Tasks, TheMetricsDirectionDecidesWhatIsBest) {
  manual_seed(1);
  test::ToyDetector task;
  const test::ToySquares set(80);
  TrainPlan plan = plan_of(task, 6, 3e-3);
  plan.loop.monitor = "val_miss";
  const Trained trained(task, set, plan);
  const CsvTable table = read_csv(trained.folder + "/metrics.csv");
  double least = 2;
  for (const auto& row : table.rows)
    least = std::min(least,
                     std::strtod(row[static_cast<std::size_t>(table.column("val_miss"))].c_str(), nullptr));
  EXPECT_EQ(trained.result.best, least);
}

}  // namespace
