// Messages of train/ that no other test quotes whole, word for word. tests/layering/messages.cpp finds those
// without a test.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "layers/loss.h"
#include "nets/resnet.h"
#include "tensor/check.h"
#include "tests/data/messages.h"
#include "train/checkpoint.h"
#include "train/checkpoint_store.h"
#include "train/memory.h"
#include "train/run_dir.h"
#include "train/schedule.h"
#include "train/trainer.h"
#include "train/weight_average.h"

namespace gadolin {
namespace {

using test::message_of;
using test::said;

TEST(TrainMessages, Checkpoints) {
  const test::Scratch dir;
  const std::string path = dir / "a.gdck";
  Checkpoint checkpoint;
  checkpoint.tensors["w"] = ones({3});
  save_checkpoint(path, checkpoint);
  std::filesystem::resize_file(path, 20);
  EXPECT_EQ(said<CheckpointError>(dir, [&] { load_checkpoint(path); }),
            "checkpoint: DIR/a.gdck is damaged: it ends after 20 bytes; resume from another file, or with "
            "--resume auto");
  dir.write("b.gdck", "PK something else");
  EXPECT_EQ(said<CheckpointError>(dir, [&] { load_checkpoint(dir / "b.gdck"); }),
            "checkpoint: DIR/b.gdck is not a Gadolin checkpoint; import other formats with gadolin import");
  save_checkpoint(path, checkpoint);
  std::string bytes = read_file(path, 1 << 20);
  bytes[8] = 7;
  dir.write("c.gdck", bytes);
  EXPECT_EQ(said<CheckpointError>(dir, [&] { load_checkpoint(dir / "c.gdck"); }),
            "checkpoint: DIR/c.gdck has format 7, this program reads up to 1; update Gadolin");
  checkpoint.tensors["nothing"] = Tensor();
  EXPECT_EQ(message_of<ValueError>([&] { save_checkpoint(path, checkpoint); }),
            "save_checkpoint: 'nothing' is undefined");
  Checkpoint wordy;
  wordy.facts["long"] = std::string(std::size_t{65} << 20, 'x');
  EXPECT_EQ(said<CheckpointError>(dir, [&] { save_checkpoint(path, wordy); }),
            "checkpoint: DIR/a.gdck: a header of 65.0 MiB, the limit is 64.0 MiB");
}

TEST(TrainMessages, CheckpointStores) {
  const test::Scratch dir;
  EXPECT_EQ(message_of<ValueError>([&] { CheckpointStore(dir / "none", 0); }),
            "checkpoints: keep 0; at least 1");
  std::filesystem::create_directories(dir / "store");
  dir.write("store/step-3.gdck", "damaged");
  const CheckpointStore store(dir / "store", 2);
  EXPECT_EQ(said<CheckpointError>(dir, [&] { store.newest(); }),
            "checkpoints: none of 1 in DIR/store is usable (checkpoint: DIR/store/step-3.gdck is not a "
            "Gadolin checkpoint); "
            "start again without --resume");
}

TEST(TrainMessages, Logs) {
  const test::Scratch dir;
  const std::string path = dir / "metrics.csv";
  EXPECT_EQ(said<ValueError>(dir, [&] { CsvLog(path, {"step"}, -1); }),
            "metrics: DIR/metrics.csv: 1 columns; a step and a value at least");
  EXPECT_EQ(said<ValueError>(dir,
                             [&] {
                               CsvLog(path, {"step", "a,b"}, -1);
                             }),
            "metrics: column name 'a,b' holds a comma, a quote or a line break");
  CsvLog log(path, {"step", "loss"}, -1);
  EXPECT_EQ(said<ValueError>(dir,
                             [&] {
                               log.row(1, {2, 3});
                             }),
            "metrics: DIR/metrics.csv: 2 values for 1 columns");
}

TEST(TrainMessages, RunFolders) {
  const test::Scratch dir;
  std::filesystem::create_directories(dir / "run");
  dir.write("run/lock", "someone\n");
  const int held = ::open((dir / "run/lock").c_str(), O_RDWR);
  ASSERT_EQ(::flock(held, LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(said<FileError>(dir, [&] { RunDir(dir / "run", RunDir::Open::automatic); }),
            "run: DIR/run is being written by another process (someone); wait for it, stop it, or choose "
            "another --out");
  ::close(held);
}

TEST(TrainMessages, Schedules) {
  EXPECT_EQ(message_of<UsageError>([] { Schedule("constant", {.lr = 0.1, .total_steps = 0}); }),
            "schedule: 0 steps, 1 an epoch, 0 of warm-up from a factor of 0.01; at least one step, no "
            "negative warm-up, a factor between 0 and 1");
  EXPECT_EQ(
      message_of<UsageError>(
          [] { Schedule("one-cycle", {.lr = 0.1, .total_steps = 10, .warmup_steps = 2}); }),
      "schedule: 'one-cycle' has its own warm-up, but 2 steps of another were asked for; drop one of them");
  EXPECT_EQ(message_of<FormatError>([] { Schedule("plateau", {.total_steps = 10}).set_state("1 x 2"); }),
            "schedule: state '1 x 2' is not one of plateau");
}

struct NoBatches : BatchSource {
  std::int64_t batches_per_epoch() const override { return 2; }
  std::int64_t batch_size() const override { return 1; }
  void seek(std::int64_t, std::int64_t) override {}
  Batch next() override { return {}; }
  double seconds_waited() const override { return 0; }
};

TEST(TrainMessages, OptionsOfTheLoop) {
  TrainOptions options;
  options.epochs = 0;
  EXPECT_EQ(message_of<UsageError>([&] { Trainer::check(options, NoBatches()); }),
            "train: epochs and accumulation must be positive");
  options = {.accumulate = 3};
  EXPECT_EQ(message_of<DataError>([&] { Trainer::check(options, NoBatches()); }),
            "train: an epoch has 2 batches, but 3 are needed for a step; use a smaller batch");
  options = {.eval_every = -1};
  EXPECT_EQ(message_of<UsageError>([&] { Trainer::check(options, NoBatches()); }),
            "train: evaluations every -1 steps or 1 epochs are not possible; steps from 0, epochs from 1");
  options = {.epochs_between_evals = 0};
  EXPECT_EQ(message_of<UsageError>([&] { Trainer::check(options, NoBatches()); }),
            "train: evaluations every 0 steps or 0 epochs are not possible; steps from 0, epochs from 1");
  EXPECT_EQ(message_of<ValueError>([] { WeightAverage({}, 1.5); }), "ema: decay 1.5 is outside [0, 1)");
  ResNet net(18, {.num_classes = 2, .width = 2});
  EXPECT_EQ(message_of<ShapeError>([&] {
              training_memory(
                  net, [&](const Tensor& x, const Tensor& y) { return cross_entropy(net(x), y); },
                  {3, 32, 32}, {}, DType::fp32);
            }),
            "training memory: input [3, 32, 32] is not [N, C, H, W]");
}

}  // namespace
}  // namespace gadolin
