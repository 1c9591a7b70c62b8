// The training loop's steps: precision, overflows, steps in one launch, what learns and what is frozen.
#include <gtest/gtest.h>

#include <cmath>

#include "nets/resnet.h"
#include "tests/train/trainer_job.h"

namespace gadolin {
namespace {

using test::Folder;
using test::Job;
using test::Numbers;

TEST(Trainer, HalfPrecisionLearns) {
  for (const DType dtype : {DType::bf16, DType::fp16}) {
    const Folder folder;
    Job job(folder.path);
    job.options = {.epochs = 12, .compute = dtype, .quiet = true};
    job.schedule = Schedule("constant", {.lr = 0.05, .steps_per_epoch = 6});
    Optimizer scaled(job.net.parameters(), {.rule = Rule::adam, .lr = 0.05},
                     dtype == DType::fp16 ? dynamic_loss_scale : LossScale{});
    TrainHooks hooks;
    hooks.loss = [&](const Batch& batch) { return cross_entropy(job.net(batch["x"]), batch["label"]); };
    double first = 0;
    hooks.on_epoch = [&](std::int64_t epoch, const MetricList& row) {
      if (epoch == 1) first = row[2].second;
    };
    Trainer trainer(job.net, scaled, job.schedule, job.batches, *job.run, hooks, job.options);
    const double last = trainer.run().last[2].second;
    EXPECT_TRUE(last < 0.8 * first) << name_of(dtype) << ": " << first << " to " << last;
  }
}

// A step that overflows leaves weights, moments and running statistics as they were.
TEST(Trainer, AnOverflowingStepLeavesNoTrace) {
  const Folder folder;
  Job job(folder.path);
  job.options = {.epochs = 1, .compute = DType::fp16, .nan_patience = 100, .quiet = true};
  job.batches.count = 1;
  Optimizer scaled(job.net.parameters(), {.rule = Rule::sgd, .lr = 0.05}, {1e30, 2, 0.5, 2000});
  job.schedule = Schedule("constant", {.lr = 0.05});
  std::map<std::string, std::vector<double>> before;
  for (const Parameter& p : job.net.state()) {
    if (is_floating(p.tensor.dtype())) before[p.name] = p.tensor.to_vector<double>();
  }
  TrainHooks hooks;
  hooks.loss = [&](const Batch& batch) {
    return mul(cross_entropy(job.net(batch["x"]), batch["label"]), 1e10);
  };
  Trainer trainer(job.net, scaled, job.schedule, job.batches, *job.run, hooks, job.options);
  trainer.run();
  EXPECT_TRUE(scaled.last_step_skipped());
  for (const Parameter& p : job.net.state()) {
    if (is_floating(p.tensor.dtype())) {
      EXPECT_EQ(p.tensor.to_vector<double>(), before[p.name]) << p.name;
    }
  }
}

// A step that is undone with all its batches: the statistics of the first one too.
TEST(Trainer, AnOverflowUndoesEveryBatchOfTheStep) {
  for (const bool capture : {true, false}) {
    const Folder folder;
    Job job(folder.path);
    job.options = {.epochs = 1,
                   .accumulate = 3,
                   .compute = DType::fp16,
                   .nan_patience = 100,
                   .capture = capture,
                   .quiet = true};
    job.batches.count = 3;
    job.schedule = Schedule("constant", {.lr = 0.05});
    Optimizer scaled(job.net.parameters(), {.rule = Rule::sgd, .lr = 0.05}, {1e30, 2, 0.5, 2000});
    const auto floats = [&] {
      std::map<std::string, std::vector<double>> all;
      for (const Parameter& p : job.net.state()) {
        if (is_floating(p.tensor.dtype())) all[p.name] = p.tensor.to_vector<double>();
      }
      return all;
    };
    const auto before = floats();
    TrainHooks hooks;
    hooks.loss = [&](const Batch& batch) {
      return mul(cross_entropy(job.net(batch["x"]), batch["label"]), 1e10);
    };
    Trainer(job.net, scaled, job.schedule, job.batches, *job.run, hooks, job.options).run();
    EXPECT_TRUE(scaled.last_step_skipped());
    EXPECT_EQ(floats(), before) << "captured: " << capture;
  }
}

// --- steps in one launch -----------------------------------------------------------------------------------

TEST(Trainer, StepsAreRecordedByDefault) {
  EXPECT_TRUE(Trainer::captures({}));
  EXPECT_TRUE(Trainer::captures({.ema = 0.99}));
  EXPECT_TRUE(Trainer::captures({.accumulate = 8, .compute = DType::fp16}));
  EXPECT_FALSE(Trainer::captures({.accumulate = 9}));
  EXPECT_FALSE(Trainer::captures({.capture = false}));
}

struct Losses {
  std::vector<double> losses, weights, averages;
  int skipped = 0, skipped_late = 0;  // steps that overflowed; those at which a recording is replayed
  bool operator==(const Losses&) const = default;
};

// On a device; the fifth batch of each epoch is short.
struct DeviceNumbers : Numbers {
  explicit DeviceNumbers(Device where) { device = where; }
  Batch next() override {
    const Batch whole = Numbers::next();
    const std::int64_t rows = batch % 5 == 0 ? 3 : 8;
    std::vector<Tensor> tensors = whole.tensors();
    for (Tensor& t : tensors) t = t.slice(0, 0, rows);
    return Batch(whole.names(), tensors);
  }
};

// Twenty steps with a schedule, dropout, batch norm, AdamW and a moving average.
Losses twenty_steps(Device device, DType compute, std::int64_t accumulate, bool capture) {
  const Folder folder;
  Job job(folder.path);
  job.net.to(device);
  DeviceNumbers batches(device);
  batches.count = 5 * accumulate;
  Optimizer optimizer(job.net.parameters(), {.rule = Rule::adamw, .lr = 0.05, .weight_decay = 0.01},
                      compute == DType::fp16 ? LossScale{262144, 2, 0.5, 3} : LossScale{});
  Schedule schedule("cosine", {.lr = 0.05, .total_steps = 20, .steps_per_epoch = 5});
  Losses found;
  TrainHooks hooks;
  hooks.loss = [&](const Batch& batch) { return cross_entropy(job.net(batch["x"]), batch["label"]); };
  hooks.on_log = [&](const StepLog& log) {
    const std::int64_t step = log.step;
    const double loss = log.loss;
    found.losses.push_back(loss);
    found.skipped += optimizer.last_step_skipped();
    found.skipped_late += optimizer.last_step_skipped() && step > 10;
  };
  const TrainOptions options{.epochs = 4,
                             .accumulate = accumulate,
                             .compute = compute,
                             .ema = 0.9,
                             .nan_patience = 100,
                             .epochs_between_evals = 4,
                             .log_every = 1,
                             .capture = capture,
                             .quiet = true};
  Trainer trainer(job.net, optimizer, schedule, batches, *job.run, hooks, options);
  trainer.run();
  for (const Parameter& p : job.net.state()) {
    for (const double v : p.tensor.to_vector<double>()) found.weights.push_back(v);
  }
  trainer.use_average();
  for (const Parameter& p : job.net.state()) {
    for (const double v : p.tensor.to_vector<double>()) found.averages.push_back(v);
  }
  EXPECT_EQ(optimizer.steps(), 20 - found.skipped);
  return found;
}

class StepsInOneLaunch : public testing::TestWithParam<Device> {};

TEST_P(StepsInOneLaunch, GiveTheLossesOfEagerOnes) {
  if (GetParam().is_cuda() && !cuda_available()) GTEST_SKIP() << "no CUDA device";
  const std::pair<std::int64_t, DType> cases[] = {{1, DType::fp32}, {1, DType::fp16}, {2, DType::fp16}};
  for (const auto& [accumulate, compute] : cases) {
    const Losses eager = twenty_steps(GetParam(), compute, accumulate, false);
    EXPECT_EQ(eager.losses.size(), 20u);
    EXPECT_EQ(twenty_steps(GetParam(), compute, accumulate, true), eager)
        << name_of(compute) << ", " << accumulate << " batches a step";
    EXPECT_NE(eager.weights, eager.averages);
    if (compute == DType::fp16) {
      EXPECT_GT(eager.skipped_late, 0) << "the loss scale never overflowed in a replay";
      EXPECT_LT(eager.skipped, 12);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Devices, StepsInOneLaunch, testing::Values(cpu, cuda), [](const auto& device) {
  return std::string(device.param.is_cpu() ? "cpu" : "cuda");
});

// A loss that reads a number back works while steps run eagerly, and not in a recording.
TEST(Trainer, AStepThatCannotBeRecordedGoesOnOpByOp) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  std::vector<double> weights[2];
  std::string warned;
  for (const bool capture : {true, false}) {
    const Folder folder;
    Job job(folder.path);
    job.net.to(cuda);
    DeviceNumbers batches(cuda);
    Optimizer optimizer(job.net.parameters(), {.rule = Rule::adamw, .lr = 0.05});
    TrainHooks hooks;
    hooks.loss = [&](const Batch& batch) {
      const Tensor loss = cross_entropy(job.net(batch["x"]), batch["label"]);
      return mul(loss, loss.item() > 0 ? 1.5 : 1.0);
    };
    hooks.warn = [&](const std::string& line) { warned += line + "\n"; };
    const TrainOptions options{
        .epochs = 2, .compute = DType::bf16, .ema = 0.9, .capture = capture, .quiet = true};
    Trainer(job.net, optimizer, job.schedule, batches, *job.run, hooks, options).run();
    for (const Parameter& p : job.net.state()) {
      for (const double v : p.tensor.to_vector<double>()) weights[capture].push_back(v);
    }
  }
  EXPECT_EQ(weights[true], weights[false]);
  EXPECT_EQ(
      warned,
      "warning: the training step cannot be recorded as a CUDA graph and runs op by op, which is slower: "
      "item: would wait for the GPU inside a captured step; return the tensor and read it afterwards\n");
}

TEST(Trainer, OneBatchIsLearntByHeart) {
  manual_seed(2);
  ResNet net = resnet18({.input_channels = 1, .num_classes = 4, .width = 8});
  Optimizer optimizer(net.parameters(), {.rule = Rule::adam, .lr = 3e-3});
  const Tensor x = rand({8, 1, 32, 32}, 1, 2), labels = tensor({0, 1, 2, 3, 0, 1, 2, 3}, {8}, DType::int64);
  double loss = 1;
  for (int step = 0; step < 60 && !(loss < 1e-2); ++step) {
    optimizer.zero_grad();
    const Tensor value = cross_entropy(net(x), labels);
    value.backward();
    optimizer.step();
    loss = value.item();
  }
  EXPECT_LT(loss, 1e-2);
}

TEST(Trainer, FrozenPartsStayBitForBit) {
  manual_seed(3);
  ResNet net = resnet18({.input_channels = 1, .num_classes = 3, .width = 4});
  net.set_trainable({"fc"});
  std::map<std::string, std::vector<double>> before;
  for (const Parameter& p : net.state()) before[p.name] = p.tensor.to_vector<double>();
  Optimizer optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  net.train();
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    cross_entropy(net(rand({4, 1, 32, 32}, 1, 4)), tensor({0, 1, 2, 0}, {4}, DType::int64)).backward();
    optimizer.step();
  }
  for (const Parameter& p : net.state()) {
    if (p.name.rfind("fc.", 0) == 0) {
      EXPECT_NE(p.tensor.to_vector<double>(), before[p.name]) << p.name;
    } else {
      EXPECT_EQ(p.tensor.to_vector<double>(), before[p.name]) << p.name;
    }
  }
}

}  // namespace
}  // namespace gadolin
