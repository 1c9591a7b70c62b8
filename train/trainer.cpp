#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "io/events.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/progress.h"
#include "train/signals.h"

namespace gadolin {
namespace {

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

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

struct Trainer::Logs {
  std::int64_t resume_step = -1;  // -1: a fresh run
  std::int64_t resume_row =
      -1;  // of metrics.csv: when steps wait for their row, that of this very step is not yet written
  std::optional<CsvLog> csv;  // made with the first row, when the columns are known
  std::optional<EventWriter> events;
  std::optional<Progress> progress;
  std::optional<CapturedStep> captured;
  std::vector<std::string> names;  // of a batch's tensors
  double row_started = 0, waited_before = 0, saved = 0, shown = 0;
  double logged = 0;  // when on_log was last called, or a row ended
  std::int64_t logged_step = 0;
};

void Trainer::check(const TrainOptions& options, const BatchSource& batches) {
  require<UsageError>(options.accumulate > 0 && options.epochs > 0,
                      "train: epochs and accumulation must be positive");
  require<UsageError>(options.eval_every >= 0 && options.epochs_between_evals > 0,
                      "train: evaluations every ", options.eval_every, " steps or ",
                      options.epochs_between_evals, " epochs are not possible; steps from 0, epochs from 1");
  require<DataError>(batches.batches_per_epoch() >= options.accumulate, "train: an epoch has ",
                     batches.batches_per_epoch(), " batches, but ", options.accumulate,
                     " are needed for a step; use a smaller batch");
}

Trainer::Trainer(Module& model, Optimizer& optimizer, Schedule& schedule, BatchSource& batches, RunDir& run,
                 TrainHooks hooks, TrainOptions options)
    : model_(model), optimizer_(optimizer), schedule_(schedule), batches_(batches), run_(run),
      hooks_(std::move(hooks)), options_(options), store_(run.checkpoints(), options.keep),
      logs_(std::make_shared<Logs>()) {
  check(options_, batches_);
  if (options_.ema > 0) average_ = std::make_unique<WeightAverage>(model_.state(), options_.ema);
  loss_sum_ = zeros({}, DType::fp64, optimizer_.parameters().front().tensor.device());
}

std::int64_t Trainer::steps_per_epoch() const { return batches_.batches_per_epoch() / options_.accumulate; }
std::int64_t Trainer::total_steps() const {
  const std::int64_t all = options_.epochs * steps_per_epoch();
  return options_.max_steps > 0 ? std::min(all, options_.max_steps) : all;
}

// --- state -------------------------------------------------------------------------------------------------

void Trainer::save(bool best) {
  Checkpoint c;
  for (const Parameter& p : model_.state()) c.tensors["model." + p.name] = p.tensor.detach();
  for (const Parameter& p : optimizer_.state()) c.tensors["optimizer." + p.name] = p.tensor;
  if (average_) {
    for (const Parameter& p : average_->state()) c.tensors["ema." + p.name] = p.tensor;
  }
  c.tensors["trainer.loss_sum"] = loss_sum_;
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
  c.facts["generator_seed"] = std::to_string(default_generator().seed);
  c.facts["generator_calls"] = std::to_string(default_generator().calls);
  if (hooks_.describe) hooks_.describe(c);
  store_.save(c, step_, best);
  saved_step_ = step_;
  logs_->saved = now();
}

void Trainer::restore(const Checkpoint& c) {
  require<CheckpointError, 20>(c.fact("schedule") == schedule_.text(),
                               "resume: the checkpoint was made with schedule ", c.fact("schedule"),
                               ", now it is ", schedule_.text(), "; start anew with --init-from");
  model_.load_state(with_prefix(c, "model."), {}, "checkpoint");
  optimizer_.load_state(with_prefix(c, "optimizer."));
  if (average_) average_->load_state(with_prefix(c, "ema."));
  loss_sum_.copy_(c.tensor("trainer.loss_sum"));
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
  default_generator().seed = std::strtoull(c.fact("generator_seed").c_str(), nullptr, 10);
  default_generator().calls = std::strtoull(c.fact("generator_calls").c_str(), nullptr, 10);
  logs_->resume_step = step_;
  logs_->resume_row = steps_in_row_ > 0 ? step_ - 1 : step_;
  saved_step_ = step_;
}

// --- steps -------------------------------------------------------------------------------------------------

// A step is before_batches(), one_batch() for each of its batches, after_batches(). All of it is recorded as
// one on a GPU: what changes from step to step lies on the device.
Trainer::Statistics Trainer::before_batches() const {
  Statistics saved;
  if (!optimizer_.dynamic_scale()) return saved;
  for (const Parameter& b : model_.buffers()) {
    if (is_floating(b.tensor.dtype())) saved.emplace_back(b.tensor, b.tensor.clone());
  }
  return saved;
}

Tensor Trainer::one_batch(const Batch& batch) {
  Tensor loss;
  {
    const ComputeScope compute(options_.compute);
    loss = hooks_.loss(batch);
  }
  Tensor seed = optimizer_.loss_seed(loss.dtype());
  if (options_.accumulate > 1) seed.mul_(1 / static_cast<double>(options_.accumulate));
  loss.backward(seed);
  const NoGrad guard;
  loss_sum_.add_(loss.detach().reshape({}).to(DType::fp64), 1 / static_cast<double>(options_.accumulate));
  return loss.detach();
}

void Trainer::after_batches(Statistics before) {
  const NoGrad guard;
  optimizer_.step();
  optimizer_.zero_grad();
  for (auto& [buffer, saved] : before) buffer.copy_(where(optimizer_.skipped(), saved, buffer));
  if (average_) average_->update();
}

void Trainer::check_loss(double loss) {
  bad_losses_ = std::isfinite(loss) || optimizer_.last_step_skipped() ? 0 : bad_losses_ + 1;
  if (bad_losses_ < std::max(1, options_.nan_patience)) return;
  std::string bad;
  for (const Parameter& p : optimizer_.parameters()) {
    if (bad.empty() && !std::isfinite(sum(p.tensor.detach()).item())) bad = p.name;
  }
  fail<NumericError>("train: the loss is ", loss, " at step ", step_, ", ", bad_losses_, " steps in a row",
                     bad.empty() ? std::string() : "; the first weight that is not finite is " + bad,
                     "; use a smaller --lr, --clip-norm 1, or --detect-anomaly to find the op");
}

void Trainer::one_step() {
  optimizer_.set_lr(schedule_.lr_at(step_));
  const bool on_gpu = loss_sum_.device().is_cuda();
  const auto next_batch = [&] {
    Batch batch = batches_.next();
    images_ += static_cast<double>(batch.size());
    return batch;
  };
  Tensor loss;
  if (captures(options_)) {
    if (!logs_->captured) {
      logs_->captured.emplace([this](const std::vector<Tensor>& tensors) {
        const std::vector<std::string>& names = logs_->names;
        const auto each = static_cast<std::ptrdiff_t>(names.size());
        Tensor last;
        const Statistics before = before_batches();
        for (auto at = tensors.begin(); at != tensors.end(); at += each)
          last = one_batch(Batch(names, {at, at + each}));
        after_batches(before);
        return last;
      });
    }
    std::vector<Tensor> tensors;
    for (std::int64_t i = 0; i < options_.accumulate; ++i) {
      const Batch batch = next_batch();
      logs_->names = batch.names();
      for (const Tensor& tensor : batch.tensors()) tensors.push_back(tensor);
    }
    loss = (*logs_->captured)(tensors);
  } else {
    const Statistics before = before_batches();
    for (std::int64_t i = 0; i < options_.accumulate; ++i) loss = one_batch(next_batch());
    after_batches(before);
  }
  ++step_;
  ++steps_in_row_;
  ++step_in_epoch_;
  // On the GPU the loss is read now and then only: reading waits.
  if (!on_gpu || step_ % options_.log_every == 0) {
    const double value = loss.item();
    check_loss(value);
    log_step(value);
  }
  if (step_in_epoch_ == steps_per_epoch()) {
    ++epoch_;
    step_in_epoch_ = 0;
    if (logs_->progress) logs_->progress->finish();
    logs_->progress.reset();
  }
}

void Trainer::log_step(double loss) {
  Logs& logs = *logs_;
  if (step_ % options_.log_every == 0) {
    const double time = now();
    if (logs.events && time - logs.shown >= options_.summary_seconds) {
      logs.shown = time;
      logs.events->scalar("train/loss", step_, loss);
      logs.events->scalar("train/lr", step_, optimizer_.lr());
    }
    if (hooks_.on_log)
      hooks_.on_log(step_, loss, optimizer_.lr(),
                    (time - logs.logged) / static_cast<double>(step_ - logs.logged_step));
    logs.logged = time;
    logs.logged_step = step_;
  }
  char text[64];
  std::snprintf(text, sizeof text, "loss %.4f lr %.3g", loss, optimizer_.lr());
  if (logs.progress)
    logs.progress->update(step_in_epoch_, batches_.seconds_waited() - logs.waited_before, text);
}

// --- rows of metrics.csv -----------------------------------------------------------------------------------

bool Trainer::row_due() const {
  if (steps_in_row_ == 0) return false;
  if (step_ >= total_steps()) return true;
  if (options_.eval_every > 0) return step_ % options_.eval_every == 0;
  return step_in_epoch_ == 0 && epoch_ % options_.epochs_between_evals == 0;
}

void Trainer::end_of_row() {
  if (logs_->progress) logs_->progress->finish();
  logs_->progress.reset();
  const double seconds = now() - logs_->row_started;
  const double waited = batches_.seconds_waited() - logs_->waited_before;
  MetricList row{{"epoch", static_cast<double>(epoch_number())},
                 {"lr", optimizer_.lr()},
                 {"train_loss", loss_sum_.item() / static_cast<double>(steps_in_row_)}};
  if (hooks_.evaluate) {
    if (average_) average_->swap();
    model_.eval();
    const NoGrad guard;
    const ComputeScope compute(options_.compute);
    for (auto& metric : hooks_.evaluate()) row.push_back(std::move(metric));
    model_.train();
    if (average_) average_->swap();
  }
  bool best = false;
  const std::size_t first_metric = 3;
  for (std::size_t i = first_metric; i < row.size(); ++i) {
    if (options_.monitor.empty() ? i != first_metric : row[i].first != options_.monitor) continue;
    const double value = row[i].second;
    best = !std::isnan(value) && (!any_best_ || (options_.maximize ? value > best_ : value < best_));
    if (best) {
      best_ = value;
      best_step_ = step_;
      any_best_ = true;
    }
    if (schedule_.watches_metric()) schedule_.observe(value);
  }
  row.emplace_back("images_per_second", seconds > 0 ? images_ / seconds : 0);
  row.emplace_back("data_wait", seconds > 0 ? waited / seconds : 0);
  if (!logs_->csv) {
    std::vector<std::string> columns{"step"};
    for (const auto& [name, value] : row) columns.push_back(name);
    logs_->csv.emplace(run_.file("metrics.csv"), columns, logs_->resume_row);
  }
  std::vector<double> values;
  for (const auto& [name, value] : row) values.push_back(value);
  steps_in_row_ = 0;
  loss_sum_.zero_();
  // A checkpoint without its row would lose it, a row without its checkpoint is written again on resuming.
  logs_->csv->row(step_, values);
  save(best);
  for (const auto& [name, value] : row) logs_->events->scalar(name, step_, value);
  result_.last = row;
  if (hooks_.on_epoch) hooks_.on_epoch(epoch_number(), row);
  start_row();
}

void Trainer::start_row() {
  all_images_ += images_;
  images_ = 0;
  logs_->row_started = logs_->logged = now();
  logs_->logged_step = step_;
  logs_->waited_before = batches_.seconds_waited();
}

TrainResult Trainer::run() {
  const SignalGuard signals;
  const double started = now();
  logs_->events.emplace(run_.event_folder(), logs_->resume_step);
  model_.train();
  optimizer_.zero_grad();
  start_row();
  if (step_ == 0) save(false);  // so that a run killed in its first epoch resumes from the same start
  logs_->saved = now();
  const auto reached = [&] {
    return options_.stop_threshold != 0 && any_best_ &&
           (options_.maximize ? best_ >= options_.stop_threshold : best_ <= options_.stop_threshold);
  };
  const auto save_due = [&] {
    return (options_.save_every > 0 && step_ % options_.save_every == 0) ||
           (options_.save_seconds > 0 && now() - logs_->saved >= options_.save_seconds);
  };
  while (!reached()) {
    if (row_due()) end_of_row();  // also of a run that was stopped before its row
    if (reached() || step_ >= total_steps()) break;
    batches_.seek(epoch_, step_in_epoch_ * options_.accumulate);
    if (!options_.quiet) {
      logs_->progress.emplace(
          cat("epoch ", epoch_ + 1, options_.epochs < endless_epochs ? cat("/", options_.epochs) : ""),
          steps_per_epoch(), progress_on_stderr());
    }
    do {
      one_step();
      if (!row_due() && save_due()) save(false);
      if (const char* signal = SignalGuard::received()) {
        if (saved_step_ != step_) save(false);
        if (logs_->progress) logs_->progress->clear();
        const bool endless = options_.epochs >= endless_epochs && options_.max_steps == 0;
        fail<Stopped>("train: stopped by ", signal, " at step ", step_,
                      endless ? "" : cat(" of ", total_steps()), "; continue with --resume auto");
      }
    } while (step_in_epoch_ > 0 && !row_due());
  }
  result_.steps = step_;
  result_.epochs = epoch_number();
  result_.best = best_;
  result_.best_step = best_step_;
  result_.seconds = now() - started;
  result_.images_per_second = result_.seconds > 0 ? all_images_ / result_.seconds : 0;
  return result_;
}

void Trainer::use_average() {
  if (average_) average_->swap();
}

}  // namespace gadolin
