// The training loop on several ranks: the numbers of one process, one run folder, decisions that all share.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/train/thread_communicator.h"
#include "tests/train/trainer_job.h"

namespace gadolin {
namespace {

using test::file_text;
using test::Folder;
using test::last_tensors;
using test::message_of;
using test::Numbers;
using test::Ranks;
using test::Values;
namespace fs = std::filesystem;

// This rank's rows of each batch of eight.
class Shard : public Numbers {
 public:
  explicit Shard(Communicator& c) : first_(8 / c.size() * c.rank()), rows_(8 / c.size()) {}
  std::int64_t batch_size() const override { return rows_; }
  Batch next() override {
    const Batch whole = Numbers::next();
    std::vector<Tensor> mine = whole.tensors();
    for (Tensor& t : mine) t = t.slice(0, first_, first_ + rows_).contiguous();
    return Batch(whole.names(), mine);
  }

 private:
  std::int64_t first_, rows_;
};

// One rank's objects. `noisy`: with batch norm and dropout, whose numbers are those of a rank's own batch.
struct RankJob {
  Communicator& c;
  Sequential net;
  Optimizer optimizer;
  Schedule schedule{"cosine", {.lr = 0.05, .total_steps = 9, .steps_per_epoch = 3}};
  Shard batches;
  TrainOptions options{.epochs = 3,
                       .accumulate = 2,
                       .ema = 0.9,
                       .save_every = 1,
                       .keep = 20,
                       .monitor = "val_loss",
                       .maximize = false,
                       .quiet = true};
  TrainHooks hooks;
  RunDir run;
  std::optional<Trainer> trainer;

  static Sequential make(bool noisy) {
    manual_seed(11);
    if (noisy) return Sequential(Linear(5, 16), BatchNorm2d(16), ReLU(), Dropout(0.3), Linear(16, 2));
    return Sequential(Linear(5, 16), Tanh(), Linear(16, 2));
  }
  RankJob(Communicator& communicator, const std::string& folder, bool noisy, LossScale scale = {})
      : c(communicator), net(make(noisy)),
        optimizer(net.parameters(), {.rule = Rule::adamw, .lr = 0.05, .weight_decay = 0.01}, scale),
        batches(c), run(folder, RunDir::Open::automatic, c) {
    hooks.loss = [this](const Batch& batch) { return cross_entropy(net(batch["x"]), batch["label"]); };
    // Each rank looks at its part; the first one makes the numbers of it.
    hooks.evaluate = [this]() -> MetricList {
      const std::int64_t rows = 32 / c.size();
      const Tensor x = rand({32, 5}, 5, 6).slice(0, rows * c.rank(), rows * (c.rank() + 1));
      const Tensor all = gather_rows(c, gadolin::abs(net(x)));
      if (!c.first()) return {};
      return {{"val_loss", mean(all).item()}, {"val_rows", static_cast<double>(all.size(0))}};
    };
  }
  Trainer& make_trainer() {
    return trainer.emplace(net, optimizer, schedule, batches, run, hooks, options, c);
  }
  Values weights() const {
    Values all;
    for (const Parameter& p : net.state()) all[p.name] = p.tensor.to_vector<double>();
    return all;
  }
};

// Columns of metrics.csv but for those that depend on the clock.
std::vector<std::vector<double>> rows(const std::string& folder) {
  std::ifstream file(folder + "/metrics.csv");
  std::vector<std::vector<double>> all;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    all.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) all.back().push_back(std::stod(field));
    all.back().resize(all.back().size() - 2);
  }
  return all;
}

TEST(TrainerRanks, GiveTheNumbersOfOneProcess) {
  const Folder alone;
  RankJob whole(no_communicator(), alone.path, false);
  const TrainResult one = whole.make_trainer().run();
  const Values want = last_tensors(alone.path);
  for (const bool capture : {true, false}) {
    const Folder folder;
    std::vector<Values> weights(2);
    std::vector<TrainResult> results(2);
    Ranks::run(2, [&](Communicator& c) {
      RankJob job(c, folder.path, false);
      job.options.capture = capture;
      const auto rank = static_cast<std::size_t>(c.rank());
      results[rank] = job.make_trainer().run();
      weights[rank] = job.weights();
    });
    EXPECT_EQ(weights[0], weights[1]);
    const Values got = last_tensors(folder.path);
    ASSERT_EQ(got.size(), want.size());
    for (const auto& [name, values] : want) {
      for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_NEAR(got.at(name)[i], values[i], 1e-5) << name << ", element " << i;
    }
    const auto table = rows(folder.path), wanted = rows(alone.path);
    ASSERT_EQ(table.size(), wanted.size());
    for (std::size_t r = 0; r < table.size(); ++r) {
      for (std::size_t k = 0; k < table[r].size(); ++k) EXPECT_NEAR(table[r][k], wanted[r][k], 1e-5);
      EXPECT_EQ(table[r].back(), 32) << "rows of all ranks";
    }
    for (const TrainResult& result : results) {
      EXPECT_EQ(result.best, results[0].best);
      EXPECT_EQ(result.steps, one.steps);
      EXPECT_EQ(result.best_step, one.best_step);
    }
  }
}

