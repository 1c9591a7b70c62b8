// The training loop: resuming at every step, signals, NaN, the run's files.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/train/trainer_job.h"

namespace gadolin {
namespace {

using test::file_text;
using test::Folder;
using test::Job;
using test::last_tensors;
using test::message_of;
using test::Numbers;
namespace fs = std::filesystem;

// metrics.csv without the columns that depend on the clock.
std::string metrics_without_rates(const std::string& folder) {
  std::string kept;
  std::istringstream lines(file_text(folder + "/metrics.csv"));
  for (std::string line; std::getline(lines, line);) {
    for (int cut = 0; cut < 2; ++cut) line.resize(line.rfind(','));
    kept += line + "\n";
  }
  return kept;
}

void resume_at(Device device, const std::vector<std::int64_t>& stops) {
  const Folder whole;
  Job(whole.path, RunDir::Open::automatic, device).make_trainer().run();
  const auto wanted = last_tensors(whole.path);
  EXPECT_EQ(load_checkpoint_facts(whole.path + "/checkpoints/last.gdck").at("step"), "9");
  for (const std::int64_t stop : stops) {
    const Folder part;
    fs::copy(whole.path, part.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    const std::string from = part.path + "/checkpoints/step-" + std::to_string(stop) + ".gdck";
    ASSERT_TRUE(fs::exists(from)) << from;
    Job job(part.path, RunDir::Open::resume, device);
    manual_seed(999);  // the checkpoint brings its own
    job.make_trainer().restore(load_checkpoint(from));
    job.trainer->run();
    EXPECT_EQ(last_tensors(part.path), wanted) << "resumed at step " << stop;
    EXPECT_EQ(metrics_without_rates(part.path), metrics_without_rates(whole.path))
        << "resumed at step " << stop;
  }
}

TEST(Trainer, ResumesAtEveryStepBitForBit) { resume_at(cpu, {1, 2, 3, 4, 5, 6, 7, 8}); }

// Where eager steps, the recording and its replays had stopped: the steps after that are eager again.
TEST(Trainer, ResumesOnCudaBitForBit) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  resume_at(cuda, {1, 4, 7});
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
  EXPECT_EQ(last_tensors(folder.path), last_tensors(whole.path));
}

// Stopped behind the last step of an epoch or of the run, but before its row: the row is still to be written,
// once.
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
      const std::string stopped = file_text(folder.path + "/checkpoints/last.gdck");
      for (int again = 0; again < 2; ++again) {
        // The second time as if the first had been killed between its row and its checkpoint.
        if (again == 1) {
          for (const auto& entry : fs::directory_iterator(folder.path + "/checkpoints"))
            fs::remove(entry.path());
          std::ofstream(folder.path + "/checkpoints/last.gdck", std::ios::binary) << stopped;
        }
        Job job(folder.path, RunDir::Open::resume);
        begin(job).restore(CheckpointStore(job.run->checkpoints()).newest()->checkpoint);
        job.trainer->run();
        const std::string what = cat("at most ", max_steps, " steps, stopped in batch ", last_batch,
                                     ", resumed ", again + 1, " times");
        EXPECT_EQ(metrics_without_rates(folder.path), metrics_without_rates(whole.path)) << what;
        EXPECT_EQ(last_tensors(folder.path), last_tensors(whole.path)) << what;
      }
    }
  }
}

TEST(Trainer, ANanLossEndsTheRunWithTheStep) {
  const Folder folder;
  Job job(folder.path);
  job.options.eval_every = 9;  // a row would end it before that
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
    EXPECT_STREQ(error.what(),
                 "train: the training diverged at step 4 (epoch 2, learning rate 0.0375): the loss is nan, 3 "
                 "steps in a row, and the first weight that is not finite is 0.weight; use a smaller --lr, "
                 "--clip-norm 1, or --detect-anomaly to find the op");
    EXPECT_EQ(error.code(), "GD-NUMERIC-002");
    EXPECT_EQ(static_cast<int>(error.exit_code()), 5);
  }
}

