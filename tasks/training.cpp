#include "tasks/training.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "io/text.h"
#include "layers/compute.h"
#include "tasks/evaluate.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin {
namespace {

LoaderOptions training_loads(const TrainPlan& plan, const Communicator& communicator) {
  LoaderOptions load = divided(plan.load, communicator, Divide::samples);
  load.shuffle = true;
  load.drop_last = !plan.keep_last_batch;
  load.epochs = plan.loop.epochs;
  if (plan.epoch_batches > 0 && load.epochs < endless_epochs / plan.epoch_batches)
    load.epochs *= plan.epoch_batches;  // passes: no more than batches
  return load;
}

std::int64_t steps_per_epoch(const TrainPlan& plan, const BatchSource& batches) {
  return std::max<std::int64_t>(1, batches.batches_per_epoch() / plan.loop.accumulate);
}

// Of a run of `total` steps.
std::int64_t warmup_steps(const TrainPlan& plan, std::int64_t epoch, std::int64_t total) {
  if (plan.warmup_epochs >= 0)
    // A little more, so that epochs made of steps come back as these.
    return static_cast<std::int64_t>(plan.warmup_epochs * static_cast<double>(epoch) + 1e-6);
  const std::string name = plan.schedule.substr(0, plan.schedule.find(':'));
  return name == "one-cycle" || name == "one_cycle" ? 0 : std::min(epoch, total / 10);
}

Schedule schedule_of(const TrainPlan& plan, const BatchSource& batches) {
  const std::int64_t epoch = steps_per_epoch(plan, batches), total = Trainer::total_steps(plan.loop, batches);
  return Schedule(plan.schedule, {plan.rule.lr, plan.min_lr, std::max<std::int64_t>(total, 1), epoch,
                                  warmup_steps(plan, epoch, total), 0.01,
                                  plan.loop.maximize && plan.loop.plateau_on.empty()});
}

// With batches that an epoch can fill.
TrainPlan fitting(TrainPlan plan, const Dataset& train, const Reporter& reporter,
                  Communicator& communicator) {
  fit_batch(plan, train, reporter, communicator);
  return plan;
}

std::shared_ptr<const Sampler> whole_sampler(const std::string& text, const Dataset& train, BatchCut cut) {
  if (text == "shuffled" || text == "mixed") return shuffled(train.size(), cut);
  if (text == "in-order") return in_order(train.size(), cut);
  if (text == "balanced") return class_balanced(train, cut);
  if (text == "weighted") {  // a sample of a rare class as likelier as its class is rarer
    const std::vector<std::int64_t> counts = train.class_counts();
    std::vector<double> weights;
    for (std::int64_t i = 0; i < train.size(); ++i) {
      double weight = train.info(i).labels.empty() ? 1.0 / static_cast<double>(train.size()) : 0;
      for (const int label : train.info(i).labels)
        weight = std::max(weight, 1.0 / static_cast<double>(counts[static_cast<std::size_t>(label)]));
      weights.push_back(weight);
    }
    return weighted(std::move(weights), cut);
  }
  if (text.starts_with("background:")) {
    const char* const number = text.c_str() + 11;
    char* end = nullptr;
    const double share = std::strtod(number, &end);
    require<UsageError>(end != number && *end == 0 && share >= 0 && share <= 0.99, "--sampler ",
                        printable(text, 40), ": the share of samples without a class is from 0 to 0.99");
    return with_background(train, share, cut);
  }
  std::int64_t most = 0;
  const bool capped_text = text.starts_with("capped:") && text.size() < 17;
  if (capped_text) most = std::strtoll(text.c_str() + 7, nullptr, 10);
  require<UsageError>(
      most > 0 && cat("capped:", most) == text, "--sampler ", text,
      " is unknown; use shuffled, mixed, in-order, balanced, weighted, capped:N, N samples a class at "
      "most, or background:S, the share of samples without a class");
  return capped(train, most, cut);
}

}  // namespace

std::shared_ptr<const Sampler> training_sampler(const std::string& text, const Dataset& train, BatchCut cut) {
  return text == "shuffled" ? nullptr : whole_sampler(text, train, cut);
}

namespace {

std::shared_ptr<const Sampler> planned_sampler(const TrainPlan& plan, const Dataset& train) {
  const BatchCut cut{plan.load.batch_size, !plan.keep_last_batch};
  return plan.make_sampler ? plan.make_sampler(train, cut) : training_sampler(plan.sampler, train, cut);
}

}  // namespace

