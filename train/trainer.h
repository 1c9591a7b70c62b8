// The one training loop. An application gives it a step (forward and loss), batches, and an evaluation; it does the rest:
// mixed precision, accumulation, schedules, averages, checkpoints, resuming, logs, signals.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "layers/module.h"
#include "train/checkpoint_store.h"
#include "train/optimizer.h"
#include "train/run_dir.h"
#include "train/schedule.h"
#include "train/weight_average.h"

namespace gadolin {

// Where batches come from. The same position always gives the same batch.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual std::int64_t batches_per_epoch() const = 0;
  virtual std::int64_t batch_size() const = 0;
  // Goes to a batch of an epoch; next() then gives it and those behind it, to the end of the epoch.
  virtual void seek(std::int64_t epoch, std::int64_t batch) = 0;
  // Tensors on the training device, as the step function takes them: {images, labels}.
  virtual std::vector<Tensor> next() = 0;
  virtual double seconds_waited() const = 0;  // in next(), since the start
};

using MetricList = std::vector<std::pair<std::string, double>>;

struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t max_steps = 0;        // optimiser steps; 0: epochs decide
  std::int64_t accumulate = 1;       // batches whose gradients are added up for one step
  DType compute = DType::fp32;       // bf16 and fp16 keep fp32 weights
  double ema = 0;                    // decay of the moving average, which is then what is evaluated; 0: none
  int nan_patience = 3;              // losses that may be NaN or infinite in a row
  std::int64_t save_every = 0;       // steps; 0: at the end of each epoch
  std::int64_t log_every = 20;       // steps between scalars in the event file
  int keep = 3;                      // checkpoints
  std::string monitor = {};          // metric that chooses the best checkpoint; empty: the first one of the evaluation
  bool maximize = true;              // whether larger is better
  double stop_threshold = 0;         // ends the run once the monitored metric reaches it; 0: never
  bool capture = true;               // record steps as CUDA graphs on a GPU
  bool quiet = false;
};

struct TrainHooks {
  // Forward and loss of one batch: a scalar.
  std::function<Tensor(const std::vector<Tensor>& batch)> loss;
  // At the end of an epoch, in evaluation mode; may be empty.
  std::function<MetricList()> evaluate;
  // Facts of the application for every checkpoint: model, classes, preprocessing, configuration.
  std::function<void(Checkpoint&)> describe;
  // After each epoch: its number from 1, and all values of its row.
  std::function<void(std::int64_t epoch, const MetricList& row)> on_epoch;
};

struct TrainResult {
  std::int64_t steps = 0, epochs = 0, best_step = 0;
  double best = 0, seconds = 0, images_per_second = 0;
  MetricList last;                   // row of the last epoch
};

class Trainer {
 public:
  // The objects must outlive the trainer. The schedule's steps are optimiser steps.
  Trainer(Module& model, Optimizer& optimizer, Schedule& schedule, BatchSource& batches, RunDir& run, TrainHooks hooks,
          TrainOptions options);

  // What the constructor refuses: UsageError, or DataError when an epoch is too short for one step.
  static void check(const TrainOptions& options, const BatchSource& batches);

  // Takes up a run where a checkpoint left it: everything that decides later numbers. Throws CheckpointError.
  void restore(const Checkpoint& checkpoint);
  // Throws Stopped after a signal, once a checkpoint is written; NumericError, with the first bad parameter, for losses
  // that stay NaN or infinite.
  TrainResult run();
  // Swaps in the averaged weights, if there are any, for use after training.
  void use_average();

 private:
  void save(bool best);
  Tensor one_batch(const std::vector<Tensor>& batch, bool step_after);
  void one_step();
  void end_of_epoch();
  void check_loss(double loss);
  std::int64_t total_steps() const;
  std::int64_t steps_per_epoch() const;

  Module& model_;
  Optimizer& optimizer_;
  Schedule& schedule_;
  BatchSource& batches_;
  RunDir& run_;
  TrainHooks hooks_;
  TrainOptions options_;
  CheckpointStore store_;
  std::unique_ptr<WeightAverage> average_;
  struct Logs;
  std::shared_ptr<Logs> logs_;

  // Position and sums; all of it is in the checkpoint.
  std::int64_t step_ = 0, epoch_ = 0, step_in_epoch_ = 0, best_step_ = 0;
  bool any_best_ = false;
  double best_ = 0;
  Tensor loss_sum_;                  // fp64 [] on the device: over the steps of the epoch
  int bad_losses_ = 0;
  std::int64_t saved_step_ = -1;
  double images_ = 0;
  TrainResult result_;
};

}  // namespace gadolin
