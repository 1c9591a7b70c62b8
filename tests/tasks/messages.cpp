// What tasks refuse, word for word.
#include <gtest/gtest.h>

#include "tasks/classification.h"
#include "tasks/classification_evaluator.h"
#include "tasks/classification_operation.h"
#include "tasks/committee.h"
#include "tests/data/scratch.h"
#include "tests/scratch.h"
#include "train/early_stop.h"
#include "train/loss_sums.h"

using namespace gadolin;
using test::message_of;

namespace {

const NetOptions narrow{{"num_classes", 2.0}, {"width", 4.0}, {"input_channels", 1.0}};

std::string saved(const test::Scratch& scratch, const std::string& name, bool multi_label,
                  const std::map<std::string, std::string>& more = {}) {
  const ClassificationTask task("resnet18", narrow, {"a", "b"}, multi_label, Pipeline("grey,resize:32x32"));
  Checkpoint c;
  for (const Parameter& p : task.net().state()) c.tensors["model." + p.name] = p.tensor.detach();
  task.describe(c);
  for (const auto& [fact, value] : more) c.facts[fact] = value;
  save_checkpoint(scratch / name, c);
  return scratch / name;
}

TEST(TaskMessages, PartsOfLosses) {
  LossSums sums(cpu);
  const Tensor one = ones({});
  sums.add(LossParts(one, {{"box", one}, {"class", one}}), 1);
  EXPECT_EQ(message_of<ValueError>([&] { sums.add(one, 1); }),
            "train: the loss has 0 parts, before it had 2; a task gives the same ones in every step");
  EXPECT_EQ(
      message_of<ValueError>([&] {
        sums.add(LossParts(one, {{"class", one}, {"box", one}}), 1);
      }),
      "train: part 0 of the loss is class, before it was box; a task gives the same ones in every step");
  EXPECT_EQ(message_of<CheckpointError>([&] { sums.load_state({}); }),
            "resume: the checkpoint has no sum of losses; was it written by gadolin train?");
  EXPECT_EQ(message_of<CheckpointError>([] { EarlyStop(3, 0, true).set_state("1 x"); }),
            "early stop: the checkpoint's state '1 x' is damaged");
}

TEST(TaskMessages, Checkpoints) {
  const test::Scratch scratch;
  Checkpoint nothing;
  nothing.facts["step"] = "1";
  save_checkpoint(scratch / "nothing.gdck", nothing);
  EXPECT_EQ(message_of<CheckpointError>([&] { load_task(scratch / "nothing.gdck", cpu); }),
            "checkpoint: " + (scratch / "nothing.gdck") +
                " does not say what it was trained for; was it written by gadolin train?");
  const std::string cold = saved(scratch, "cold.gdck", false, {{"temperature", "-1"}});
  EXPECT_EQ(message_of<CheckpointError>([&] { load_task(cold, cpu); }),
            "checkpoint: " + cold +
                " has the temperature -1, which is not above 0; was it written by gadolin eval?");
  const std::string single = saved(scratch, "single.gdck", false),
                    several = saved(scratch, "several.gdck", true);
  EXPECT_EQ(message_of<UsageError>([&] {
              Committee({single, several}, {View::identity}, cpu, DType::fp32);
            }),
            "ensemble: " + several + " gives several labels a sample, " + single +
                " does not; choose checkpoints of one kind");
  EXPECT_EQ(message_of<UsageError>([] { Committee({}, {View::identity}, cpu, DType::fp32); }),
            "committee: at least one checkpoint and one view are needed");
}

TEST(TaskMessages, Losses) {
  ClassificationTask task("resnet18", narrow, {"a", "b"}, false, Pipeline("grey,resize:32x32"));
  Batch batch({"image", "label"}, {zeros({2, 1, 32, 32}), zeros({2}, DType::int64)});
  EXPECT_EQ(message_of<ValueError>([&] { task.loss(batch); }),
            "classification: there is no loss yet; call learn_from first");
  const Dataset set({"a", "b"}, false, {}, "");
  task.learn_from(set, {}, cpu);
  batch.set("mix_share", ones({1, 1}));
  EXPECT_EQ(message_of<ValueError>([&] { task.loss(batch); }),
            "classification: the batch is mixed, but learn_from was not told so");
}

TEST(TaskMessages, Thresholds) {
  Threshold other;
  other.label = "c";
  other.value = 0.5;
  EXPECT_EQ(message_of<CheckpointError>([&] {
              positive_at({0.1, 0.9}, {"a", "b"}, {other});
            }),
            "thresholds: c is no class of the net");
  const Dataset set({"a", "b"}, false, {{"x", "", "", {1}}, {"y", "", "", {0}}}, "");
  ClassificationEvaluator evaluator(set, {"a", "b"}, false);
  Batch batch({"image", "label"}, {zeros({2, 1}), from_vector(std::vector<std::int64_t>{1, 0}, {2})});
  batch.indices = {0, 1};
  evaluator.add(batch, Outputs({{"logits", from_vector(std::vector<float>{0, 5, 5, 0}, {2, 2})}}));
  EXPECT_EQ(message_of<DataError>([&] { fit_operation(evaluator, true, ""); }),
            "eval: there is no best temperature: every answer is right, so the loss has no lowest point as "
            "the temperature goes to 0; use more samples");
}

}  // namespace