// The part that was not finite first is named, although the weights that it spoils make every part so: here
// in the first of the two batches of step 3.
TEST(Trainer, ANanLossNamesItsPart) {
  for (const std::string parts : {"box", "class, box"}) {
    const Folder folder;
    Job job(folder.path);
    job.options.eval_every = 9;
    TrainHooks hooks;
    int batch = 0;
    hooks.loss = [&](const Batch& b) {
      const double bad = batch++ == 4 ? NAN : 0.0;
      const Tensor entropy = cross_entropy(job.net(b["x"]), b["label"]), box = mul(entropy, bad),
                   of_class = parts == "box" ? entropy : entropy + box;
      return LossParts(entropy + box, {{"class", of_class}, {"box", box}});
    };
    job.trainer.emplace(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options);
    EXPECT_EQ(message_of<NumericError>([&] { job.trainer->run(); }),
              "train: the training diverged at step 5 (epoch 2, learning rate 0.0293412): the loss (" +
                  parts +
                  ") is nan, 3 steps in a row, and the first weight that is not finite is 0.weight; use a "
                  "smaller --lr, --clip-norm 1, or --detect-anomaly to find the op");
  }
}

// Complaint A5 of other detectors: a plateau rule cut the rate to 1e-11 in silence.
TEST(Trainer, ARateThatFallsBelowAThousandthIsSaidOnce) {
  const Folder folder;
  Job job(folder.path);
  job.schedule = Schedule("plateau:0.1:1", {.lr = 0.05, .total_steps = 48, .steps_per_epoch = 3});
  job.options.epochs = 16;
  job.options.save_every = 0;
  std::vector<std::string> said;
  TrainHooks hooks;
  hooks.loss = [&](const Batch& b) { return cross_entropy(job.net(b["x"]), b["label"]); };
  hooks.evaluate = [] { return MetricList{{"val_loss", 1.0}}; };
  hooks.warn = [&](const std::string& text) { said.push_back(text); };
  job.trainer.emplace(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options);
  job.trainer->run();
  EXPECT_LT(job.schedule.lr_at(48), 1e-8) << "it was cut further";
  EXPECT_EQ(said,
            std::vector<std::string>{
                "warning: schedule plateau:0.1:1 has cut the learning rate to 5e-06, below a thousandth "
                "of 0.05: hardly anything is learnt any more"});
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
    EXPECT_STREQ(error.what(),
                 "resume: the checkpoint was made with schedule cosine, now it is constant; start anew with "
                 "--init-from");
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
  std::istringstream lines(file_text(folder + "/metrics.csv"));
  for (std::string line; std::getline(lines, line);)
    rows.push_back(line.substr(0, line.find(',', line.find(',') + 1)));
  return rows;
}

// Weights that are not finite when a row is due: before the patience with losses ends, or with a loss that
// does not show them. What was written before stays, and nothing else comes.
TEST(Trainer, WeightsThatAreNotFiniteEndTheRunBeforeTheRow) {
  for (const char* bad : {"0.weight", "1.running_var"}) {
    const Folder folder;
    Job job(folder.path);
    job.options.nan_patience = 100;
    job.options.save_every = 0;
    job.batches.watch = [&](std::int64_t epoch, std::int64_t batch) {
      if (epoch != 1 || batch != 5) return;
      const NoGrad guard;
      for (const Parameter& p : job.net.state())
        if (p.name == bad) Tensor(p.tensor).fill_(INFINITY);
    };
    const std::string said = message_of<NumericError>([&] { job.make_trainer().run(); });
    EXPECT_EQ(said.find("train: the training diverged at step 6 (epoch 2, learning rate 0.0"), 0u) << said;
    EXPECT_NE(said.find(cat("): the weight ", bad,
                            " is not finite; use a smaller --lr, --clip-norm 1, or "
                            "--detect-anomaly to find the op")),
              std::string::npos)
        << said;
    EXPECT_EQ(steps_and_epochs(folder.path), (std::vector<std::string>{"step,epoch", "3,1"}));
    EXPECT_EQ(load_checkpoint_facts(folder.path + "/checkpoints/last.gdck").at("step"), "3");
    EXPECT_FALSE(fs::exists(folder.path + "/checkpoints/step-6.gdck"));
  }
}

