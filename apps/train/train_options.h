// The options of gadolin train: what they are called, what they may be.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/dataset.h"
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
  double lr = 1e-3, momentum = 0.9, weight_decay = -1, warmup_epochs = -1, min_lr = 0, label_smoothing = 0, focal_gamma = 2,
         loss_scale = 0;
  bool class_weights = false, decay_norm_and_bias = false;
  OptimizerOptions rule;
  TrainOptions train;
};

void add_train_options(CLI::App* app, TrainCommand& o);

// What can be seen without the data: numbers outside their range. Throws UsageError naming the option.
void check_train_options(const TrainCommand& o);

}  // namespace gadolin
