// Training on several processes: the losses of one process to 1e-10, the same bits again, and a run that goes
// on with another number of processes.
#include <cmath>
#include <csignal>
#include <fstream>

#include "io/crc32c.h"
#include "io/text.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/norm.h"
#include "tasks/loader_source.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tests/processes/ranks.h"
#include "tests/scratch.h"
#include "tests/tasks/toy_squares.h"

namespace gadolin {
namespace {

using test::AddScenario;
using test::run_ranks;

struct Told {
  std::int64_t steps, batch, stop;
  std::string folder, kind;  // plain, positives or norm
  Device device = cpu;
  bool recorded = false;
};

// A net in fp64 on squares. With `positives` the loss of its second part is divided by a count that few
// samples have, and that part sees nothing of a batch without any. With `norm` it has a batch norm over all
// processes.
void train(Communicator& c, const Told& told) {
  const bool positives = told.kind == "positives", normed = told.kind == "norm";
  const test::ToySquares set(24);
  manual_seed(3);
  Sequential net(Linear(64, 12), Tanh(), Linear(12, 3));
  Linear second(12, 1);
  BatchNorm2d norm(12);
  net.to(DType::fp64);
  second.to(DType::fp64);
  norm.to(DType::fp64);
  for (Module* part :
       {static_cast<Module*>(&net), static_cast<Module*>(&second), static_cast<Module*>(&norm)})
    part->to(told.device);
  std::vector<Parameter> parameters = net.parameters();
  if (positives)
    for (const Parameter& p : second.parameters()) parameters.push_back({"second." + p.name, p.tensor});
  if (normed)
    for (const Parameter& p : norm.parameters()) parameters.push_back({"norm." + p.name, p.tensor});
  Optimizer optimizer(parameters, {.rule = Rule::adamw, .lr = 0.01, .weight_decay = 0.01, .clip_norm = 1});
  Schedule schedule("cosine", {.lr = 0.01, .total_steps = told.steps, .steps_per_epoch = 5});
  LoaderSource batches(std::make_unique<DataLoader>(set, Pipeline("grey,resize:8x8"),
                                                    LoaderOptions{.batch_size = told.batch,
                                                                  .shuffle = true,
                                                                  .drop_last = true,
                                                                  .workers = 0,
                                                                  .seed = 4,
                                                                  .device = told.device,
                                                                  .rank = c.rank(),
                                                                  .ranks = c.size()}));
  RunDir run(told.folder, RunDir::Open::automatic, c);
  TrainOptions options{.epochs = endless_epochs,
                       .max_steps = told.steps,
                       .eval_every = told.steps,
                       .log_every = 1,
                       .capture = told.recorded,
                       .quiet = true};
  options.reduction.bucket_bytes = 1000;
  options.sync_batch_norm = normed;
  std::ofstream losses(c.first() ? told.folder + "/losses.txt" : "/dev/null", std::ios::app);
  TrainHooks hooks;
  std::int64_t step = 0;
  hooks.loss = [&](const Batch& batch) -> LossParts {
    if (++step == told.stop && c.rank() == c.size() - 1) std::raise(SIGTERM);
    const Tensor x = batch["image"].to(DType::fp64).reshape({batch.size(), 64});
    const Tensor hidden = tanh(normed ? norm(net[0](x)) : net[0](x)), logits = net[2](hidden);
    if (!positives) return cross_entropy(logits, batch["label"]);
    // Of few samples, often of one rank's alone.
    const Tensor positive = (x.select(1, 9) > 0.5).to(DType::fp64), count = sum(positive);
    Tensor total = sum(mul(mean(mul(logits, logits), {1}), 1.0));
    if (count.item() > 0)
      total = add(total, sum(mul(positive, pow(add(second(hidden).reshape({batch.size()}), -1.0), 2.0))));
    return {div(total, count.item() > 0 ? count.item() : 1.0), {}, count};
  };
  hooks.on_log = [&](const StepLog& log) { losses << log.step << " " << exact_text(log.loss) << std::endl; };
  Trainer trainer(net, optimizer, schedule, batches, run, hooks, options, c);
  if (run.resumed()) trainer.restore(CheckpointStore(run.checkpoints(), 3).newest()->checkpoint);
  try {
    trainer.run();
  } catch (const Stopped&) {
  }
  // The function is called for three steps, and once more to be recorded.
  if (told.recorded) {
    EXPECT_EQ(step == 4, c.detour(told.device).empty() && !(normed && !c.alone())) << step << " calls";
  }
}

const AddScenario trains("trains", [](Processes& c, const std::vector<std::string>& a) {
  Told told{std::stoll(a[1]), std::stoll(a[2]), std::stoll(a[3]), a[0], a[4]};
  if (a[5] != "cpu") {
    told.device = {Device::Kind::cuda, c.rank_on_this_machine() % cuda_device_count()};
    c.use(told.device);
    told.recorded = a[5] == "recorded";
  }
  train(c, told);
});

std::string losses_of(int size, const std::string& folder, std::int64_t steps, std::int64_t batch,
                      std::int64_t stop = 0, const std::string& kind = "plain",
                      const std::string& how = "cpu", const std::vector<std::string>& environment = {}) {
  if (size == 1) {
    train(no_communicator(),
          {steps, batch, stop, folder, kind, how == "cpu" ? cpu : cuda, how == "recorded"});
  } else {
    const auto run = run_ranks(
        size, "trains",
        {folder, std::to_string(steps), std::to_string(batch), std::to_string(stop), kind, how}, environment);
    EXPECT_EQ(run.code, 0) << run.text;
  }
  std::ifstream file(folder + "/losses.txt");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Each step once, and each loss within 1e-10 of it.
void expect_same(const std::string& got, const std::string& want, std::int64_t steps,
                 const std::string& what) {
  std::istringstream a(got), b(want);
  std::int64_t step = 0, other = 0, count = 0;
  for (double x = 0, y = 0; b >> other >> y; ++count) {
    ASSERT_TRUE(a >> step >> x) << what << ", step " << other;
    EXPECT_EQ(step, other) << what;
    EXPECT_LE(std::abs(x - y), 1e-10 * std::abs(y)) << what << ", step " << step;
  }
  EXPECT_EQ(count, steps);
  EXPECT_FALSE(a >> step) << what << " has more";
}

TEST(TrainingProcesses, GiveTheLossesOfOneTo1e10AndTheSameBitsAgain) {
  NEEDS_MPI();
  const test::Scratch dir;
  const std::string one = losses_of(1, dir / "1", 100, 6);
  for (const int size : {2, 3, 4}) {  // 4 does not divide 6
    const std::string got = losses_of(size, dir / std::to_string(size), 100, 6);
    expect_same(got, one, 100, cat(size, " processes"));
    if (size < 4) continue;
    EXPECT_EQ(losses_of(size, dir / "again", 100, 6), got) << "bit for bit";
  }
}

// Complaint H4: 24 samples, stopped after 5 of 6 steps, 4 processes, then 2, 1 and 3.
TEST(TrainingProcesses, H4GoOnWithAnotherNumberInTheMiddleOfAnEpoch) {
  NEEDS_MPI();
  const test::Scratch dir;
  const std::string one = losses_of(1, dir / "one", 20, 4);
  losses_of(4, dir / "run", 20, 4, 5);
  losses_of(2, dir / "run", 20, 4, 5);
  losses_of(1, dir / "run", 20, 4, 4);
  expect_same(losses_of(3, dir / "run", 20, 4), one, 20, "4, 2, 1 and 3 processes");
}

TEST(TrainingProcesses, BatchNormOverAllIsThatOfOne) {
  NEEDS_MPI();
  const test::Scratch dir;
  const std::string one = losses_of(1, dir / "1", 50, 6, 0, "norm");
  for (const int size : {2, 4})
    expect_same(losses_of(size, dir / std::to_string(size), 50, 6, 0, "norm"), one, 50,
                cat(size, " processes"));
}

// --- on GPUs
// ------------------------------------------------------------------------------------------------

// Recorded steps after three eager ones of each shape, and eager ones throughout.
TEST(TrainingOnDevices, GivesTheLossesOfOneTo1e10AndTheSameBitsAgain) {
  NEEDS_DEVICES(2);
  const test::Scratch dir;
  const std::int64_t steps = 8;
  const std::string one = losses_of(1, dir / "1", steps, 4);
  for (const int size : {1, 2, 4})
    for (const std::string how : {"recorded", "eager"}) {
      if ((size != 2 && how == "eager") || size > cuda_device_count()) continue;
      const std::string what = cat(size, " processes ", how);
      const std::string got = losses_of(size, dir / what, steps, 4, 0, "plain", how);
      expect_same(got, one, steps, what);
      if (size == 2) {
        EXPECT_EQ(losses_of(size, dir / (what + " again"), steps, 4, 0, "plain", how), got) << "bit for bit";
      }
    }
}

TEST(TrainingOnDevices, ThroughTheHostGivesTheSame) {
  NEEDS_DEVICES(2);
  const test::Scratch dir;
  const std::string one = losses_of(1, dir / "1", 5, 4);
  expect_same(losses_of(2, dir / "2", 5, 4, 0, "plain", "recorded", {"GADOLIN_NCCL=0"}), one, 5,
              "2 processes");
}

TEST(TrainingOnDevices, BatchNormOverAllIsThatOfOne) {
  NEEDS_DEVICES(2);
  const test::Scratch dir;
  const std::string one = losses_of(1, dir / "1", 6, 4, 0, "norm");
  expect_same(losses_of(2, dir / "2", 6, 4, 0, "norm", "recorded"), one, 6, "2 processes");
}

// Complaints H5 and H6: positives of some ranks alone, none in some batches, and parts without a gradient.
TEST(TrainingProcesses, H5CountsPositivesOverAllRanks) {
  NEEDS_MPI();
  const test::Scratch dir;
  const std::string one = losses_of(1, dir / "1", 30, 4, 0, "positives");
  for (const int size : {2, 4})
    expect_same(losses_of(size, dir / std::to_string(size), 30, 4, 0, "positives"), one, 30,
                cat(size, " processes"));
}

std::string statistics_of(const Module& net) {
  std::string hashes;
  for (const Parameter& p : net.buffers())
    hashes += cat(p.name, " ", crc32c(p.tensor.raw(), static_cast<std::size_t>(p.tensor.nbytes())), "\n");
  return hashes;
}

// With a checkpoint after every step: before the next one and in evaluations all have the same statistics.
const AddScenario shares_statistics("shares statistics", [](Processes& c, const std::vector<std::string>& a) {
  const test::ToySquares set(24);
  manual_seed(3);
  Sequential net(Linear(64, 12), BatchNorm2d(12), ReLU(), Linear(12, 3));
  Optimizer optimizer(net.parameters(), {.rule = Rule::sgd, .lr = 0.01});
  Schedule schedule("constant", {.lr = 0.01, .total_steps = 8, .steps_per_epoch = 4});
  LoaderSource batches(std::make_unique<DataLoader>(
      set, Pipeline("grey,resize:8x8"),
      LoaderOptions{.batch_size = 6, .shuffle = true, .workers = 0, .rank = c.rank(), .ranks = c.size()}));
  RunDir run(a[0], RunDir::Open::automatic, c);
  TrainHooks hooks;
  int looked = 0, differed = 0;
  const auto all_same = [&] {
    require_same(c, "statistics", statistics_of(net), "share them");
    ++looked;
  };
  hooks.loss = [&](const Batch& batch) -> LossParts {
    if (looked > 0 || differed > 0) all_same();
    const Tensor logits = net(batch["image"].reshape({batch.size(), 64}));
    const std::vector<std::string> all = c.gather(statistics_of(net));
    for (const std::string& other : all) differed += other != all[0];
    if (!c.first()) ++differed;
    return cross_entropy(logits, batch["label"]);
  };
  hooks.evaluate = [&]() -> MetricList {
    all_same();
    return {{"val_loss", 1}};
  };
  Trainer trainer(net, optimizer, schedule, batches, run, hooks,
                  {.epochs = 2, .save_every = 1, .capture = false, .quiet = true}, c);
  trainer.run();
  all_same();
  EXPECT_EQ(looked, 10) << "before 7 steps, in 2 evaluations and at the end";
  EXPECT_GE(differed, 8) << "within a step each has its own";
});

// Complaint H7.
TEST(TrainingProcesses, H7StatisticsAreTheSameBeforeEachEvaluationAndSave) {
  NEEDS_MPI();
  const test::Scratch dir;
  const auto run = run_ranks(2, "shares statistics", {dir / "run"});
  EXPECT_EQ(run.code, 0) << run.text;
}

// Complaint H2: ends for any count, also with fewer samples than ranks.
TEST(TrainingProcesses, H2FewerSamplesThanRanks) {
  NEEDS_MPI();
  const test::Scratch dir;
  expect_same(losses_of(4, dir / "4", 6, 1), losses_of(1, dir / "1", 6, 1), 6, "batches of one sample");
}

}  // namespace
}  // namespace gadolin
