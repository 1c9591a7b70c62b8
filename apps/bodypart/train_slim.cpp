// The flags of TF-Slim's trainer as a training run.
#include <cmath>

#include "apps/bodypart/records.h"
#include "apps/bodypart/slim_models.h"
#include "apps/bodypart/train_flags.h"

namespace gadolin::bodypart {
namespace {

void within(const char* option, double value, double low, double high) {
  require<UsageError>(value >= low && value <= high, train_command, ": ", option, " ", value, " is not in ",
                      low, "..", high);
}

void check_slim_flags(const TrainFlags& f) {
  within("--learning-rate", f.learning_rate, 1e-12, 1e6);
  within("--learning-rate-decay-factor", f.decay_factor, 1e-6, 1);
  within("--num-epochs-per-decay", f.epochs_per_decay, 1e-6, 1e6);
  within("--end-learning-rate", f.end_learning_rate, 0, 1e6);
  within("--weight-decay", f.weight_decay, 0, 1);
  within("--momentum", f.momentum, 0, 0.999999);
  within("--rmsprop-momentum", f.rmsprop_momentum, 0, 0.999999);
  within("--rmsprop-decay", f.rmsprop_decay, 0, 0.999999);
  within("--opt-epsilon", f.opt_epsilon, 1e-12, 1e6);
  within("--adam-beta1", f.adam_beta1, 0, 0.999999);
  within("--adam-beta2", f.adam_beta2, 0, 0.99999999);
  within("--adadelta-rho", f.adadelta_rho, 0, 0.999999);
  within("--adagrad-initial-accumulator-value", f.adagrad_accumulator, 1e-12, 1e6);
  within("--ftrl-initial-accumulator-value", f.ftrl_accumulator, 1e-12, 1e6);
  within("--ftrl-learning-rate-power", f.ftrl_power, -10, 0);
  within("--ftrl-l1", f.ftrl_l1, 0, 1e6);
  within("--ftrl-l2", f.ftrl_l2, 0, 1e6);
  within("--label-smoothing", f.label_smoothing, 0, 0.999999);
  within("--moving-average-decay", f.moving_average, 0, 0.99999999);
  within("--save-interval-secs", f.save_secs, 0, 1e9);
  within("--save-summaries-secs", f.summary_secs, 0, 1e9);
  within("--log-every-n-steps", static_cast<double>(f.log_every), 1, 1e9);
  within("--num-readers", f.readers, 1, 1e6);
  check_devices(train_command, cat("--num-clones ", f.clones), f.clones);
}

// Formulas and start values are tf.train's; decay is of convolutions and linear layers, not of their biases.
OptimizerOptions slim_rule(const TrainFlags& f) {
  OptimizerOptions r;
  if (f.optimizer == "rmsprop") {
    r = optimizer_options("rmsprop_slim");
    r.momentum = f.rmsprop_momentum;
    r.alpha = f.rmsprop_decay;
    r.eps = f.opt_epsilon;
  } else if (f.optimizer == "adam") {
    r = optimizer_options("adam");
    r.beta1 = f.adam_beta1;
    r.beta2 = f.adam_beta2;
    r.eps = f.opt_epsilon;
    r.eps_before_bias = true;
  } else if (f.optimizer == "adadelta") {
    r = optimizer_options("adadelta");
    r.alpha = f.adadelta_rho;
    r.eps = f.opt_epsilon;
  } else if (f.optimizer == "adagrad") {
    r = optimizer_options("adagrad");
    r.initial_square = f.adagrad_accumulator;
  } else if (f.optimizer == "ftrl") {
    r = optimizer_options("ftrl");
    r.initial_square = f.ftrl_accumulator;
    r.power = -f.ftrl_power;
    r.l1 = f.ftrl_l1;
    r.l2 = f.ftrl_l2;
  } else {
    require<UsageError>(f.optimizer == "sgd" || f.optimizer == "momentum", train_command, ": --optimizer ",
                        f.optimizer,
                        " is unknown; use adadelta, adagrad, adam, ftrl, momentum, sgd or rmsprop");
    if (f.optimizer == "momentum") r.momentum = f.momentum;
  }
  r.lr = f.learning_rate;
  r.weight_decay = f.weight_decay;
  r.decay_norm_and_bias = false;
  return r;
}

// 0.94 as 0.94, and back from the text to the same bits.
std::string decimal_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  for (int digits = 1; digits < 17; ++digits) {
    char shorter[40];
    std::snprintf(shorter, sizeof shorter, "%.*g", digits, value);
    if (std::strtod(shorter, nullptr) == value) return shorter;
  }
  return text;
}

}  // namespace

std::int64_t decay_steps(std::int64_t samples, std::int64_t batch_size, double epochs) {
  const double steps = static_cast<double>(samples) / static_cast<double>(batch_size) * epochs;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
}

TrainCommand slim_command(const TrainFlags& f, const Session&) {
  check_slim_flags(f);
  require<UsageError>(
      f.decay_type == "fixed" || f.decay_type == "polynomial" || f.decay_type == "exponential", train_command,
      ": --learning-rate-decay-type ", f.decay_type, " is unknown; use fixed, polynomial or exponential");
  require<UsageError>(f.decay_type != "polynomial" || f.end_learning_rate <= f.learning_rate, train_command,
                      ": --end-learning-rate ", f.end_learning_rate, " is above --learning-rate ",
                      f.learning_rate);
  require<UsageError>(!f.dataset_dir.empty(), train_command,
                      ": --dataset-dir is missing; give the folder that convert-data wrote");
  const SlimModel& net = slim_model(train_command, f.model_name);
  const Preprocessing kind =
      preprocessing_of(train_command, f.preprocessing_name.empty() ? net.name : f.preprocessing_name);
  TrainCommand o;
  o.data.path = f.dataset_dir;
  o.net.model = net.model;
  if (net.name.rfind("inception", 0) == 0) o.net.options["aux_logits"] = net.auxiliary;
  o.input.size = f.image_size > 0 ? f.image_size : net.size;
  o.input.augment = training_pipeline(kind, o.input.size, f.channels, !f.no_color_jitter);
  o.input.pipeline = evaluation_pipeline(kind, o.input.size, f.channels);
  o.data.open = [f] {
    return open_training_records(train_command, f.dataset_name, f.dataset_dir, f.labels_offset, f.split_name);
  };
  o.update.lr = f.learning_rate;
  o.update.exact = slim_rule(f);
  o.update.schedule = "constant";
  if (f.decay_type == "polynomial") o.update.min_lr = f.end_learning_rate;
  o.settle = [f](TrainCommand& run, std::int64_t samples) {
    const std::int64_t steps = decay_steps(samples, f.batch_size, f.epochs_per_decay);
    if (f.decay_type == "exponential")
      run.update.schedule = cat("exponential:", decimal_text(f.decay_factor), ":", steps, "s");
    if (f.decay_type == "polynomial") run.update.schedule = cat("polynomial:1:", steps, "s");
  };
  o.loss.label_smoothing = f.label_smoothing;
  o.log_steps = true;
  o.loop.epochs = endless_epochs;
  o.loop.ema = f.moving_average;
  o.loop.log_every = f.log_every;
  o.loop.save_seconds = f.save_secs;
  o.loop.summary_seconds = f.summary_secs;
  return o;
}

}  // namespace gadolin::bodypart
