// The training loop: resuming at every step, precision, signals, NaN, the run's files.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/norm.h"
#include "nets/resnet.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

struct Folder {
  test::Scratch scratch;
  std::string path = scratch.path();
};

// Batches as a function of (epoch, batch), like a loader's.
class Numbers : public BatchSource {
 public:
  std::int64_t count = 6, epoch = 0, batch = 0;
  std::function<void(std::int64_t, std::int64_t)> watch;
  std::int64_t batches_per_epoch() const override { return count; }
  std::int64_t batch_size() const override { return 8; }
  void seek(std::int64_t e, std::int64_t b) override {
    epoch = e;
    batch = b;
  }
  std::vector<Tensor> next() override {
    if (watch) watch(epoch, batch);
    const std::uint64_t stream = stream_id(1, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch++));
    const Tensor x = rand({8, 5}, 3, stream);
    Tensor labels = empty({8}, DType::int64);
    for (std::int64_t n = 0; n < 8; ++n) labels.data<std::int64_t>()[n] = x.data<float>()[n * 5] > x.data<float>()[n * 5 + 1];
    return {x, labels};
  }
  double seconds_waited() const override { return 0; }
};

struct Job {
  Sequential net;
  Optimizer optimizer;
  Schedule schedule{"cosine", {.lr = 0.05, .total_steps = 9, .steps_per_epoch = 3}};
  Numbers batches;
  TrainOptions options{.epochs = 3, .accumulate = 2, .ema = 0.9, .save_every = 1, .keep = 20, .monitor = "val_loss", .maximize = false, .quiet = true};
  std::optional<RunDir> run;
  std::optional<Trainer> trainer;

  static Sequential make() {
    manual_seed(11);
    return Sequential(Linear(5, 16), BatchNorm2d(16), ReLU(), Dropout(0.3), Linear(16, 2));
  }
  explicit Job(const std::string& folder, RunDir::Open how = RunDir::Open::automatic)
      : net(make()), optimizer(net.parameters(), {.rule = Rule::adamw, .lr = 0.05, .weight_decay = 0.01}) {
    run.emplace(folder, how);
  }
  Trainer& make_trainer() {
    TrainHooks hooks;
    hooks.loss = [this](const std::vector<Tensor>& batch) { return cross_entropy(net(batch[0]), batch[1]); };
    hooks.evaluate = [this] {
      const Tensor x = rand({32, 5}, 5, 6);
      return MetricList{{"val_loss", mean(gadolin::abs(net(x))).item()}};
    };
    trainer.emplace(net, optimizer, schedule, batches, *run, hooks, options);
    return *trainer;
  }
};

std::map<std::string, std::vector<double>> contents(const std::string& path) {
  std::map<std::string, std::vector<double>> all;
  for (const auto& [name, tensor] : load_checkpoint(path).tensors) all[name] = tensor.to_vector<double>();
  return all;
}
std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}
// metrics.csv without the columns that depend on the clock.
std::string metrics_without_rates(const std::string& folder) {
  std::string kept;
  std::istringstream lines(text_of(folder + "/metrics.csv"));
  for (std::string line; std::getline(lines, line);) {
    for (int cut = 0; cut < 2; ++cut) line.resize(line.rfind(','));
    kept += line + "\n";
  }
  return kept;
}

