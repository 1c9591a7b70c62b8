// The one training loop. A task gives it the loss of a batch and an evaluation, a loader the batches
// (tasks/training.h); it does the rest: mixed precision, accumulation, schedules, averages, checkpoints,
// resuming, logs, signals.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/sets/batch.h"
#include "layers/module.h"
#include "train/checkpoint_store.h"
#include "train/communicator.h"
#include "train/early_stop.h"
#include "train/gradient_sum.h"
#include "train/loss_sums.h"
#include "train/optimizer.h"
#include "train/run_dir.h"
#include "train/schedule.h"
#include "train/weight_average.h"

namespace gadolin {

// Where batches come from. The same position always gives the same batch.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual std::int64_t batches_per_epoch() const = 0;  // the same in every epoch
  virtual std::int64_t batch_size() const = 0;         // samples of a batch
  // Goes to a batch of an epoch; next() then gives it and those behind it, to the end of the epoch.
  virtual void seek(std::int64_t epoch, std::int64_t batch) = 0;
  // Tensors on the training device, of the same names in every batch.
  virtual Batch next() = 0;
  virtual double seconds_waited() const = 0;  // in next(), since the start
};

// What is said about a step while a run goes on.
struct StepLog {
  std::int64_t step = 0;    // optimiser steps so far
  double loss = 0, lr = 0;  // of its last batch; of the step
  double seconds = 0;       // of a step, since the last such log
  MetricList parts;         // of the loss of its last batch
};

// Epochs of a run that only its steps or a signal end.
inline constexpr std::int64_t endless_epochs = 1'000'000'000;

// How long a run lasts, and what is done on the way.
struct TrainOptions {
  std::int64_t epochs = 1;      // passes over the data
  std::int64_t max_steps = 0;   // optimiser steps; 0: epochs decide
  std::int64_t accumulate = 1;  // batches whose gradients are added up for one step
  DType compute = DType::fp32;  // bf16 and fp16 keep fp32 weights
  double ema = 0;               // decay of the moving average, which is then what is evaluated; 0: none
  int nan_patience = 3;         // steps in a row whose loss, or skipped gradients, may be NaN or infinite
  // Steps between checkpoints; 0: one after each row of metrics.csv, and no others. That one is always saved.
  std::int64_t save_every = 0;
  double save_seconds = 0;  // the same by the clock; 0: never
  // Steps between rows of metrics.csv, each with an evaluation; 0: at the end of epochs.
  std::int64_t eval_every = 0;
  std::int64_t epochs_between_evals = 1;  // how many of them
  std::int64_t log_every = 20;            // steps between calls of on_log and scalars in the event file
  double summary_seconds = 0;             // least time between the latter
  int keep = 3;                           // checkpoints
  std::string monitor = {};  // metric that chooses the best checkpoint; empty: the first of the evaluation
  bool maximize = true;      // whether larger is better
  // Value of a row that a plateau schedule watches, such as train_loss; empty: the monitored metric.
  std::string plateau_on = {};
  double stop_threshold = 0;  // ends the run once the monitored metric reaches it; 0: never
  std::int64_t patience = 0;  // rows without a better monitored metric after which the run ends; 0: never
  double min_delta = 0;       // least gain that counts as better for that
  GradientReduction reduction = {};  // of several processes
  bool sync_batch_norm = false;      // of several processes (train/sync_batch_norm.h)
  bool capture = true;               // record steps as CUDA graphs on a GPU, see Trainer::captures
  bool quiet = false;                // no bar of progress
};

// Of several ranks, each calls `loss` and `evaluate`, and only the first one the others.
struct TrainHooks {
  // Forward and loss of one batch. It takes the tensors alone: a recorded step is replayed with others, not
  // with other places, epochs and steps.
  std::function<LossParts(const Batch& batch)> loss;
  // For a row of metrics.csv, in evaluation mode; may be empty. Of several ranks the first one's list counts,
  // and the loop gives it to all: the others may evaluate a share of the data for it, as Training does
  // (tasks/evaluate.h), and return nothing.
  std::function<MetricList()> evaluate;
  // Facts of the application for every checkpoint: model, classes, preprocessing, configuration.
  std::function<void(Checkpoint&)> describe;
  // After each row: the number of its epoch from 1, and all its values.
  std::function<void(std::int64_t epoch, const MetricList& row)> on_epoch;
  // Every log_every steps, about this one; may be empty.
  std::function<void(const StepLog& step)> on_log;
  // What the user should know, such as a step that cannot be recorded; may be empty.
  std::function<void(const std::string& warning)> warn;
};

// What a run came to.
struct TrainResult {
  std::int64_t steps = 0, epochs = 0, best_step = 0;  // done; done; of the best checkpoint, 0: none
  // Value of the monitored metric; of the run; over the run.
  double best = 0, seconds = 0, images_per_second = 0;
  MetricList last;    // the last row
  std::string ended;  // by what: epochs, steps, threshold or patience
  std::string why;    // "val_loss: no improvement by 0.001 in 5 rows", or empty for epochs and steps
};

