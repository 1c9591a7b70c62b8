#include "apps/bodypart/train_flags.h"

#include <algorithm>
#include <type_traits>

#include "apps/bodypart/commands.h"
#include "apps/program/ranges.h"

namespace gadolin::bodypart {
namespace {

// Defaults stand in the texts, not with the options: config.toml then holds what was given, and only that.
class Adder {
 public:
  Adder(CLI::App* app, TrainFlags& f, std::string owner) : app_(app), f_(f), owner_(std::move(owner)) {}
  template <class T> CLI::Option* operator()(const std::string& names, T& value, const std::string& about) {
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<T, bool>)
      option = app_->add_flag(both_spellings(names), value, about);
    else
      option = app_->add_option(both_spellings(names), value, about);
    if (!owner_.empty()) f_.owners.emplace_back(option->group("Options of --trainer " + owner_), owner_);
    return option;
  }

 private:
  CLI::App* app_;
  TrainFlags& f_;
  std::string owner_;
};

void add_common(CLI::App* app, TrainFlags& f) {
  Adder add(app, f, "");
  add("--trainer", f.trainer,
      "slim: the flags of TF-Slim's train_image_classifier; resnet: those of the native ResNet trainer")
      ->capture_default_str();
  add("--train-dir,--model-dir,--out", f.train_dir, "Folder of the run; one that holds a run is continued")
      ->required();
  add("--dataset-dir,--data-dir", f.dataset_dir,
      "Records of convert-data, or anything that gadolin train takes");
  add("--batch-size", f.batch_size, "Pictures a step, default 32")->check(between(1, 1000000));
  add("--max-number-of-steps,--max-train-steps", f.max_steps,
      "Steps; default: slim trains until it is stopped, resnet --train-epochs")
      ->check(count_from(0));
  add("--eval-every", f.eval_every,
      "Steps between evaluations on the validation records; default: at the end of epochs")
      ->check(count_from(0));
  add("--checkpoint-path,--init-from", f.checkpoint_path,
      "First weights: a file, the folder of a run, a checkpoint of TF-Slim; passed over when the run is "
      "continued");
  add("--checkpoint-exclude-scopes,--exclude-scopes", f.exclude_scopes,
      "Parts that keep their own first values, such as InceptionV4/Logits or fc")
      ->delimiter(',');
  add("--trainable-scopes", f.trainable_scopes, "Only these parts learn; default all")->delimiter(',');
  add("--ignore-missing-vars", f.ignore_missing_vars, "What --checkpoint-path lacks starts anew");
  add("--num-preprocessing-threads,--num-parallel-calls,--workers", f.workers,
      "Threads that decode; default one a core")
      ->check(between(-1, 64));
  add("--channels", f.channels, "3, or 1 for grey nets; default 3")->check(between(1, 3));
  add("--train-image-size", f.image_size, "Pixels a side; default the net's own")->check(between(0, 65536));
  add("--net-option", f.net_options, "NAME=VALUE of the net, such as width=32; may be repeated");
  add("--batch-norm-decay", f.batch_norm_decay,
      "What running statistics keep of themselves a step; default 0.997 with resnet, 0.9 with slim");
  add("--keep", f.keep, "Checkpoints to keep, default 3")->check(count_from(1));
}

void add_slim(CLI::App* app, TrainFlags& f) {
  Adder add(app, f, "slim");
  add("--dataset-name", f.dataset_name, "dicom; there is no other");
  add("--dataset-split-name", f.split_name, "Records to train on, default train");
  add("--model-name", f.model_name,
      "inception_v1 v3 v4, inception_resnet_v2, resnet_v1_50 101 152 200, resnet_v2_..., vgg_a 16 19; "
      "default inception_v3");
  add("--preprocessing-name", f.preprocessing_name, "inception, vgg or a net's; default the net's own");
  add("--no-color-jitter", f.no_color_jitter,
      "Inception's preprocessing leaves brightness and contrast alone");
  add("--labels-offset", f.labels_offset, "This many first classes are left out, default 0")
      ->check(count_from(0));
  add("--log-every-n-steps", f.log_every, "Default 10")->check(count_from(1));
  add("--save-interval-secs", f.save_secs, "Seconds between checkpoints, default 600");
  add("--save-summaries-secs", f.summary_secs, "Seconds between scalars of the event file, default 600");
  add("--optimizer", f.optimizer, "adadelta, adagrad, adam, ftrl, momentum, sgd or rmsprop, the default");
  add("--learning-rate", f.learning_rate, "Default 0.01");
  add("--learning-rate-decay-type", f.decay_type, "fixed, polynomial or exponential, the default");
  add("--learning-rate-decay-factor", f.decay_factor, "Of exponential, default 0.94");
  add("--num-epochs-per-decay", f.epochs_per_decay, "Default 2");
  add("--end-learning-rate", f.end_learning_rate, "Of polynomial, default 0.0001");
  add("--weight-decay", f.weight_decay, "Of convolutions and linear layers, default 0.00004");
  add("--momentum", f.momentum, "Of momentum, default 0.9");
  add("--rmsprop-momentum", f.rmsprop_momentum, "Default 0.9");
  add("--rmsprop-decay", f.rmsprop_decay, "Default 0.9");
  add("--opt-epsilon", f.opt_epsilon, "Of adadelta, adam and rmsprop, default 1");
  add("--adam-beta1", f.adam_beta1, "Default 0.9");
  add("--adam-beta2", f.adam_beta2, "Default 0.999");
  add("--adadelta-rho", f.adadelta_rho, "Default 0.95");
  add("--adagrad-initial-accumulator-value", f.adagrad_accumulator, "Default 0.1");
  add("--ftrl-initial-accumulator-value", f.ftrl_accumulator, "Default 0.1");
  add("--ftrl-learning-rate-power", f.ftrl_power, "Default -0.5");
  add("--ftrl-l1", f.ftrl_l1, "Default 0");
  add("--ftrl-l2", f.ftrl_l2, "Default 0");
  add("--label-smoothing", f.label_smoothing, "Default 0");
  add("--moving-average-decay", f.moving_average,
      "Average the weights, and evaluate the averages; default off");
  add("--num-clones", f.clones, "Processes of gadolin launch, each with batches of --batch-size; default 1")
      ->check(between(1, 4096));
  add("--num-readers", f.readers, "Changes nothing: records are read at random places");
}

void add_resnet(CLI::App* app, TrainFlags& f) {
  Adder add(app, f, "resnet");
  add("--version", f.version, "1: He et al. 2015; 2: pre-activation; default 1");
  add("--resnet-size", f.resnet_size, "18, 34, 50, 101, 152 or 200; default 50");
  add("--train-epochs", f.train_epochs, "Default 100");
  add("--epochs-between-evals", f.epochs_between_evals, "Default 1");
  add("--stop-threshold", f.stop_threshold, "End once the accuracy of the validation records reaches this");
  add("--use-synthetic-data", f.synthetic, "Black pictures instead of --data-dir, to measure the speed");
  add("--loss-scale", f.loss_scale, "Fixed; default 128 for --dtype fp16, else 1");
  add("--hooks", f.hooks, "LoggingTensorHook, ExamplesPerSecondHook, LoggingMetricHook; default the first")
      ->delimiter(',');
  add("--export-dir", f.export_dir,
      "Leave the best weights without the state of the training here, as model.gdck");
  add("--data-format", f.data_format,
      "channels_first, channels_last or auto: changes nothing, the memory order is chosen by device");
  add("--num-gpus", f.gpus, "0 with --device cpu, or the processes of gadolin launch; default 1")
      ->check(between(0, 4096));
  add("--multi-gpu", f.multi_gpu, "Train on the processes of gadolin launch, which must be several");
  add("--intra-op-parallelism-threads", f.intra_threads, "CPU threads, as --threads; default 0: all");
  add("--inter-op-parallelism-threads", f.inter_threads, "Changes nothing: ops run one after another");
  add("--benchmark-log-dir", f.benchmark_log_dir,
      "Refused: numbers are in metrics.csv and the final event of --json");
  add("--gcp-project", f.gcp_project, "Refused, as the next four: no results leave this machine");
  add("--bigquery-data-set", f.bigquery_data_set, "Refused");
  add("--bigquery-run-table", f.bigquery_run_table, "Refused");
  add("--bigquery-run-status-table", f.bigquery_run_status_table, "Refused");
  add("--bigquery-metric-table", f.bigquery_metric_table, "Refused");
}

}  // namespace

void add_train_flags(CLI::App* app, TrainFlags& f) {
  add_common(app, f);
  add_slim(app, f);
  add_resnet(app, f);
}

}  // namespace gadolin::bodypart
