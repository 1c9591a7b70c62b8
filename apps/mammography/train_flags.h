// The flags of `gadolin mammography train`: those of Keras RetinaNet, and what is added to them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/mammography/marked_data.h"

namespace gadolin::mammography {

// What a flag is without being given depends on --preset, so it stays empty: config.toml then holds what was
// given, and only that.
struct TrainFlags {
  MarkedData data;
  std::string val_annotations;
  // sgd: the recipe of later detectors; modern: Keras RetinaNet as it ended; legacy: of December 2017.
  std::string preset = "sgd";
  std::string snapshot, weights, imagenet_weights;
  bool no_weights = false;
  std::string backbone = "resnet50";
  std::int64_t batch_size = 1;
  std::optional<int> gpu;
  int multi_gpu = 0;
  bool multi_gpu_force = false;
  std::optional<std::int64_t> initial_epoch, epochs, steps;
  std::optional<double> lr, clipnorm;
  std::string snapshot_path = "./snapshots", tensorboard_dir, tensorboard_freq = "epoch";
  bool no_snapshots = false, no_evaluation = false, freeze_backbone = false, random_transform = false;
  std::optional<int> min_side, max_side;
  bool no_resize = false, weighted_average = false, compute_val_loss = false;
  std::string config;
  std::optional<std::int64_t> reduce_lr_patience;
  std::optional<double> reduce_lr_factor;
  std::string group_method = "ratio";
  int workers = 1, max_queue_size = 10;
  bool multiprocessing = false;
  // Not of the original:
  std::string optimizer, schedule, tile;
  std::string background_share = "all";  // or a number
  std::optional<double> warmup_epochs, weight_decay;
  std::int64_t early_stop = 5;
  double early_stop_delta = 0.01;
  std::vector<std::string> net_options;
  int channels = 0;
  std::string shares = "0.7/0.15/0.15", splits;
  bool overwrite = false;
};

void add_train_flags(CLI::App* app, TrainFlags& f);
// Flags that exclude each other, or that have no meaning here: UsageError with the way out. Those that are
// accepted and do something else than in the original are told.
void check_train_flags(const Session& session, const TrainFlags& f);

}  // namespace gadolin::mammography