void fit_batch(TrainPlan& plan, const Dataset& train, const Reporter& reporter, Communicator& communicator) {
  std::int64_t &batch = plan.load.batch_size, &batches = plan.loop.accumulate;
  if (train.size() == 0 || batch < 1 || batch > 1'000'000 || batches < 1) return;  // refused elsewhere
  const auto single =
      plan.make_sampler ? plan.make_sampler(train, {1, true}) : whole_sampler(plan.sampler, train, {1, true});
  const std::int64_t all = single->batches(), before = batch, wanted = batches;
  if (batch < communicator.size() && communicator.first())
    reporter.log(cat("warning: ", communicator.size(), " processes share batches of ", batch,
                     ", so that some have nothing to do; use a larger --batch-size, or fewer processes"));
  if (batch <= all / batches) return;
  batches = std::min(batches, std::max<std::int64_t>(1, all / batch));
  batch = std::min(batch, all);
  if (!communicator.first()) return;
  reporter.log(cat("train: an epoch has ", all, " samples, fewer than ",
                   wanted > 1 ? cat(wanted, " batches of ") : "a batch of ", before, ": batches of ", batch,
                   wanted > 1 ? cat(", ", batches, " a step") : ""));
}

Training::Training(Task& task, const Dataset& train, const Dataset& val, TrainPlan plan,
                   std::string fingerprint, Reporter& reporter, Communicator& communicator)
    : task_(task), val_(val), plan_(fitting(std::move(plan), train, reporter, communicator)),
      fingerprint_(std::move(fingerprint)), reporter_(reporter), communicator_(communicator),
      batches_(task.loader(train, plan_.augment, training_loads(plan_, communicator),
                           planned_sampler(plan_, train)),
               plan_.mix, plan_.epoch_batches),
      optimizer_(task.net().parameters(), plan_.rule, plan_.scale),
      schedule_((choose_metric(), schedule_of(plan_, batches_))) {
  plan_.loop.quiet = plan_.loop.quiet || plan_.log_steps;  // lines of steps and a bar do not go together
  Trainer::check(plan_.loop, batches_);
  task_.check_batches(batches_.loader());
  if (const std::string remark = batches_.loader().sampler().remark();
      !remark.empty() && communicator_.first())
    reporter_.log("train: " + remark);
  if (const std::int64_t steps = Trainer::total_steps(plan_.loop, batches_);
      plan_.loop.max_steps > steps && communicator_.first())
    reporter_.log(cat("train: ", plan_.loop.epochs, plan_.loop.epochs == 1 ? " epoch has " : " epochs have ",
                      steps, steps == 1 ? " step" : " steps", ", so the run ends before step ",
                      plan_.loop.max_steps, "; more --epochs reach it"));
  const std::int64_t epoch = steps_per_epoch(plan_, batches_),
                     all = Trainer::total_steps(plan_.loop, batches_);
  if (const std::int64_t warmup = warmup_steps(plan_, epoch, all); warmup >= all && communicator_.first())
    reporter_.log(cat("warning: the warm-up of ", warmup, " steps takes all ", all,
                      " of the run, and the rate never reaches ", plan_.rule.lr));
}
Training::~Training() = default;

double Training::warmup_epochs() const {
  const std::int64_t epoch = steps_per_epoch(plan_, batches_);
  return static_cast<double>(warmup_steps(plan_, epoch, Trainer::total_steps(plan_.loop, batches_))) /
         static_cast<double>(epoch);
}

// Of the evaluator's metrics, with its direction. One that no evaluation gives would never choose any
// checkpoint.
void Training::choose_metric() {
  if (!plan_.evaluate) {
    plan_.loop.monitor.clear();
    return;
  }
  const auto evaluator = task_.evaluator(val_);
  std::vector<Metric> all = evaluator->metrics();
  if (evaluator->has_loss() || plan_.val_loss) all.insert(all.begin(), {"loss", false});
  std::string& wanted = plan_.loop.monitor;
  if (wanted.empty()) wanted = "val_" + evaluator->chosen();
  std::string list;
  for (const Metric& m : all) {
    if (wanted == "val_" + m.name) {
      plan_.loop.maximize = m.larger_is_better;
      return;
    }
    list += (list.empty() ? "val_" : ", val_") + m.name;
  }
  fail<UsageError>("--monitor ", wanted, " is unknown; use ", list);
}

std::unique_ptr<DataLoader> Training::validation_loader(const Communicator& communicator) const {
  LoaderOptions load = divided(plan_.load, communicator);
  load.shuffle = load.drop_last = false;
  load.epochs = 1;
  load.bad_samples = BadSamples::fail;
  if (plan_.eval_batch_size > 0) load.batch_size = plan_.eval_batch_size;
  return task_.loader(val_, task_.pipeline(), load);
}

// Of batches as they are evaluated, in evaluation mode; each counts with its samples.
double Training::validation_loss() {
  const auto loader = validation_loader(no_communicator());
  const EvaluationMode mode(task_.net());
  const NoGrad guard;
  const ComputeScope compute(plan_.loop.compute);
  double sum = 0, samples = 0;
  for_each_batch(*loader, "", [&](const Batch& batch) {
    sum += task_.loss(batch).total.item() * static_cast<double>(batch.size());
    samples += static_cast<double>(batch.size());
  });
  return sum / samples;
}

