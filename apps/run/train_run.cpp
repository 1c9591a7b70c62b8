// One training run of a task.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "apps/program/version.h"
#include "apps/run/train_parts.h"
#include "data/sets/division.h"
#include "data/sets/extra_columns.h"
#include "tasks/classification.h"
#include "tasks/input_warnings.h"
#include "tensor/cpu/parallel.h"
#include "tensor/device.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

// Where --resume goes on: nothing for a folder without checkpoints and --resume auto.
struct Start {
  std::string path;
  Checkpoint checkpoint;
};
std::optional<Start> start_of(const RunDir& run, const TrainCommand& o, const Session& session) {
  if (o.resume.empty()) return {};
  if (o.resume != "auto") return Start{o.resume, load_checkpoint(o.resume)};
  std::optional<Start> start;
  // Of several processes the first one chooses.
  const std::string path = on_first(session.communicator(), [&]() -> std::string {
    auto found = CheckpointStore(run.checkpoints(), o.loop.keep).newest();
    if (!found) return "";
    for (const std::string& reason : found->skipped)
      session.log("resume: passed over a damaged checkpoint: " + reason);
    start = Start{found->path, std::move(found->checkpoint)};
    return found->path;
  });
  if (!start && !path.empty()) start = Start{path, load_checkpoint(path)};
  return start;
}

// What options stand for that leave a choice to the data or the machine. How the run was begun is no part of
// what it is.
Settled settled(const TrainCommand& o, const Session& session, const Prepared& p, const Training& training) {
  const TrainPlan& plan = training.plan();
  Settled s{{"device", session.device().is_cuda() ? cat("cuda:", session.device().index) : "cpu"},
            {"threads", cat(num_threads())},
            {"workers", cat(loader_workers(plan.load.workers))},
            {"channels", cat(p.channels)},
            {"pipeline", p.task->pipeline().text()},
            {"batch-size", cat(plan.load.batch_size)},
            {"accumulate", cat(plan.loop.accumulate)},
            {"eval-batch-size", cat(plan.eval_batch_size > 0 ? plan.eval_batch_size : plan.load.batch_size)},
            {"weight-decay", exact_text(plan.rule.weight_decay)},
            {"warmup-epochs", exact_text(training.warmup_epochs())},
            {"monitor", training.monitor()},
            {"resume", ""},
            {"overwrite", ""}};
  if (!plan.augment.text().empty()) s["augment"] = plan.augment.text();
  if (o.task == ClassificationTask::name) {
    const std::string usual = p.train->multi_label() ? "bce" : "cross-entropy";
    s["loss"] = o.loss.kind == "auto" ? usual : o.loss.kind;
    // As the net was made, which weights of --init-from may have said.
    const NetOptions& net = static_cast<const ClassificationTask&>(*p.task).options();
    if (const auto width = net.find("width"); width != net.end())
      s["width"] = exact_text(std::get<double>(width->second));
    if (const auto stem = net.find("small_input"); stem != net.end())
      s["small-input"] = std::get<bool>(stem->second) ? "true" : "false";
  }
  return s;
}

// Metrics of classifiers are shares, or losses.
void check_threshold(const TrainCommand& o, const Training& training) {
  const TrainOptions& loop = training.plan().loop;
  const double goal = loop.stop_threshold;
  require<UsageError>(o.task != ClassificationTask::name || (goal >= 0 && (goal <= 1 || !loop.maximize)),
                      "--stop-threshold ", goal, " is no value of ", loop.monitor, "; use 0 (never) to 1");
}

// For people: comments at the head of config.toml.
std::string about_data(const Prepared& p) {
  std::string classes;
  for (const std::string& name : p.set->classes()) classes += (classes.empty() ? "" : ", ") + printable(name);
  return cat("# classes: ", classes, "\n# samples: ", p.train->size(), " for training, ", p.val->size(),
             " for validation\n");
}