// With what makes ranks differ, all is still decided by numbers that they share, and a resumed run goes on in
// the same bits.
TEST(TrainerRanks, ResumeAtEveryStepBitForBit) {
  const Folder whole;
  const auto train = [](const std::string& folder, const std::string& from) {
    std::vector<Values> weights(2);
    Ranks::run(2, [&](Communicator& c) {
      RankJob job(c, folder, true);
      manual_seed(c.first() ? 4 : 5);  // in a fresh run and after a resume: the first rank's counts
      if (from.empty() && c.first()) manual_seed(11);
      Trainer& trainer = job.make_trainer();
      if (!from.empty()) trainer.restore(load_checkpoint(from));
      trainer.run();
      weights[static_cast<std::size_t>(c.rank())] = job.weights();
    });
    EXPECT_EQ(weights[0], weights[1]) << folder;
  };
  train(whole.path, "");
  const Values wanted = last_tensors(whole.path);
  EXPECT_EQ(rows(whole.path).size(), 3u);
  for (std::int64_t stop = 2; stop <= 8; stop += 2) {
    const Folder part;
    fs::copy(whole.path, part.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    train(part.path, part.path + "/checkpoints/step-" + std::to_string(stop) + ".gdck");
    EXPECT_EQ(last_tensors(part.path), wanted) << "resumed at step " << stop;
    EXPECT_EQ(rows(part.path), rows(whole.path)) << "resumed at step " << stop;
  }
}

// Dropout of another rank draws other numbers.
TEST(TrainerRanks, DrawTheirOwnRandomNumbers) {
  const Folder folder;
  std::vector<std::vector<float>> drawn(2);
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, false);
    job.options.epochs = 1;
    job.make_trainer().run();
    drawn[static_cast<std::size_t>(c.rank())] = rand({4}).to_vector<float>();
  });
  EXPECT_NE(drawn[0], drawn[1]);
}

TEST(TrainerRanks, OnlyTheFirstOneWritesAndTells) {
  const Folder folder;
  std::vector<int> told(3);
  Ranks::run(3, [&](Communicator& c) {
    RankJob job(c, folder.path, true);
    job.batches.count = 6;
    job.options.log_every = 1;
    job.options.save_seconds = 1e-9;
    int& mine = told[static_cast<std::size_t>(c.rank())];
    job.hooks.on_epoch = [&](std::int64_t, const MetricList&) { ++mine; };
    job.hooks.on_log = [&](const StepLog&) { ++mine; };
    job.hooks.describe = [&](Checkpoint& checkpoint) { checkpoint.facts["rank"] = std::to_string(c.rank()); };
    job.make_trainer().run();
  });
  EXPECT_EQ(told, (std::vector<int>{12, 0, 0}));
  EXPECT_EQ(load_checkpoint_facts(folder.path + "/checkpoints/last.gdck").at("rank"), "0");
  EXPECT_EQ(rows(folder.path).size(), 3u);
  int event_files = 0;
  for (const auto& entry : fs::directory_iterator(folder.path + "/tb"))
    event_files += entry.is_regular_file();
  EXPECT_EQ(event_files, 1);
}

TEST(TrainerRanks, AnOverflowOnOneRankSkipsOnAll) {
  const Folder folder;
  std::vector<Values> weights(2);
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, true, {1024, 2, 0.5, 100});
    job.options = {.epochs = 1, .nan_patience = 100, .quiet = true};
    int calls = 0;
    job.hooks.loss = [&](const Batch& batch) {
      const Tensor loss = cross_entropy(job.net(batch["x"]), batch["label"]);
      return ++calls == 4 && c.rank() == 1 ? mul(loss, std::numeric_limits<double>::infinity()) : loss;
    };
    job.make_trainer().run();
    EXPECT_EQ(job.optimizer.steps(), 5);
    EXPECT_EQ(job.optimizer.loss_scale(), 512);
    weights[static_cast<std::size_t>(c.rank())] = job.weights();
  });
  EXPECT_EQ(weights[0], weights[1]);
}