// Each process evaluates its share of the samples. The first one measures what all have found, and the
// training loop tells the others its numbers.
MetricList Training::evaluate() {
  const auto loader = validation_loader(communicator_);
  const auto evaluator = task_.evaluator(val_);
  gadolin::evaluate(task_, *loader, *evaluator, plan_.loop.compute);
  evaluator->gather(communicator_);
  MetricList list;
  on_first(communicator_, [&] {
    if (evaluator->has_loss())
      list.emplace_back("val_loss", evaluator->loss());
    else if (plan_.val_loss)
      list.emplace_back("val_loss", validation_loss());
    for (const MetricValue& m : evaluator->finish({0, 0.95, 0})) list.emplace_back("val_" + m.name, m.value);
    found_ = evaluator->facts();
    if (plan_.evaluated) plan_.evaluated(*evaluator);
    return std::string();
  });
  return list;
}

void Training::tell_epoch(RunDir& run, std::int64_t epoch, const MetricList& row) {
  Json event{{"event", "epoch"}, {"epoch", epoch}};
  std::string line = cat("epoch ", epoch);
  if (plan_.loop.epochs < endless_epochs) line += cat("/", plan_.loop.epochs);
  for (const auto& [name, value] : row) {
    event[name] = value;
    const bool part = name.starts_with("train_");
    if (part || name == "val_loss" || name == "val_accuracy" || name == "val_roc_auc" ||
        name == plan_.loop.monitor)
      line += "  " + name + " " + fixed(value, 4);
  }
  reporter_.event(event);
  reporter_.say(line);
  run.log(line);
}

void Training::tell_step(RunDir& run, const StepLog& step) {
  const double total = step.loss + optimizer_.penalty();
  const std::int64_t samples = plan_.load.batch_size * plan_.loop.accumulate;
  const double images = static_cast<double>(samples) / step.seconds;
  std::string line = cat("step ", step.step, ": loss = ", fixed(total, 4), " (", fixed(step.seconds, 3),
                         " sec/step)  lr ", step.lr);
  Json event{{"event", "step"}, {"step", step.step},       {"loss", total},
             {"lr", step.lr},   {"seconds", step.seconds}, {"images_per_second", images}};
  for (const auto& [name, value] : step.parts) {
    event[name] = value;
    line += "  " + name + " " + fixed(value, 4);
  }
  if (plan_.log_rate) line += "  " + fixed(images, 1) + " images/s";
  reporter_.event(event);
  reporter_.log(line);
  run.log(line);
}

TrainHooks Training::hooks(RunDir& run) {
  TrainHooks hooks;
  hooks.loss = [this](const Batch& batch) { return task_.loss(batch); };
  if (plan_.evaluate) hooks.evaluate = [this] { return evaluate(); };
  hooks.describe = [this](Checkpoint& c) {
    task_.describe(c);
    c.facts["data_fingerprint"] = fingerprint_;
    c.facts["train_pipeline"] = plan_.augment.text();
    c.facts["threads"] = std::to_string(num_threads());
    for (const auto* more : {&plan_.facts, &found_})
      for (const auto& [name, value] : *more) c.facts[name] = value;
  };
  hooks.on_epoch = [this, &run](std::int64_t epoch, const MetricList& row) {
    tell_epoch(run, epoch, row);
    if (plan_.after_row) plan_.after_row(run, epoch, row);
  };
  hooks.warn = [this, &run](const std::string& warning) {
    reporter_.log(warning);
    run.log(warning);
  };
  if (plan_.log_steps) hooks.on_log = [this, &run](const StepLog& step) { tell_step(run, step); };
  return hooks;
}

TrainResult Training::run(RunDir& run, const Checkpoint* from, const std::string& name,
                          const std::function<void()>& accepted) {
  Trainer trainer(task_.net(), optimizer_, schedule_, batches_, run, hooks(run), plan_.loop, communicator_);
  if (from != nullptr) {
    require<DataError, 40>(from->fact("data_fingerprint") == fingerprint_, "resume: the data in ", plan_.data,
                           " are not those that the run was started with (names, labels or splits differ)",
                           "; restore them, or start a new run with --init-from");
    trainer.restore(*from);
    if (communicator_.first()) {
      reporter_.log("resuming from " + name + " at step " + from->fact("step"));
      const std::string threads = from->has("threads") ? from->fact("threads") : "";
      if (!threads.empty() && threads != std::to_string(num_threads()))
        reporter_.log(
            cat("warning: the run had ", threads, " threads, now there are ", num_threads(),
                ": sums are rounded in another order, so its weights will not be the same bits; --threads ",
                threads, " goes on exactly"));
    }
  }
  if (accepted) accepted();
  const TrainResult result = trainer.run();
  std::string skipped;
  for (const BadSample& bad : batches_.loader().bad_samples())
    skipped += "skipped " + bad.name + ": " + bad.reason + "\n";
  std::set<std::string> told;  // several ranks may have met a sample when they looked for their first
  for (const std::string& lines : communicator_.gather(skipped)) {
    std::istringstream each(lines);
    for (std::string line; std::getline(each, line);)
      if (told.insert(line).second) reporter_.log(line);
  }
  return result;
}

}  // namespace gadolin
