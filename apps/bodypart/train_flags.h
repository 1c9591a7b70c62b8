// The flags of both trainers of A1, and what each means for the one training run (apps/run/train_options.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/run/train_options.h"

namespace gadolin::bodypart {

// As messages name the command.
inline constexpr const char* train_command = "bodypart train";

// Defaults are the reference's.
struct TrainFlags {
  std::string trainer = "slim";  // or resnet

  // Of both; the two trainers call the same thing by different names.
  std::string train_dir, dataset_dir, checkpoint_path;
  std::vector<std::string> exclude_scopes, trainable_scopes, net_options;
  bool ignore_missing_vars = false;
  std::int64_t batch_size = 32, max_steps = 0, eval_every = 0;
  int workers = -1, channels = 3, image_size = 0, keep = 3;
  double batch_norm_decay = -1;

  // Slim
  std::string dataset_name = "dicom", split_name = "train", model_name = "inception_v3", preprocessing_name;
  std::string optimizer = "rmsprop", decay_type = "exponential";
  double learning_rate = 0.01, decay_factor = 0.94, epochs_per_decay = 2, end_learning_rate = 0.0001,
         weight_decay = 0.00004;
  double momentum = 0.9, rmsprop_momentum = 0.9, rmsprop_decay = 0.9, opt_epsilon = 1, adam_beta1 = 0.9,
         adam_beta2 = 0.999;
  double adadelta_rho = 0.95, adagrad_accumulator = 0.1, ftrl_accumulator = 0.1, ftrl_l1 = 0, ftrl_l2 = 0,
         ftrl_power = -0.5;
  double label_smoothing = 0, moving_average = 0, save_secs = 600, summary_secs = 600;
  std::int64_t log_every = 10;
  int labels_offset = 0, clones = 1, readers = 4;
  bool no_color_jitter = false;

  // Native ResNet
  int version = 1, resnet_size = 50, gpus = 1, inter_threads = 0, intra_threads = 0;
  std::int64_t train_epochs = 100, epochs_between_evals = 1;
  double stop_threshold = 0, loss_scale = 0;
  bool synthetic = false, multi_gpu = false;
  std::string data_format = "auto", export_dir;
  std::vector<std::string> hooks{"LoggingTensorHook"};
  std::string benchmark_log_dir, gcp_project, bigquery_data_set, bigquery_run_table,
      bigquery_run_status_table, bigquery_metric_table;

  // Options of one trainer only, to refuse them with the other.
  std::vector<std::pair<CLI::Option*, std::string>> owners;
};

void add_train_flags(CLI::App* app, TrainFlags& f);

// What the flags ask for, apart from data, first weights and scopes. Throw UsageError for what is out of
// range, unknown or has no meaning here.
TrainCommand slim_command(const TrainFlags& f, const Session& session);
TrainCommand resnet_command(const TrainFlags& f, const Session& session);

// D of Slim's staircase: the steps between two decays of the rate, whole steps of `samples / batch_size *
// epochs`, at least 1.
std::int64_t decay_steps(std::int64_t samples, std::int64_t batch_size, double epochs);

}  // namespace gadolin::bodypart