TEST(Trainer, ResumesAtEveryStepBitForBit) {
  const Folder whole;
  Job(whole.path).make_trainer().run();
  const auto wanted = contents(whole.path + "/checkpoints/last.gdck");
  EXPECT_EQ(load_checkpoint_facts(whole.path + "/checkpoints/last.gdck").at("step"), "9");
  for (std::int64_t stop = 0; stop <= 8; ++stop) {
    const Folder part;
    fs::copy(whole.path, part.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    const std::string from = part.path + "/checkpoints/step-" + std::to_string(stop) + ".gdck";
    ASSERT_TRUE(fs::exists(from)) << from;
    Job job(part.path, RunDir::Open::resume);
    manual_seed(999);  // the checkpoint brings its own
    job.make_trainer().restore(load_checkpoint(from));
    job.trainer->run();
    EXPECT_EQ(contents(part.path + "/checkpoints/last.gdck"), wanted) << "resumed at step " << stop;
    EXPECT_EQ(metrics_without_rates(part.path), metrics_without_rates(whole.path)) << "resumed at step " << stop;
  }
}

TEST(Trainer, ASignalSavesAndStops) {
  const Folder folder, whole;
  Job(whole.path).make_trainer().run();
  {
    Job job(folder.path);
    job.options.save_every = 0;
    job.batches.watch = [](std::int64_t epoch, std::int64_t batch) {
      if (epoch == 1 && batch == 3) std::raise(SIGTERM);
    };
    try {
      job.make_trainer().run();
      FAIL() << "the signal was not noticed";
    } catch (const Stopped& stopped) {
      EXPECT_STREQ(stopped.what(), "train: stopped by SIGTERM at step 5 of 9; continue with --resume auto");
      EXPECT_EQ(static_cast<int>(stopped.exit_code()), 75);
    }
  }
  Job job(folder.path, RunDir::Open::resume);
  job.make_trainer().restore(CheckpointStore(job.run->checkpoints()).newest()->checkpoint);
  job.trainer->run();
  EXPECT_EQ(contents(folder.path + "/checkpoints/last.gdck"), contents(whole.path + "/checkpoints/last.gdck"));
}

// Stopped behind the last step of an epoch or of the run, but before its row: the row is still to be written, once.
TEST(Trainer, AStopBeforeTheRowLosesNoRow) {
  for (const std::int64_t max_steps : {0, 5, 6}) {
    for (const std::int64_t last_batch : {3, 5}) {  // of epoch 2: steps 5 and 6
      const Folder folder, whole;
      const auto begin = [&](Job& job) -> Trainer& {
        job.options.max_steps = max_steps;
        return job.make_trainer();
      };
      Job undisturbed(whole.path);
      begin(undisturbed).run();
      {
        Job job(folder.path);
        job.batches.watch = [&](std::int64_t epoch, std::int64_t batch) {
          if (epoch == 1 && batch == last_batch) std::raise(SIGTERM);
        };
        if (max_steps == 5 && last_batch == 5) continue;  // it has ended by then
        EXPECT_THROW(begin(job).run(), Stopped);
      }
      const std::string stopped = text_of(folder.path + "/checkpoints/last.gdck");
      for (int again = 0; again < 2; ++again) {
        // The second time as if the first had been killed between its row and its checkpoint.
        if (again == 1) {
          for (const auto& entry : fs::directory_iterator(folder.path + "/checkpoints")) fs::remove(entry.path());
          std::ofstream(folder.path + "/checkpoints/last.gdck", std::ios::binary) << stopped;
        }
        Job job(folder.path, RunDir::Open::resume);
        begin(job).restore(CheckpointStore(job.run->checkpoints()).newest()->checkpoint);
        job.trainer->run();
        const std::string what = cat("at most ", max_steps, " steps, stopped in batch ", last_batch, ", resumed ", again + 1, " times");
        EXPECT_EQ(metrics_without_rates(folder.path), metrics_without_rates(whole.path)) << what;
        EXPECT_EQ(contents(folder.path + "/checkpoints/last.gdck"), contents(whole.path + "/checkpoints/last.gdck")) << what;
      }
    }
  }
}

TEST(Trainer, ANanLossEndsTheRunWithTheStep) {
  const Folder folder;
  Job job(folder.path);
  job.batches.watch = [&](std::int64_t, std::int64_t batch) {
    if (batch != 2) return;
    const NoGrad guard;
    Tensor w = job.net.parameters().back().tensor;
    w.fill_(std::nan(""));
  };
  try {
    job.make_trainer().run();
    FAIL() << "NaN went unnoticed";
  } catch (const NumericError& error) {
    EXPECT_STREQ(error.what(), "train: the loss is nan at step 4, 3 steps in a row; the first weight that is not finite is 0.weight; use a "
                               "smaller --lr, --clip-norm 1, or --detect-anomaly to find the op");
    EXPECT_EQ(static_cast<int>(error.exit_code()), 5);
  }
}

TEST(Trainer, AnotherScheduleIsRefused) {
  const Folder folder;
  Job(folder.path).make_trainer().run();
  Job job(folder.path, RunDir::Open::resume);
  job.schedule = Schedule("constant");
  try {
    job.make_trainer().restore(load_checkpoint(folder.path + "/checkpoints/last.gdck"));
    FAIL();
  } catch (const CheckpointError& error) {
    EXPECT_STREQ(error.what(), "resume: the checkpoint was made with schedule cosine, now it is constant; start anew with --init-from");
  }
}

TEST(Trainer, StopsAtTheThreshold) {
  const Folder folder;
  Job job(folder.path);
  job.options.stop_threshold = 100;  // any loss is below
  const TrainResult result = job.make_trainer().run();
  EXPECT_EQ(result.epochs, 1);
}

std::vector<std::string> steps_and_epochs(const std::string& folder) {
  std::vector<std::string> rows;
  std::istringstream lines(text_of(folder + "/metrics.csv"));
  for (std::string line; std::getline(lines, line);) rows.push_back(line.substr(0, line.find(',', line.find(',') + 1)));
  return rows;
}

// Three steps an epoch; rows at other places than the ends of epochs.
TEST(Trainer, EvaluatesEverySoManySteps) {
  const auto every_two = [](Job& job) -> Trainer& {
    job.options.eval_every = 2;
    return job.make_trainer();
  };
  const Folder whole, usual;
  Job job(whole.path);
  const TrainResult result = every_two(job).run();
  EXPECT_EQ(steps_and_epochs(whole.path), (std::vector<std::string>{"step,epoch", "2,1", "4,2", "6,2", "8,3", "9,3"}));
  EXPECT_EQ(result.steps, 9);
  EXPECT_EQ(result.epochs, 3);
  Job(usual.path).make_trainer().run();
  const auto weights = [](const std::string& folder) {
    auto all = contents(folder + "/checkpoints/last.gdck");
    for (auto at = all.begin(); at != all.end();) at = at->first.rfind("model.", 0) == 0 ? std::next(at) : all.erase(at);
    return all;
  };
  EXPECT_EQ(weights(whole.path), weights(usual.path)) << "looking changed the numbers";
  const auto wanted = contents(whole.path + "/checkpoints/last.gdck");
  for (std::int64_t stop = 0; stop <= 8; ++stop) {
    const Folder part;
    fs::copy(whole.path, part.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    Job again(part.path, RunDir::Open::resume);
    every_two(again).restore(load_checkpoint(part.path + "/checkpoints/step-" + std::to_string(stop) + ".gdck"));
    again.trainer->run();
    EXPECT_EQ(contents(part.path + "/checkpoints/last.gdck"), wanted) << "resumed at step " << stop;
    EXPECT_EQ(metrics_without_rates(part.path), metrics_without_rates(whole.path)) << "resumed at step " << stop;
  }
}

// Cycles of a few steps each, as a script drives them: the data go on where they stood.
TEST(Trainer, ARunThatIsMadeLongerGoesOnInTheMiddleOfAnEpoch) {
  const Folder cycles, whole;
  for (const std::int64_t steps : {2, 4, 9}) {
    Job job(cycles.path);
    job.options.max_steps = steps;
    job.make_trainer();
    if (steps > 2) job.trainer->restore(load_checkpoint(cycles.path + "/checkpoints/last.gdck"));
    EXPECT_EQ(job.trainer->run().steps, steps);
  }
  Job(whole.path).make_trainer().run();
  EXPECT_EQ(steps_and_epochs(cycles.path), (std::vector<std::string>{"step,epoch", "2,1", "3,1", "4,2", "6,2", "9,3"}));
  auto got = contents(cycles.path + "/checkpoints/last.gdck"), want = contents(whole.path + "/checkpoints/last.gdck");
  for (auto* all : {&got, &want}) all->erase("trainer.loss_sum");
  EXPECT_EQ(got, want);
}

TEST(Trainer, EvaluatesAfterSoManyEpochsAndAtTheEnd) {
  const Folder folder;
  Job job(folder.path);
  job.options.epochs_between_evals = 2;
  job.options.save_every = 0;
  job.make_trainer().run();
  EXPECT_EQ(steps_and_epochs(folder.path), (std::vector<std::string>{"step,epoch", "6,2", "9,3"}));
}

TEST(Trainer, SavesByTheClockAndTellsOfSteps) {
  const Folder folder;
  Job job(folder.path);
  job.options.save_every = 0;
  job.options.save_seconds = 1e-9;
  job.options.log_every = 3;
  job.make_trainer();
  std::vector<std::int64_t> told;
  TrainHooks hooks;
  hooks.loss = [&](const std::vector<Tensor>& batch) { return cross_entropy(job.net(batch[0]), batch[1]); };
  hooks.on_log = [&](std::int64_t step, double loss, double lr, double seconds) {
    told.push_back(step);
    EXPECT_GT(loss, 0);
    EXPECT_GT(lr, 0);
    EXPECT_GT(seconds, 0);
    EXPECT_LT(seconds, 60);
  };
  Trainer(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options).run();
  EXPECT_EQ(told, (std::vector<std::int64_t>{3, 6, 9}));
  for (int step = 0; step <= 9; ++step) EXPECT_TRUE(fs::exists(folder.path + "/checkpoints/step-" + std::to_string(step) + ".gdck")) << step;
}

TEST(Trainer, HalfPrecisionLearns) {
  for (const DType dtype : {DType::bf16, DType::fp16}) {
    const Folder folder;
    Job job(folder.path);
    job.options = {.epochs = 12, .compute = dtype, .quiet = true};
    job.schedule = Schedule("constant", {.lr = 0.05, .steps_per_epoch = 6});
    Optimizer scaled(job.net.parameters(), {.rule = Rule::adam, .lr = 0.05}, dtype == DType::fp16 ? dynamic_loss_scale : LossScale{});
    TrainHooks hooks;
    hooks.loss = [&](const std::vector<Tensor>& batch) { return cross_entropy(job.net(batch[0]), batch[1]); };
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
  hooks.loss = [&](const std::vector<Tensor>& batch) { return mul(cross_entropy(job.net(batch[0]), batch[1]), 1e10); };
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
    job.options = {.epochs = 1, .accumulate = 3, .compute = DType::fp16, .nan_patience = 100, .capture = capture, .quiet = true};
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
    hooks.loss = [&](const std::vector<Tensor>& batch) { return mul(cross_entropy(job.net(batch[0]), batch[1]), 1e10); };
    Trainer(job.net, scaled, job.schedule, job.batches, *job.run, hooks, job.options).run();
    EXPECT_TRUE(scaled.last_step_skipped());
    EXPECT_EQ(floats(), before) << "captured: " << capture;
  }
}

// --- steps in one launch ---------------------------------------------------------------------------------------------

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

// Twenty steps with a schedule, dropout, batch norm, AdamW and a moving average; the fifth batch of each epoch is short.
Losses twenty_steps(Device device, DType compute, std::int64_t accumulate, bool capture) {
  const Folder folder;
  Job job(folder.path);
  job.net.to(device);
  struct OnDevice : Numbers {
    Device device;
    std::vector<Tensor> next() override {
      std::vector<Tensor> tensors = Numbers::next();
      const std::int64_t rows = batch % 5 == 0 ? 3 : 8;
      for (Tensor& t : tensors) t = t.slice(0, 0, rows).to(device);
      return tensors;
    }
  } batches;
  batches.device = device;
  batches.count = 5 * accumulate;
  Optimizer optimizer(job.net.parameters(), {.rule = Rule::adamw, .lr = 0.05, .weight_decay = 0.01},
                      compute == DType::fp16 ? LossScale{262144, 2, 0.5, 3} : LossScale{});
  Schedule schedule("cosine", {.lr = 0.05, .total_steps = 20, .steps_per_epoch = 5});
  Losses found;
  TrainHooks hooks;
  hooks.loss = [&](const std::vector<Tensor>& batch) { return cross_entropy(job.net(batch[0]), batch[1]); };
  hooks.on_log = [&](std::int64_t step, double loss, double, double) {
    found.losses.push_back(loss);
    found.skipped += optimizer.last_step_skipped();
    found.skipped_late += optimizer.last_step_skipped() && step > 10;
  };
  const TrainOptions options{.epochs = 4, .accumulate = accumulate, .compute = compute, .ema = 0.9, .nan_patience = 100,
                             .epochs_between_evals = 4, .log_every = 1, .capture = capture, .quiet = true};
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
    EXPECT_EQ(twenty_steps(GetParam(), compute, accumulate, true), eager) << name_of(compute) << ", " << accumulate << " batches a step";
    EXPECT_NE(eager.weights, eager.averages);
    if (compute == DType::fp16) {
      EXPECT_GT(eager.skipped_late, 0) << "the loss scale never overflowed in a replay";
      EXPECT_LT(eager.skipped, 12);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Devices, StepsInOneLaunch, testing::Values(cpu, cuda),
                         [](const auto& device) { return std::string(device.param.is_cpu() ? "cpu" : "cuda"); });

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
