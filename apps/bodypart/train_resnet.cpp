// The flags of the native ResNet trainer as a training run.
#include <algorithm>

#include "apps/bodypart/records.h"
#include "apps/bodypart/slim_models.h"
#include "apps/bodypart/train_flags.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::bodypart {
namespace {

void check_resnet_flags(const TrainFlags& f, const Session& session) {
  require<UsageError>(f.version == 1 || f.version == 2, train_command, ": --version ", f.version,
                      " is unknown; use 1 or 2");
  const int sizes[] = {18, 34, 50, 101, 152, 200};
  require<UsageError>(std::find(std::begin(sizes), std::end(sizes), f.resnet_size) != std::end(sizes),
                      train_command, ": --resnet-size ", f.resnet_size,
                      " is unknown; use 18, 34, 50, 101, 152 or 200");
  require<UsageError>(f.train_epochs > 0 && f.epochs_between_evals > 0, train_command, ": --train-epochs ",
                      f.train_epochs, " and --epochs-between-evals ", f.epochs_between_evals,
                      " must be above 0");
  require<UsageError>(f.stop_threshold >= 0 && f.stop_threshold <= 1, train_command, ": --stop-threshold ",
                      f.stop_threshold, " is no accuracy; use 0 (never) to 1");
  require<UsageError>(f.loss_scale >= 0 && f.loss_scale <= 1e9, train_command, ": --loss-scale ",
                      f.loss_scale, " is not in 0..1e9");
  require<UsageError>(
      f.data_format == "auto" || f.data_format == "channels_first" || f.data_format == "channels_last",
      train_command, ": --data-format ", f.data_format,
      " is unknown; use auto, channels_first or channels_last");
  check_devices(train_command, cat("--num-gpus ", f.gpus), f.gpus);
  check_devices(train_command, "--multi-gpu", f.multi_gpu ? std::max(2, processes().size()) : 1);
  require<UsageError>(f.gpus >= 1 || session.device().is_cpu(), train_command,
                      ": --num-gpus 0 with --device cuda contradict each other; use --device cpu");
  require<UsageError>(f.benchmark_log_dir.empty(), train_command,
                      ": --benchmark-log-dir has no meaning here; numbers are in metrics.csv of the run, ",
                      "and in the final event of --json");
  const bool cloud = !f.gcp_project.empty() || !f.bigquery_data_set.empty() ||
                     !f.bigquery_run_table.empty() || !f.bigquery_run_status_table.empty() ||
                     !f.bigquery_metric_table.empty();
  require<UsageError>(!cloud, train_command,
                      ": --gcp-project and --bigquery options would upload results, and nothing leaves this "
                      "machine; leave them out");
  for (const std::string& hook : f.hooks) {
    require<UsageError>(hook != "ProfilerHook", train_command,
                        ": --hooks ProfilerHook is TensorFlow's profiler; use gadolin bench model, or nsys");
    require<UsageError>(
        hook == "LoggingTensorHook" || hook == "ExamplesPerSecondHook" || hook == "LoggingMetricHook",
        train_command, ": --hooks ", hook,
        " is unknown; use LoggingTensorHook, ExamplesPerSecondHook or LoggingMetricHook");
  }
  require<UsageError>(f.synthetic || !f.dataset_dir.empty(), train_command,
                      ": --data-dir is missing; give the folder that convert-data wrote, ",
                      "or --use-synthetic-data");
}

}  // namespace

TrainCommand resnet_command(const TrainFlags& f, const Session& session) {
  check_resnet_flags(f, session);
  if (f.intra_threads > 0) set_num_threads(f.intra_threads);
  TrainCommand o;
  o.data.path = f.synthetic ? "synthetic data" : f.dataset_dir;
  o.net.model = cat(f.version == 1 ? "resnet" : "resnet_v2_", f.resnet_size);
  o.input.size = f.image_size > 0 ? f.image_size : 224;
  o.input.augment = training_pipeline(Preprocessing::vgg, o.input.size, f.channels, false);
  o.input.pipeline = evaluation_pipeline(Preprocessing::vgg, o.input.size, f.channels);
  o.data.open = [f] {
    return f.synthetic ? synthetic_records(32 * f.batch_size, 2 * f.batch_size)
                       : open_training_records(train_command, "dicom", f.dataset_dir, 0, "train");
  };
  OptimizerOptions rule = optimizer_options("momentum");
  rule.lr = 0.1 * static_cast<double>(f.batch_size) / 256;
  rule.weight_decay = 1e-4;
  o.update.exact = rule;
  o.update.decay_all_but_norms = true;
  o.net.norm_momentum = 1 - 0.997;
  o.update.lr = rule.lr;
  o.update.schedule = "multi-step:30,60,80,90:0.1";
  o.update.loss_scale = f.loss_scale > 0 ? f.loss_scale : session.compute() == DType::fp16 ? 128 : 1;
  o.loop.epochs = f.train_epochs;
  o.loop.epochs_between_evals = f.epochs_between_evals;
  o.loop.stop_threshold = f.stop_threshold;
  o.loop.log_every = 100;
  const auto hooked = [&](const char* name) {
    return std::find(f.hooks.begin(), f.hooks.end(), name) != f.hooks.end();
  };
  o.log_rate = hooked("ExamplesPerSecondHook");
  o.log_steps = hooked("LoggingTensorHook") || o.log_rate;
  return o;
}

}  // namespace gadolin::bodypart
