// Early stopping against a plain reference, in the loop, and across a resume at every step.
#include "train/early_stop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <optional>

#include "tests/train/trainer_job.h"

namespace gadolin {
namespace {

using test::Folder;
using test::Job;
using test::message_of;
namespace fs = std::filesystem;

// The row after which a run ends, counted from 1; 0 if it does not. Looks at all rows anew each time.
std::size_t plain_end(const std::vector<double>& values, std::int64_t patience, double min_delta,
                      bool maximize) {
  for (std::size_t end = 1; end <= values.size(); ++end) {
    std::optional<double> best;
    std::size_t best_row = 0;
    for (std::size_t row = 1; row <= end; ++row) {
      const double v = values[row - 1];
      if (std::isnan(v)) continue;
      const bool better =
          !best || (maximize ? v > *best && v - *best >= min_delta : v < *best && *best - v >= min_delta);
      if (!better) continue;
      best = v;
      best_row = row;
    }
    if (patience > 0 && static_cast<std::int64_t>(end - best_row) >= patience) return end;
  }
  return 0;
}

TEST(EarlyStop, EndsWhereThePlainReferenceDoes) {
  RandomStream random(3, 4);
  int ended = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> values;
    double level = 0;
    for (int i = 0; i < 30; ++i) {
      level += 0.125 * (static_cast<double>(random.below(5)) - 1.8);
      const bool quantised = trial % 2 == 0;
      values.push_back(random.chance(0.1f) ? NAN : quantised ? std::round(8 * level) / 8 : level);
    }
    const auto patience = static_cast<std::int64_t>(random.below(6));
    const double min_delta = 0.125 * static_cast<double>(random.below(4));
    const bool maximize = random.chance(0.5f);
    EarlyStop stop(patience, min_delta, maximize);
    std::size_t end = 0;
    for (std::size_t i = 0; i < values.size() && end == 0; ++i) {
      stop.observe(values[i]);
      EarlyStop again(patience, min_delta, maximize);  // as a resumed run has it
      again.set_state(stop.state());
      EXPECT_EQ(again.state(), stop.state());
      stop = again;
      if (stop.due()) end = i + 1;
    }
    ASSERT_EQ(end, plain_end(values, patience, min_delta, maximize)) << "trial " << trial;
    ended += end > 0;
  }
  EXPECT_GT(ended, 500);
  EXPECT_LT(ended, 1900);
}

TEST(EarlyStop, SmallGainsAddUp) {
  EarlyStop stop(3, 0.5, true);
  for (const double value : {1.0, 1.3, 1.5, 1.8, 2.0}) {  // + 0.5, then + 0.5 since
    stop.observe(value);
    EXPECT_FALSE(stop.due());
  }
  for (const double value : {2.1, 2.2, 2.3}) stop.observe(value);
  EXPECT_TRUE(stop.due());
  EXPECT_EQ(stop.reason(), "no improvement by 0.5 in 3 rows");
  EarlyStop plain(1, 0, false);
  plain.observe(1);
  plain.observe(1);
  EXPECT_TRUE(plain.due()) << "equal is not better";
  EXPECT_EQ(plain.reason(), "no improvement in 1 row");
}

TEST(EarlyStop, Messages) {
  EXPECT_EQ(message_of<UsageError>([] { EarlyStop(-1, 0, true); }),
            "early stop: a patience of -1 rows is not possible; use 0 for none");
  EXPECT_EQ(message_of<UsageError>([] { EarlyStop(1, -0.5, true); }),
            "early stop: an improvement of at least -0.5 is not possible; use 0 or more");
  EXPECT_EQ(message_of<UsageError>([] { EarlyStop(1, NAN, true); }),
            "early stop: an improvement of at least nan is not possible; use 0 or more");
  EarlyStop stop;
  for (const char* text : {"", "1 1", "-1 0 0", "1 1 0.5 more"}) {
    EXPECT_EQ(message_of<CheckpointError>([&] { stop.set_state(text); }),
              cat("early stop: the checkpoint's state '", text, "' is damaged"));
  }
}

// Six rows of three steps; the metric falls in the first two.
Trainer& prepared(Job& job, std::int64_t patience) {
  job.options.epochs = 8;
  job.options.patience = patience;
  job.options.min_delta = 0.125;
  job.schedule = Schedule("constant", {.lr = 0.05});
  job.make_trainer();
  TrainHooks hooks;
  hooks.loss = [&job](const Batch& batch) { return cross_entropy(job.net(batch["x"]), batch["label"]); };
  hooks.evaluate = [&job]() -> MetricList {
    const double by_epoch[] = {1, 0.75, 0.7, 0.8, 0.65, 0.9, 0.1, 0.05};
    return {{"val_loss", by_epoch[job.batches.epoch]}};
  };
  return job.trainer.emplace(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options);
}

TEST(EarlyStop, EndsARunAndSaysWhy) {
  const Folder folder;
  Job job(folder.path);
  const TrainResult result = prepared(job, 3).run();
  EXPECT_EQ(result.epochs, 5);
  EXPECT_EQ(result.ended, "patience");
  EXPECT_EQ(result.why, "val_loss: no improvement by 0.125 in 3 rows");
  EXPECT_EQ(result.best, 0.65) << "the best checkpoint is chosen without min_delta";
  EXPECT_EQ(result.best_step, 15);
  const Folder other;
  Job patient(other.path);
  const TrainResult whole = prepared(patient, 0).run();
  EXPECT_EQ(whole.epochs, 8);
  EXPECT_EQ(whole.ended, "epochs");
  EXPECT_EQ(whole.why, "");
}

TEST(EarlyStop, AResumedRunEndsAtTheSameRow) {
  const Folder whole;
  {
    Job undisturbed(whole.path);
    prepared(undisturbed, 3).run();
  }
  for (std::int64_t stop = 1; stop <= 15; ++stop) {
    const Folder part;
    fs::copy(whole.path, part.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    Job job(part.path, RunDir::Open::resume);
    Trainer& trainer = prepared(job, 3);
    trainer.restore(load_checkpoint(part.path + "/checkpoints/step-" + std::to_string(stop) + ".gdck"));
    const TrainResult result = trainer.run();
    EXPECT_EQ(result.steps, 15) << "resumed at step " << stop;
    EXPECT_EQ(result.ended, "patience");
    EXPECT_EQ(load_checkpoint_facts(part.path + "/checkpoints/last.gdck").at("early_stop"),
              load_checkpoint_facts(whole.path + "/checkpoints/last.gdck").at("early_stop"));
  }
  // With more patience it goes on from there.
  Job longer(whole.path, RunDir::Open::resume);
  Trainer& trainer = prepared(longer, 5);
  trainer.restore(load_checkpoint(whole.path + "/checkpoints/last.gdck"));
  EXPECT_EQ(trainer.run().epochs, 8);
}

TEST(EarlyStop, OtherEndsAreNamed) {
  const Folder a, b;
  Job few(a.path), good(b.path);
  few.options.max_steps = 2;
  EXPECT_EQ(few.make_trainer().run().ended, "steps");
  good.options.stop_threshold = 100;
  const TrainResult result = good.make_trainer().run();
  EXPECT_EQ(result.ended, "threshold");
  EXPECT_EQ(result.why.substr(0, 10), "val_loss: ");
  EXPECT_EQ(result.why.substr(result.why.size() - 16), " has reached 100");
}

}  // namespace
}  // namespace gadolin
