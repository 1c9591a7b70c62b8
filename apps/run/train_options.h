// The options of gadolin train: what they are called, what they may be; and the run that they describe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/dataset.h"
#include "nets/registry.h"
#include "tasks/task.h"
#include "train/optimizer.h"
#include "train/trainer.h"

namespace gadolin {

// What is learned from.
struct DataChoice {
  std::string path, splits, shares = "0.7/0.15/0.15";
  DatasetOptions read;
  bool ignore_splits = false;
  bool skip_wrong = false;  // of boxes: wrong rows are left out and named
  int folds = 0;            // runs, each with another part of the patients for validation; 0: one run
  std::function<std::unique_ptr<Dataset>()> open;  // of other command groups: instead of that of the task
};

// What learns: the net, and what it starts from.
struct NetChoice {
  std::string model = "resnet18", init_from;
  int channels = 0, width = 64;
  bool small_input = false;
  std::vector<std::string> exclude_scopes, trainable_scopes, freeze, net_options;
  // Of other command groups:
  NetOptions options;                    // besides width and small_input
  std::function<void(Module&)> settled;  // the last word on what learns, before the first step
  double norm_momentum = 0;              // of batch norms, as PyTorch counts it; 0: the net's own
  State initial;  // weights that were read from init_from; what the net does not have is passed over
  bool ignore_missing = false;  // and what they do not have stays as it starts
};

// How pictures come to the net.
struct InputChoice {
  int size = 224;
  std::string augment = "standard", pipeline, bad_samples = "skip", sampler = "shuffled";
  double mixup = 0, cutmix = 0;  // alphas; 0: off
  // Of other command groups: instead of the sampler that `sampler` names.
  std::function<std::shared_ptr<const Sampler>(const Dataset& train, BatchCut cut)> make_sampler;
  bool keep_last_batch = false;  // of an epoch, where it is not full
  std::int64_t batch_size = 32, eval_batch_size = 0;
  int workers = -1;
};

// How weights change.
struct UpdateChoice {
  std::string optimizer = "adamw", schedule = "cosine";
  double lr = 1e-3, min_lr = 0, momentum = 0.9, weight_decay = -1, warmup_epochs = -1, loss_scale = 0;
  double clip_norm = 0, clip_each_norm = 0, clip_value = 0;
  bool decay_norm_and_bias = false;
  // Of other command groups:
  std::optional<OptimizerOptions> exact;  // instead of optimizer, momentum, weight_decay
  bool decay_all_but_norms = false;       // biases of other layers are decayed too
};

struct TrainCommand {
  std::string task = "classification", out, resume;  // task: a kind that can be trained (tasks/task.h)
  bool overwrite = false, anomaly = false, no_capture = false;
  DataChoice data;
  NetChoice net;
  InputChoice input;
  LossOptions loss;
  UpdateChoice update;
  TrainOptions loop;
  // Of other command groups:
  // What depends on the number of training samples.
  std::function<void(TrainCommand& o, std::int64_t samples)> settle;
  // A line every loop.log_every steps instead of a bar, and images/s in it.
  bool log_steps = false, log_rate = false;
  // As in TrainPlan (tasks/training.h).
  std::int64_t epoch_batches = 0;
  bool evaluate = true, val_loss = false;
  std::map<std::string, std::string> facts;
  std::vector<std::string> apart;  // classes that count in no mean (tasks/classification.h)
  std::function<void(const Evaluator&)> evaluated;
  std::function<void(RunDir& run, std::int64_t epoch, const MetricList& row)> after_row;
  // `resume` names a checkpoint, and the run may go on in another folder.
  bool resume_elsewhere = false;
  // Of run_training: called once the folder of the run is its own and everything else has been checked.
  std::function<void()> opened;
};

void add_train_options(CLI::App* app, TrainCommand& o);

// config.toml, with what options came to stand for (Program::effective_config).
using ConfigText = std::function<std::string(const Settled&)>;

// Trains as `o` says, in the folder o.out; `config` is written there, with everything settled that options
// leave open. Every mistake that can be seen before the first step is seen before the folder is touched.
// Throws what reading the data, making the net and Trainer::run throw.
void run_training(Session& session, TrainCommand o, const ConfigText& config);

// What can be seen without the data and is no range of a number: an unknown task or net, options that exclude
// each other. Throws UsageError naming the option.
void check_train_options(const TrainCommand& o);

}  // namespace gadolin
