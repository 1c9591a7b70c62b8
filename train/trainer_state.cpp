// What a checkpoint of a training run holds: everything that decides later numbers. And what it must not
// hold.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/trainer.h"

namespace gadolin {
namespace {

std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::map<std::string, Tensor> with_prefix(const Checkpoint& checkpoint, const std::string& prefix) {
  std::map<std::string, Tensor> found;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name.rfind(prefix, 0) == 0) found[name.substr(prefix.size())] = tensor;
  }
  return found;
}

}  // namespace

Checkpoint Trainer::checkpoint() const {
  Checkpoint c;
  for (const Parameter& p : model_.state()) c.tensors["model." + p.name] = p.tensor.detach();
  for (const Parameter& p : optimizer_.state()) c.tensors["optimizer." + p.name] = p.tensor;
  if (average_) {
    for (const Parameter& p : average_->state()) c.tensors["ema." + p.name] = p.tensor;
  }
  for (const auto& [name, sum] : losses_.state()) c.tensors["trainer." + name] = sum;
  const auto whole = [&](const char* name, std::int64_t value) { c.facts[name] = std::to_string(value); };
  whole("step", step_);
  whole("epoch", epoch_);
  whole("step_in_epoch", step_in_epoch_);
  whole("steps_in_row", steps_in_row_);
  whole("best_step", best_step_);
  whole("bad_losses", bad_losses_);
  c.facts["best"] = any_best_ ? exact(best_) : "";
  c.facts["schedule"] = schedule_.text();
  c.facts["schedule_state"] = schedule_.state();
  c.facts["early_stop"] = early_stop_.state();
  c.facts["generator_seed"] = std::to_string(default_generator().seed);
  c.facts["generator_calls"] = std::to_string(default_generator().calls);
  if (hooks_.describe) hooks_.describe(c);
  return c;
}

void Trainer::restore(const Checkpoint& c) {
  require<CheckpointError, 20>(c.fact("schedule") == schedule_.text(),
                               "resume: the checkpoint was made with schedule ", c.fact("schedule"),
                               ", now it is ", schedule_.text(), "; start anew with --init-from");
  model_.load_state(with_prefix(c, "model."), {}, "checkpoint");
  optimizer_.load_state(with_prefix(c, "optimizer."));
  if (average_) average_->load_state(with_prefix(c, "ema."));
  losses_.load_state(with_prefix(c, "trainer."));
  step_ = c.number("step");
  epoch_ = c.number("epoch");
  step_in_epoch_ = c.number("step_in_epoch");
  steps_in_row_ = c.has("steps_in_row") ? c.number("steps_in_row") : step_in_epoch_;
  if (step_in_epoch_ >= steps_per_epoch()) {  // older checkpoints stand behind the last step of an epoch
    ++epoch_;
    step_in_epoch_ = 0;
  }
  best_step_ = c.number("best_step");
  bad_losses_ = static_cast<int>(c.number("bad_losses"));
  any_best_ = !c.fact("best").empty();
  if (any_best_) best_ = std::strtod(c.fact("best").c_str(), nullptr);
  schedule_.set_state(c.fact("schedule_state"));
  if (c.has("early_stop")) early_stop_.set_state(c.fact("early_stop"));
  default_generator().seed = std::strtoull(c.fact("generator_seed").c_str(), nullptr, 10);
  default_generator().calls = std::strtoull(c.fact("generator_calls").c_str(), nullptr, 10);
  resume_step_ = step_;
  resume_row_ = steps_in_row_ > 0 ? step_ - 1 : step_;
  saved_step_ = step_;
}

// A plateau that never ends cuts the rate until nothing is learnt: said once, as it happens.
void Trainer::observe(double metric) {
  if (!schedule_.watches_metric()) return;
  const double before = schedule_.lr_at(step_), least = schedule_.base_lr() / 1000;
  schedule_.observe(metric);
  const double now = schedule_.lr_at(step_);
  if (now < least && before >= least && hooks_.warn && communicator_.first())
    hooks_.warn(cat("warning: schedule ", schedule_.text(), " has cut the learning rate to ", now,
                    ", below a thousandth of ", schedule_.base_lr(), ": hardly anything is learnt any more"));
}

void Trainer::check_loss(double loss) {
  const bool finite = std::isfinite(loss);
  const bool skipped = optimizer_.skips_overflows() && optimizer_.last_step_skipped();
  // A dynamic scale is expected to skip steps while it falls to where gradients fit; below 1 they never will.
  const bool falling = skipped && optimizer_.dynamic_scale() && optimizer_.loss_scale() >= 1;
  bad_losses_ = (finite && !skipped) || falling ? 0 : bad_losses_ + 1;
  // Weights that such a step has changed spoil every part of the next one.
  if (bad_losses_ <= 1) bad_parts_ = finite ? "" : parts_not_finite();
  if (bad_losses_ < std::max(1, options_.nan_patience)) return;
  const std::string what = finite ? "a gradient is not finite" : cat("the loss", bad_parts_, " is ", loss),
                    bad = first_not_finite();
  diverged(cat(what, ", ", bad_losses_, " steps in a row",
               bad.empty() ? "" : cat(", and the first weight that is not finite is ", bad)),
           finite ? "--loss-scale or --lr" : "--lr, --clip-norm 1");
}

// " (box)"; empty where the loss has no parts, or all are finite.
std::string Trainer::parts_not_finite() const {
  std::string names;
  for (const auto& [name, value] : losses_.last())
    if (!std::isfinite(communicator_.mean(value))) names += (names.empty() ? " (" : ", ") + name;
  return names.empty() ? names : names + ")";
}

// On a GPU losses are read now and then only, and a few steps in a row may be bad: a row must not hold such.
void Trainer::check_weights() {
  if (const std::string bad = first_not_finite(); !bad.empty())
    diverged(cat("the weight ", bad, " is not finite"), "--lr, --clip-norm 1");
}

std::string Trainer::first_not_finite() const {
  const NoGrad guard;
  for (const Parameter& p : model_.state()) {  // 0 times NaN or infinity is NaN
    if (is_floating(p.tensor.dtype()) && sum(mul(p.tensor.detach(), 0.0)).item() != 0) return p.name;
  }
  return {};
}

void Trainer::diverged(const std::string& what, const char* ways) const {
  fail<NumericError, 2>("train: the training diverged at step ", step_, " (epoch ", epoch_number(),
                        ", learning rate ", optimizer_.lr(), "): ", what, "; use a smaller ", ways,
                        ", or --detect-anomaly to find the op");
}

}  // namespace gadolin