TEST(Trainer, AnEvaluationWithoutNumbersIsADivergence) {
  const Folder folder;
  Job job(folder.path);
  job.make_trainer();
  TrainHooks hooks;
  hooks.loss = [&](const Batch& batch) { return cross_entropy(job.net(batch["x"]), batch["label"]); };
  hooks.evaluate = []() -> MetricList { fail<NumericError>("ranking: score of sample 0 is NaN"); };
  Trainer trainer(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options);
  const std::string said = message_of<NumericError>([&] { trainer.run(); });
  EXPECT_EQ(said.find("train: the training diverged at step 3 (epoch 1, learning rate 0.0"), 0u) << said;
  EXPECT_NE(
      said.find("): the evaluation gives no numbers (ranking: score of sample 0 is NaN); use a smaller --lr"),
      std::string::npos)
      << said;
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
  EXPECT_EQ(steps_and_epochs(whole.path),
            (std::vector<std::string>{"step,epoch", "2,1", "4,2", "6,2", "8,3", "9,3"}));
  EXPECT_EQ(result.steps, 9);
  EXPECT_EQ(result.epochs, 3);
  Job(usual.path).make_trainer().run();
  const auto weights = [](const std::string& folder) {
    auto all = last_tensors(folder);
    for (auto at = all.begin(); at != all.end();)
      at = at->first.rfind("model.", 0) == 0 ? std::next(at) : all.erase(at);
    return all;
  };
  EXPECT_EQ(weights(whole.path), weights(usual.path)) << "looking changed the numbers";
  const auto wanted = last_tensors(whole.path);
  for (std::int64_t stop = 1; stop <= 8; ++stop) {
    const Folder part;
    fs::copy(whole.path, part.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    Job again(part.path, RunDir::Open::resume);
    every_two(again).restore(
        load_checkpoint(part.path + "/checkpoints/step-" + std::to_string(stop) + ".gdck"));
    again.trainer->run();
    EXPECT_EQ(last_tensors(part.path), wanted) << "resumed at step " << stop;
    EXPECT_EQ(metrics_without_rates(part.path), metrics_without_rates(whole.path))
        << "resumed at step " << stop;
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
  EXPECT_EQ(steps_and_epochs(cycles.path),
            (std::vector<std::string>{"step,epoch", "2,1", "3,1", "4,2", "6,2", "9,3"}));
  auto got = last_tensors(cycles.path), want = last_tensors(whole.path);
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
  hooks.loss = [&](const Batch& batch) { return cross_entropy(job.net(batch["x"]), batch["label"]); };
  hooks.on_log = [&](const StepLog& log) {
    const auto& [step, loss, lr, seconds, parts] = log;
    told.push_back(step);
    EXPECT_GT(loss, 0);
    EXPECT_GT(lr, 0);
    EXPECT_GT(seconds, 0);
    EXPECT_LT(seconds, 60);
  };
  Trainer(job.net, job.optimizer, job.schedule, job.batches, *job.run, hooks, job.options).run();
  EXPECT_EQ(told, (std::vector<std::int64_t>{3, 6, 9}));
  EXPECT_FALSE(fs::exists(folder.path + "/checkpoints/step-0.gdck"));  // nothing has been learnt yet
  for (int step = 1; step <= 9; ++step)
    EXPECT_TRUE(fs::exists(folder.path + "/checkpoints/step-" + std::to_string(step) + ".gdck")) << step;
}

}  // namespace
}  // namespace gadolin
