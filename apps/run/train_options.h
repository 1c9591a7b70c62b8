// The options of gadolin train: what they are called, what they may be; and the run that they describe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/dataset.h"
#include "nets/registry.h"
#include "train/optimizer.h"
#include "train/trainer.h"

namespace gadolin {

struct TrainCommand {
  std::string data, splits, model = "resnet18", out, resume, init_from;
  DatasetOptions dataset;
  std::vector<std::string> exclude_scopes, trainable_scopes, freeze;
  int input_size = 224, channels = 0, width = 64;
  bool small_input = false, overwrite = false, ignore_splits = false, anomaly = false, no_capture = false;
  std::int64_t batch_size = 32, eval_batch_size = 0;
  int workers = -1;
  std::string bad_samples = "skip";
  std::string augment = "standard", pipeline;
  std::string shares = "0.7/0.15/0.15";
  std::string optimizer = "adamw", schedule = "cosine", loss = "auto";
  double lr = 1e-3, momentum = 0.9, weight_decay = -1, warmup_epochs = -1, min_lr = 0, label_smoothing = 0,
         focal_gamma = 2, loss_scale = 0;
  bool class_weights = false, decay_norm_and_bias = false;
  OptimizerOptions rule;
  TrainOptions train;

  // Not options of gadolin train, but of command groups that map their own onto its run:
  std::function<std::unique_ptr<Dataset>()> open;  // instead of open_dataset(data, dataset)
  std::function<void(TrainCommand& o, std::int64_t samples)>
      settle;                                  // what depends on the number of training samples
  std::optional<OptimizerOptions> exact_rule;  // instead of optimizer, momentum, weight_decay
  bool decay_all_but_norms = false;            // biases of other layers are decayed too
  double norm_momentum = 0;                    // of batch norms, as PyTorch counts it; 0: the net's own
  NetOptions net_options;                      // besides width and small_input
  State initial;  // weights that were read from init_from; what the net does not have is passed over
  bool ignore_missing = false;  // and what they do not have stays as it starts
  bool log_steps = false,
       log_rate = false;  // a line every train.log_every steps instead of a bar, images/s in it
};

void add_train_options(CLI::App* app, TrainCommand& o);

// Trains as `o` says, in the folder o.out; `config` is written there. Every mistake that can be seen before
// the first step is seen before the folder is touched. Throws what reading the data, making the net and
// Trainer::run throw.
void train_classifier(Session& session, TrainCommand o, const std::string& config);

// What can be seen without the data: numbers outside their range. Throws UsageError naming the option.
void check_train_options(const TrainCommand& o);

}  // namespace gadolin
