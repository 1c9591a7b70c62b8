// One training run of a task: its batches, its optimiser and schedule, and the training loop with what the
// task brings.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tasks/loader_source.h"
#include "tasks/task.h"
#include "train/mix.h"
#include "train/reporter.h"
#include "train/trainer.h"

namespace gadolin {

// How a task learns. What is left at its default is chosen as `gadolin train` does.
struct TrainPlan {
  std::string data;  // what messages call the data
  // Instead of the sampler that `sampler` names, which then only stands in messages.
  std::function<std::shared_ptr<const Sampler>(const Dataset& train, BatchCut cut)> make_sampler = {};
  // shuffled, balanced, weighted, capped:N (a class at most N times an epoch), or background:S (what share
  // samples without a class make)
  std::string sampler = "shuffled";
  MixOptions mix;                    // mixup and cutmix of training batches
  Pipeline augment;                  // steps of the training batches
  LoaderOptions load;                // batch size, workers, seed, device, bad samples
  bool keep_last_batch = false;      // of an epoch, where it is not full; otherwise it is left out
  std::int64_t eval_batch_size = 0;  // 0: the batch size
  OptimizerOptions rule;             // and its settings
  LossScale scale;                   // of fp16
  std::string schedule = "cosine";   // of the rate (train/schedule.h)
  double min_lr = 0;                 // below which no rate goes
  // Below 0: one, but at most a tenth of the run; none for one-cycle, which has its own.
  double warmup_epochs = -1;
  TrainOptions loop;       // monitor: a metric of the evaluator as "val_NAME", or val_loss; empty: its choice
  bool log_steps = false;  // a line every loop.log_every steps instead of a bar
  bool log_rate = false;   // with images a second
  std::int64_t epoch_batches = 0;  // of an epoch; 0: all samples once
  bool evaluate = true;            // false: rows without an evaluation, and no best checkpoint
  bool val_loss = false;           // also where the evaluator knows none: the mean over validation batches
  std::map<std::string, std::string> facts = {};  // more for every checkpoint
  // On the first process, after an evaluation.
  std::function<void(const Evaluator&)> evaluated = {};
  // On the first process, after a row with its checkpoint.
  std::function<void(RunDir& run, std::int64_t epoch, const MetricList& row)> after_row = {};
};

// The sampler that TrainPlan::sampler names. nullptr for "shuffled", because the loader then shuffles by
// itself. Throws UsageError for another word. "mixed" is shuffled too, and never nullptr: pictures of
// different shapes meet in a batch.
std::shared_ptr<const Sampler> training_sampler(const std::string& text, const Dataset& train, BatchCut cut);

// Where an epoch has fewer samples than a step takes: fewer batches a step, and
// at one smaller batches. Says so to the reporter.
void fit_batch(TrainPlan& plan, const Dataset& train, const Reporter& reporter,
               Communicator& communicator = no_communicator());

// One run: makes the loader, the optimiser and the schedule, and gives the one loop its functions.
class Training {
 public:
  // Everything must outlive it. The plan is fitted to the set (fit_batch). Several processes each make their
  // own, and train on their share of each batch: the batch size is that of all together. `fingerprint` of the
  // data: a run is not resumed on others. Throws UsageError for a metric that the evaluator does not have or
  // options out of range, DataError when an epoch is too short for one step.
  Training(Task& task, const Dataset& train, const Dataset& val, TrainPlan plan, std::string fingerprint,
           Reporter& reporter, Communicator& communicator = no_communicator());
  ~Training();

  // To be called once. With a checkpoint the run goes on where that one was written; `name`: of it in
  // messages. `accepted` is called before the first step, once nothing can be refused any more: what is
  // written into the run's folder before would damage a run that refuses the checkpoint. Throws DataError
  // when it was made with other data, and what Trainer throws.
  TrainResult run(RunDir& run, const Checkpoint* from = nullptr, const std::string& name = "",
                  const std::function<void()>& accepted = {});
  // The metric that chooses the best checkpoint, "val_balanced_accuracy".
  const std::string& monitor() const { return plan_.loop.monitor; }
  // As it is carried out: with the metric, and batches that fit.
  const TrainPlan& plan() const { return plan_; }
  double warmup_epochs() const;  // as carried out

 private:
  void choose_metric();
  MetricList evaluate();
  std::unique_ptr<DataLoader> validation_loader(const Communicator& communicator) const;
  double validation_loss();
  void tell_epoch(RunDir& run, std::int64_t epoch, const MetricList& row);
  void tell_step(RunDir& run, const StepLog& step);
  TrainHooks hooks(RunDir& run);
  Task& task_;
  const Dataset& val_;
  TrainPlan plan_;
  std::string fingerprint_;
  std::map<std::string, std::string> found_;  // facts of the last evaluation
  Reporter& reporter_;
  Communicator& communicator_;
  LoaderSource batches_;
  Optimizer optimizer_;
  Schedule schedule_;
};

}  // namespace gadolin