// What the content of a checkpoint belongs to: moments to a rule, a place in an epoch to batches and their
// order. With another one the run would be neither the old one nor a new one.
void check_unchanged(const RunDir& run, const std::string& now) {
  std::error_code error;
  if (!std::filesystem::exists(run.file("config.toml"), error)) return;
  for (const std::string& change : config_differences(run.read_config(), now)) {
    const std::size_t colon = change.find(": "), arrow = change.find(" -> ");
    std::string key = change.substr(0, colon);
    for (const char* group : {"mammography.", "chestxray.", "hemorrhage."})
      if (key.starts_with(group)) key.erase(0, key.find('.') + 1);  // their flags of these names
    if (key.starts_with("nodule.train-model.")) key.replace(0, 18, "train");
    if (key.starts_with("train-lstm.")) key.replace(0, 10, "train");
    const char* const fixed[] = {
        "train.optimizer",        "train.batch-size", "train.accumulate", "train.sampler",
        "train.background-share", "train.schedule",   "train.loss",       "seed"};
    if (std::find(std::begin(fixed), std::end(fixed), key) == std::end(fixed)) continue;
    std::string before = change.substr(colon + 2, arrow - colon - 2), after = change.substr(arrow + 4);
    if (before == "(absent)" || after == "(absent)") continue;
    for (std::string* value : {&before, &after}) std::erase(*value, '"');
    const std::string option = "--" + key.substr(key.rfind('.') + 1);
    fail<UsageError>("resume: the run in ", run.path(), " was begun with ", option, " ", before,
                     ", now it is ", after, "; go on with ", option, " ", before,
                     ", or begin a new run with --init-from");
  }
}

// A run goes on with other settings than it was begun with. Those that change no number are passed over, and
// so are threads, of which Training warns itself.
void tell_changes(const Session& session, const RunDir& run, const std::string& now) {
  std::error_code error;
  if (!std::filesystem::exists(run.file("config.toml"), error)) return;
  for (const std::string& change : config_differences(run.read_config(), now)) {
    const std::string key = change.substr(0, change.find(": "));
    const std::string name = key.substr(key.rfind('.') + 1);
    const char* const harmless[] = {"threads", "workers", "quiet",     "verbose",    "json",
                                    "out",     "data",    "keep-last", "save-every", "log-every"};
    if (std::find(std::begin(harmless), std::end(harmless), name) == std::end(harmless))
      session.log("warning: the run goes on with another setting than before: " + change);
  }
}

void tell_result(Session& session, const TrainResult& result, const std::string& monitor, const RunDir& run) {
  if (!result.why.empty()) session.say("ended early: " + result.why);
  const bool best = result.best_step > 0;
  if (monitor.empty())
    session.say("no evaluations, so no best checkpoint; " + run.checkpoints() + "/last.gdck");
  const std::string rate = fixed(result.images_per_second, 1) + " images/s; " + run.checkpoints();
  if (!monitor.empty())
    session.say(
        best ? cat("best ", monitor, " ", fixed(result.best, 4), " at step ", result.best_step, "; ", rate,
                   "/best.gdck")
             : cat("no best checkpoint, because ", monitor, " was never a number; ", rate, "/last.gdck"));
  session.metric("steps", result.steps);
  session.metric("ended", result.ended);
  session.metric("best", best ? Json(result.best) : Json(nullptr));
  session.metric("images_per_second", result.images_per_second);
  for (const auto& [name, value] : result.last) session.metric(name, value);
  session.output("run", run.path());
  if (best) session.output("best", run.checkpoints() + "/best.gdck");
  session.output("last", run.checkpoints() + "/last.gdck");
}

// Values of some pictures; views of all, where the table names them.
TrainedOn looked_at(const std::string& path, const Dataset& train, const Task& task) {
  TrainedOn seen = look_at(train, task.pipeline());
  for (const ExtraColumn& column : extra_columns(path, train)) {
    if (column.name != "view") continue;
    seen.views.clear();
    for (const std::string& view : column.values)
      if (!view.empty()) ++seen.views[view];
  }
  return seen;
}

}  // namespace

RunDir::Open open_mode(const TrainCommand& o) {
  if (o.resume == "auto" || (!o.resume.empty() && o.resume_elsewhere)) return RunDir::Open::automatic;
  if (!o.resume.empty()) return RunDir::Open::resume;
  return o.overwrite ? RunDir::Open::overwrite : RunDir::Open::create;
}