TEST(TrainerRanks, ANanOnOneRankEndsAll) {
  const Folder folder;
  std::vector<std::string> said(2);
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, false);
    job.options.nan_patience = 1;
    job.hooks.loss = [&](const Batch& batch) {
      const Tensor loss = cross_entropy(job.net(batch["x"]), batch["label"]);
      return c.rank() == 1 ? mul(loss, NAN) : loss;
    };
    said[static_cast<std::size_t>(c.rank())] = message_of<NumericError>([&] { job.make_trainer().run(); });
  });
  EXPECT_EQ(said[0], said[1]);
  EXPECT_EQ(said[0].find("train: the training diverged at step 1 (epoch 1, learning rate "), 0u) << said[0];
  EXPECT_NE(said[0].find("): the loss is nan, 1 steps in a row, and the first weight that is not finite is "),
            std::string::npos)
      << said[0];
}

// A signal reaches one rank a step before the others: all stop after the same step.
TEST(TrainerRanks, ASignalStopsAllAtOneStep) {
  const Folder folder, whole;
  Ranks::run(2, [&](Communicator& c) { RankJob(c, whole.path, true).make_trainer().run(); });
  std::vector<std::string> said(2);
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, true);
    job.options.save_every = 0;
    job.batches.watch = [&](std::int64_t epoch, std::int64_t batch) {
      if (c.rank() == 1 && epoch == 1 && batch == 3) std::raise(SIGTERM);
    };
    said[static_cast<std::size_t>(c.rank())] = message_of<Stopped>([&] { job.make_trainer().run(); });
  });
  EXPECT_EQ(said[0].substr(said[0].find(" at ")), " at step 5 of 9; continue with --resume auto");
  EXPECT_EQ(said[1], "train: stopped by SIGTERM at step 5 of 9; continue with --resume auto");
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, true);
    job.options.save_every = 1;
    Trainer& trainer = job.make_trainer();
    trainer.restore(load_checkpoint(folder.path + "/checkpoints/last.gdck"));
    trainer.run();
  });
  EXPECT_EQ(last_tensors(folder.path), last_tensors(whole.path));
}

TEST(TrainerRanks, StandAtOnePlaceOrSaySo) {
  const Folder folder;
  std::vector<std::string> said(2);
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, false);
    if (!c.first()) job.batches.count = 8;
    said[static_cast<std::size_t>(c.rank())] = message_of<ProcessError>([&] { job.make_trainer().run(); });
  });
  const std::string text =
      "train: rank 1 stands at step 0 of 12 with 8 batches an epoch and schedule cosine, rank 0 at step 0 of "
      "9 with 6 batches an epoch and schedule cosine; give all the same options and checkpoint, and shards "
      "of "
      "one length";
  EXPECT_EQ(said[0], text);
  EXPECT_EQ(said[1], "rank 0: " + text);
}

// Who begins with other weights gets the first rank's.
TEST(TrainerRanks, BeginWithTheFirstOnesWeights) {
  const Folder folder, plain;
  const auto train = [](const std::string& path, bool differ) {
    Ranks::run(2, [&](Communicator& c) {
      RankJob job(c, path, true);
      manual_seed(3);
      if (differ && !c.first()) {
        const NoGrad guard;
        for (const Parameter& p : job.net.parameters()) Tensor(p.tensor).mul_(2);
      }
      job.make_trainer().run();
    });
  };
  train(folder.path, true);
  train(plain.path, false);
  EXPECT_EQ(last_tensors(folder.path), last_tensors(plain.path));
}

TEST(TrainerRanks, EndTogether) {
  const Folder folder;
  Ranks::run(2, [&](Communicator& c) {
    RankJob job(c, folder.path, false);
    job.options.epochs = 20;
    job.options.patience = 2;
    int rows = 0;
    job.hooks.evaluate = [&]() -> MetricList {  // only the first rank's numbers count
      const double value = ++rows < 3 ? 1.0 / rows : 1.0;
      return {{"val_loss", c.first() ? value : -rows}};
    };
    const TrainResult result = job.make_trainer().run();
    EXPECT_EQ(result.epochs, 4);
    EXPECT_EQ(result.ended, "patience");
    EXPECT_EQ(result.best, 0.5);
  });
  EXPECT_NE(file_text(folder.path + "/metrics.csv"), "");
}

}  // namespace
}  // namespace gadolin