// Carries out a training run.
class Trainer {
 public:
  // The objects must outlive the trainer. The schedule's steps are optimiser steps.
  //
  // With several processes each rank has objects of its own, a share of every batch among them (shard), and
  // takes the same steps: the loss is that of the whole batch, gradients are summed over the ranks, weights
  // and buffers begin as the first rank's, and so do buffers (running statistics) for each evaluation and
  // checkpoint. The first rank alone writes `run`. Random numbers of other ranks come from a seed that is
  // derived from the first one's.
  Trainer(Module& model, Optimizer& optimizer, Schedule& schedule, BatchSource& batches, RunDir& run,
          TrainHooks hooks, TrainOptions options, Communicator& communicator = no_communicator());

  // What the constructor refuses: UsageError, or DataError when an epoch is too short for one step.
  static void check(const TrainOptions& options, const BatchSource& batches);
  // Optimiser steps of a run, unless a metric or a signal ends it.
  static std::int64_t total_steps(const TrainOptions& options, const BatchSource& batches);

  // Whether whole steps are recorded and launched as one: the batches of a step together, while they are few.
  // More would have to wait on the device for their step, and make a graph of tens of thousands of nodes.
  static bool captures(const TrainOptions& options) {
    return options.capture && options.accumulate <= most_batches_captured;
  }
  static constexpr std::int64_t most_batches_captured = 8;  // more batches a step than this are not recorded

  // Takes up a run where a checkpoint left it: everything that decides later numbers. On all ranks, from the
  // same checkpoint. Throws CheckpointError.
  void restore(const Checkpoint& checkpoint);
  // Throws Stopped after a signal (to any rank), once a checkpoint is written; NumericError 2, with the first
  // bad parameter, for losses or gradients that stay NaN or infinite, and for weights that are so at a row:
  // that row and its checkpoint are not written; ProcessError when the ranks do not stand at the same step of
  // the same run.
  TrainResult run();
  // Swaps in the averaged weights, if there are any, for use after training.
  void use_average();

 private:
  Device device() const { return losses_.total().device(); }
  Checkpoint checkpoint() const;
  void save(bool best);
  void one_batch(const Batch& batch, bool first, bool last);
  // Running statistics, and their values before a step that an overflow may undo.
  using Statistics = std::vector<std::pair<Tensor, Tensor>>;
  Statistics before_batches() const;
  void after_batches(Statistics before);
  void give_up_recording(const Error& why);
  void one_step();
  bool row_due() const;
  void start_row();
  void end_of_row();
  void log_step(double loss);
  std::int64_t epoch_number() const { return step_in_epoch_ > 0 ? epoch_ + 1 : epoch_; }
  void observe(double metric);
  void check_loss(double loss);
  std::string parts_not_finite() const;
  void check_weights();
  // Of the weights and buffers the first one with NaN or infinity; empty without any.
  std::string first_not_finite() const;
  [[noreturn]] void diverged(const std::string& what, const char* ways) const;
  std::int64_t total_steps() const { return total_steps(options_, batches_); }
  std::int64_t steps_per_epoch() const;
  bool threshold_reached() const;
  std::string signal_name();  // of a signal that has come; empty without one
  bool save_due();
  void note_end();

  // What concerns several ranks: trainer_ranks.cpp. Nothing is done for one alone.
  void begin_together();
  // What a rank's loss counts in the mean over ranks, fp64 []; undefined for one rank alone.
  Tensor share_of_loss(const LossParts& loss, const Batch& batch);
  static void tell_spare(Batch& batch);
  void tell_unused();
  void share_statistics();
  MetricList first_rank_metrics(MetricList metrics);

  Module& model_;
  Optimizer& optimizer_;
  Schedule& schedule_;
  BatchSource& batches_;
  RunDir& run_;
  TrainHooks hooks_;
  TrainOptions options_;
  Communicator& communicator_;
  std::optional<CheckpointStore> store_;  // of the first rank
  EarlyStop early_stop_;
  std::unique_ptr<WeightAverage> average_;
  struct Logs;
  std::shared_ptr<Logs> logs_;
  LossSums losses_;  // of the steps of the row

  // Position and sums; all of it is in the checkpoint.
  std::int64_t step_ = 0, epoch_ = 0, step_in_epoch_ = 0, steps_in_row_ = 0, best_step_ = 0;
  bool any_best_ = false;
  double best_ = 0;
  int bad_losses_ = 0;
  std::string bad_parts_;  // of the first of them; not kept, so empty behind a resume
  std::int64_t saved_step_ = -1, resume_step_ = -1;  // the latter: -1 in a fresh run
  // Of metrics.csv, when resuming: rows up to this step are kept. The row of the step itself is missing in a
  // checkpoint that was saved before it.
  std::int64_t resume_row_ = -1;
  double images_ = 0, all_images_ = 0;
  bool told_unused_ = false;
  TrainResult result_;
};

}  // namespace gadolin
