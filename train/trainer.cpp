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
#include "train/sync_batch_norm.h"

namespace gadolin {
namespace {

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// TensorBoard groups tags by what stands before the slash: val_loss becomes val/loss, train_loss train/loss,
// and every other column one of train/.
std::string tag_of(const std::string& column) {
  for (const std::string side : {"train", "val"}) {
    if (column.starts_with(side + "_")) return side + "/" + column.substr(side.size() + 1);
  }
  return "train/" + column;
}

}  // namespace

struct Trainer::Logs {
  std::optional<CsvLog> csv;  // made with the first row, when the columns are known
  std::optional<EventWriter> events;
  std::optional<Progress> progress;
  std::optional<CapturedStep> captured;
  std::vector<std::string> names;  // of a batch's tensors
  double row_started = 0, waited_before = 0, saved = 0, shown = 0;
  double logged = 0;  // when on_log was last called, or a row ended
  std::int64_t logged_step = 0;

  void write_row(const std::string& path, std::int64_t resume_row, std::int64_t step, const MetricList& row) {
    std::vector<std::string> columns{"step"};
    std::vector<double> values;
    for (const auto& [name, value] : row) {
      columns.push_back(name);
      values.push_back(value);
    }
    if (!csv) csv.emplace(path, columns, resume_row);
    csv->row(step, values);
  }
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
                 TrainHooks hooks, TrainOptions options, Communicator& communicator)
    : model_(model), optimizer_(optimizer), schedule_(schedule), batches_(batches), run_(run),
      hooks_(std::move(hooks)), options_(options), communicator_(communicator),
      early_stop_(options.patience, options.min_delta, options.maximize), logs_(std::make_shared<Logs>()),
      losses_(optimizer.parameters().front().tensor.device()) {
  check(options_, batches_);
  if (communicator_.first()) store_.emplace(run.checkpoints(), options.keep);
  if (!communicator_.alone()) optimizer_.average_over(communicator_, options_.reduction);
  // Where sums wait on the host.
  if (!communicator_.detour(device()).empty() || (!communicator_.alone() && options_.sync_batch_norm))
    options_.capture = false;
  if (options_.ema > 0) average_ = std::make_unique<WeightAverage>(model_.state(), options_.ema);
}

std::int64_t Trainer::steps_per_epoch() const { return batches_.batches_per_epoch() / options_.accumulate; }
std::int64_t Trainer::total_steps(const TrainOptions& options, const BatchSource& batches) {
  const std::int64_t all = options.epochs * (batches.batches_per_epoch() / options.accumulate);
  return options.max_steps > 0 ? std::min(all, options.max_steps) : all;
}

void Trainer::save(bool best) {
  share_statistics();
  if (store_) store_->save(checkpoint(), step_, best);
  saved_step_ = step_;
  logs_->saved = now();
}

// --- steps -------------------------------------------------------------------------------------------------

// A step is before_batches(), one_batch() for each of its batches, after_batches(). All of it is recorded as
// one on a GPU: what changes from step to step lies on the device.
Trainer::Statistics Trainer::before_batches() const {
  Statistics saved;
  if (!optimizer_.skips_overflows()) return saved;
  for (const Parameter& b : model_.buffers()) {
    if (is_floating(b.tensor.dtype())) saved.emplace_back(b.tensor, b.tensor.clone());
  }
  return saved;
}

void Trainer::one_batch(const Batch& batch, bool first, bool last) {
  LossParts loss;
  std::optional<SyncBatchNorm> together;
  if (options_.sync_batch_norm && !communicator_.alone())
    together.emplace(communicator_, batch["counts"].select(0, 0).item() > 0);
  {
    const ComputeScope compute(options_.compute);
    loss = hooks_.loss(batch);
  }
  Tensor seed = optimizer_.loss_seed(loss.total.dtype());
  const Tensor share = share_of_loss(loss, batch);
  if (share.defined()) {
    const NoGrad guard;
    seed = mul(seed, share.to(seed.dtype()));
  }
  if (options_.accumulate > 1) seed.mul_(1 / static_cast<double>(options_.accumulate));
  // Sums of batch norms come in the same order on all; sums of gradients may not, where a rank uses a part of
  // the net that another does not.
  loss.total.backward(seed, {.hook = last && !together ? optimizer_.gradient_hook() : nullptr});
  const NoGrad guard;
  if (share.defined()) loss.share(share);
  losses_.add(loss, 1 / static_cast<double>(options_.accumulate), first);
}

void Trainer::after_batches(Statistics before) {
  const NoGrad guard;
  optimizer_.step();
  optimizer_.zero_grad();
  const Tensor skipped = optimizer_.skips_overflows() ? optimizer_.skipped() : Tensor();
  for (auto& [buffer, saved] : before) buffer.copy_(where(skipped, saved, buffer));
  if (average_) average_->update(skipped);
}

// Drops what recording has left behind: gradients in memory that was promised and never written, and versions
// of weights that say a copy of them is up to date.
void Trainer::give_up_recording(const Error& why) {
  logs_->captured.reset();
  options_.capture = false;
  optimizer_.zero_grad();
  for (const Parameter& p : model_.state()) p.tensor.storage().bump_version();
  if (hooks_.warn && communicator_.first())
    hooks_.warn(cat(
        "warning: the training step cannot be recorded as a CUDA graph and runs op by op, which is slower: ",
        why.what()));
}

void Trainer::one_step() {
  communicator_.doing(cat("step ", step_ + 1));
  optimizer_.set_lr(schedule_.lr_at(step_));
  const bool on_gpu = device().is_cuda();
  const auto next_batch = [&] {
    Batch batch = batches_.next();
    images_ += batch.spare ? 0.0 : static_cast<double>(batch.size());
    if (!communicator_.alone()) tell_spare(batch);
    return batch;
  };
  if (captures(options_)) {
    const auto step = [this](const std::vector<Tensor>& tensors) {
      const std::vector<std::string>& names = logs_->names;
      const auto each = static_cast<std::ptrdiff_t>(names.size());
      const Statistics before = before_batches();
      for (auto at = tensors.begin(); at != tensors.end(); at += each)
        one_batch(Batch(names, {at, at + each}), at == tensors.begin(), at + each == tensors.end());
      after_batches(before);
      return Tensor();  // losses_ has it
    };
    if (!logs_->captured) logs_->captured.emplace(step);
    std::vector<Tensor> tensors;
    for (std::int64_t i = 0; i < options_.accumulate; ++i) {
      const Batch batch = next_batch();
      logs_->names = batch.names();
      for (const Tensor& tensor : batch.tensors()) tensors.push_back(tensor);
    }
    try {
      (*logs_->captured)(tensors);
    } catch (const CaptureError& error) {  // while it was recorded: nothing of the step has run
      give_up_recording(error);
      step(tensors);
    }
  } else {
    const Statistics before = before_batches();
    for (std::int64_t i = 0; i < options_.accumulate; ++i)
      one_batch(next_batch(), i == 0, i + 1 == options_.accumulate);
    after_batches(before);
  }
  communicator_.watch(device());
  tell_unused();
  ++step_;
  ++steps_in_row_;
  ++step_in_epoch_;
  // On the GPU the loss is read now and then only: reading waits.
  if (!on_gpu || step_ % options_.log_every == 0) {
    const double value = communicator_.mean(losses_.last_total().item());
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
      // Of one step, so that they do not mix with the means of a row under the same tag.
      logs.events->scalar("train/batch_loss", step_, loss);
      logs.events->scalar("train/batch_lr", step_, optimizer_.lr());
      for (const auto& [name, value] : losses_.last())
        logs.events->scalar("train/batch_" + name, step_, value);
    }
    if (hooks_.on_log && communicator_.first())
      hooks_.on_log({step_, loss, optimizer_.lr(),
                     (time - logs.logged) / static_cast<double>(step_ - logs.logged_step), losses_.last()});
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
  communicator_.doing(cat("the evaluation after step ", step_));
  check_weights();
  const double seconds = now() - logs_->row_started;
  const double waited = batches_.seconds_waited() - logs_->waited_before;
  share_statistics();
  images_ = communicator_.sum(images_);
  MetricList row{{"epoch", static_cast<double>(epoch_number())}, {"lr", optimizer_.lr()}};
  for (auto& mean : losses_.means(steps_in_row_)) row.push_back(std::move(mean));
  const std::size_t first_metric = row.size();
  if (hooks_.evaluate) {
    if (average_) average_->swap();
    model_.eval();
    const NoGrad guard;
    const ComputeScope compute(options_.compute);
    try {
      for (auto& metric : first_rank_metrics(hooks_.evaluate())) row.push_back(std::move(metric));
    } catch (const NumericError& error) {  // finite weights, but too large to compute with
      diverged(cat("the evaluation gives no numbers (", error.message(), ")"), "--lr, --clip-norm 1");
    }
    model_.train();
    if (average_) average_->swap();
  }
  bool best = false;
  for (std::size_t i = first_metric; i < row.size(); ++i) {
    if (options_.monitor.empty() ? i != first_metric : row[i].first != options_.monitor) continue;
    const double value = row[i].second;
    best = !std::isnan(value) && (!any_best_ || (options_.maximize ? value > best_ : value < best_));
    if (best) {
      best_ = value;
      best_step_ = step_;
      any_best_ = true;
    }
    if (options_.plateau_on.empty()) observe(value);
    early_stop_.observe(value);
  }
  for (const auto& [name, value] : row)
    if (name == options_.plateau_on) observe(value);
  row.emplace_back("images_per_second", seconds > 0 ? images_ / seconds : 0);
  row.emplace_back("data_wait", seconds > 0 ? waited / seconds : 0);
  steps_in_row_ = 0;
  losses_.clear();
  // A checkpoint without its row would lose it, a row without its checkpoint is written again on resuming.
  if (communicator_.first()) logs_->write_row(run_.file("metrics.csv"), resume_row_, step_, row);
  save(best);
  if (logs_->events) {
    for (const auto& [name, value] : row) logs_->events->scalar(tag_of(name), step_, value);
  }
  result_.last = row;
  if (hooks_.on_epoch && communicator_.first()) hooks_.on_epoch(epoch_number(), row);
  start_row();
}

void Trainer::start_row() {
  all_images_ += images_;
  images_ = 0;
  logs_->row_started = logs_->logged = now();
  logs_->logged_step = step_;
  logs_->waited_before = batches_.seconds_waited();
}

bool Trainer::threshold_reached() const {
  return options_.stop_threshold != 0 && any_best_ &&
         (options_.maximize ? best_ >= options_.stop_threshold : best_ <= options_.stop_threshold);
}

// By the clock of the first rank.
bool Trainer::save_due() {
  if (options_.save_every > 0 && step_ % options_.save_every == 0) return true;
  if (options_.save_seconds <= 0) return false;
  const bool due = communicator_.first() && now() - logs_->saved >= options_.save_seconds;
  return communicator_.sum(due ? 1 : 0) > 0;
}

std::string Trainer::signal_name() {
  const char* const own = SignalGuard::received();
  if (communicator_.sum(own ? 1 : 0) == 0) return {};
  std::string name;  // of the first rank that has one
  for (const std::string& each : communicator_.gather(own ? own : ""))
    if (name.empty()) name = each;
  return communicator_.broadcast(name);
}

void Trainer::note_end() {
  const std::string metric = options_.monitor.empty() ? "the metric" : options_.monitor;
  if (threshold_reached()) {
    result_.ended = "threshold";
    result_.why = cat(metric, ": ", best_, " has reached ", options_.stop_threshold);
  } else if (early_stop_.due()) {
    result_.ended = "patience";
    result_.why = cat(metric, ": ", early_stop_.reason());
  } else {
    result_.ended = options_.max_steps > 0 && step_ >= options_.max_steps ? "steps" : "epochs";
  }
}

TrainResult Trainer::run() {
  const SignalGuard signals;
  const double started = now();
  begin_together();
  // Of a run that was killed before its first checkpoint the events are there, but no step to go on from.
  if (communicator_.first())
    logs_->events.emplace(run_.event_folder(),
                          run_.resumed() ? std::max<std::int64_t>(resume_step_, 0) : resume_step_);
  model_.train();
  optimizer_.zero_grad();
  start_row();
  logs_->saved = now();
  const auto ended = [&] { return threshold_reached() || early_stop_.due(); };
  while (!ended()) {
    if (row_due()) end_of_row();  // also of a run that was stopped before its row
    if (ended() || step_ >= total_steps()) break;
    batches_.seek(epoch_, step_in_epoch_ * options_.accumulate);
    if (!options_.quiet && communicator_.first()) {
      logs_->progress.emplace(
          cat("epoch ", epoch_ + 1, options_.epochs < endless_epochs ? cat("/", options_.epochs) : ""),
          steps_per_epoch(), progress_on_stderr(),
          ProgressUnit{"img", static_cast<double>(batches_.batch_size() * options_.accumulate *
                                                  communicator_.size())});
    }
    do {
      one_step();
      if (!row_due() && save_due()) save(false);
      if (const std::string signal = signal_name(); !signal.empty()) {
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
  note_end();
  result_.seconds = now() - started;
  result_.images_per_second = result_.seconds > 0 ? all_images_ / result_.seconds : 0;
  return result_;
}

void Trainer::use_average() {
  if (average_) average_->swap();
}

}  // namespace gadolin