Prepared prepare_run(Session& session, TrainCommand& o, std::unique_ptr<Dataset> set) {
  manual_seed(session.common().seed);
  Prepared p;
  p.set = std::move(set);
  p.train = p.set->subset(Split::train);
  p.val = p.set->subset(o.evaluate ? Split::val : Split::train);
  if (o.settle) o.settle(o, p.train->size());
  p.channels = o.net.channels > 0 ? o.net.channels : channels_of(*p.train);
  p.task = make_task(o, session, *p.train, p.channels);
  settle_net(p.task->net(), o, session);
  p.plan = plan_of(o, session, p.task->net(), p.channels);
  if (p.channels > 0 && o.task == ClassificationTask::name)
    p.plan.facts.emplace("trained_on", trained_on_to_json(looked_at(o.data.path, *p.train, *p.task)));
  if (const Json table = source_table(o.data.path); !table.empty())
    p.plan.facts.emplace("table", Json{{"version", table["version"]}, {"sha256", table["sha256"]}}.dump());
  return p;
}

TrainResult run_one(Session& session, const TrainCommand& given, std::unique_ptr<Dataset> set,
                    const ConfigText& config) {
  TrainCommand o = given;
  Prepared p = prepare_run(session, o, std::move(set));
  Communicator& processes = session.communicator();
  require_same(processes, "data", cat(p.set->size(), " samples with the fingerprint ", p.set->fingerprint()),
               "give all the same files");
  Training training(*p.task, *p.train, *p.val, p.plan, p.set->fingerprint(), session, processes);

  check_threshold(o, training);
  RunDir run(o.out, open_mode(o), processes);
  if (o.opened && run.writes()) o.opened();
  const std::string text = about_data(p) + config(settled(o, session, p, training));
  // Not before a checkpoint is accepted: a run that is refused stays as it was.
  const auto write_facts = [&] {
    if (!run.writes()) return;
    if (run.resumed()) tell_changes(session, run, text);
    write_split(run.file("split.csv"), *p.set);
    carry_extra_columns(o.data.path, run.file("split.csv"), *p.set);
    run.write_config(text);
    run.write_environment({{"device", name_of(session.device())},
                           {"dtype", session.common().dtype},
                           {"processes", cat(processes.size())},
                           {"version", program_version()},
                           {"commit", program_commit()}});
  };
  const std::optional<Start> start = start_of(run, o, session);
  on_first(processes, [&] {
    if (start) check_unchanged(run, text);
    return std::string();
  });
  if (const std::string remark = threads_remark(); !remark.empty()) session.log("warning: " + remark);
  session.log(cat(p.task->model(), ", ", p.set->num_classes(), " classes, ", p.train->size(),
                  " training and ", p.val->size(), " validation samples, on ", session.device(), " in ",
                  session.common().dtype));
  if (const TextRows remarks = p.task->remarks(*p.train); !remarks.empty())
    session.say(format_table(remarks));
  const TrainPlan& plan = training.plan();
  if (const std::string memory = p.task->memory(*p.train, plan.load.batch_size, plan.rule, plan.loop.compute);
      !memory.empty())
    session.say(memory);
  const TrainResult result =
      training.run(run, start ? &start->checkpoint : nullptr, start ? start->path : "", write_facts);
  tell_result(session, result, training.monitor(), run);
  return result;
}

void run_training(Session& session, TrainCommand o, const ConfigText& config) {
  detect_anomaly(o.anomaly);
  set_tf32(session.tf32());
  // Every mistake that can be seen before the first step is seen before the folder of the run is touched.
  check_train_options(o);
  if (o.data.folds > 0) return train_folds(session, o, config);
  on_first(session.communicator(), [&] {  // before that one makes the folder
    RunDir::check(o.out, open_mode(o));
    check_folds(o);
    return std::string();
  });
  if (o.overwrite) o.opened = [out = o.out] { remove_folds(out, 0); };
  run_one(session, o, open_split(o, session), config);
}

}  // namespace gadolin
