// One training run of a task.
#include <optional>

#include "apps/run/train_parts.h"
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
  auto found = CheckpointStore(run.checkpoints(), o.loop.keep).newest();
  if (!found) return {};
  for (const std::string& reason : found->skipped)
    session.log("resume: passed over a damaged checkpoint: " + reason);
  return Start{found->path, std::move(found->checkpoint)};
}

void tell_result(Session& session, const TrainResult& result, const std::string& monitor, const RunDir& run) {
  if (!result.why.empty()) session.say("ended early: " + result.why);
  session.say(cat("best ", monitor, " ", fixed(result.best, 4), " at step ", result.best_step, "; ",
                  fixed(result.images_per_second, 1), " images/s; ", run.checkpoints(), "/best.gdck"));
  session.metric("steps", result.steps);
  session.metric("ended", result.ended);
  session.metric("best", result.best);
  session.metric("images_per_second", result.images_per_second);
  for (const auto& [name, value] : result.last) session.metric(name, value);
  session.output("run", run.path());
  session.output("best", run.checkpoints() + "/best.gdck");
  session.output("last", run.checkpoints() + "/last.gdck");
}

}  // namespace

RunDir::Open open_mode(const TrainCommand& o) {
  if (o.resume == "auto") return RunDir::Open::automatic;
  if (!o.resume.empty()) return RunDir::Open::resume;
  return o.overwrite ? RunDir::Open::overwrite : RunDir::Open::create;
}

Prepared prepare_run(Session& session, TrainCommand& o, std::unique_ptr<Dataset> set) {
  manual_seed(session.common().seed);
  Prepared p;
  p.set = std::move(set);
  p.train = p.set->subset(Split::train);
  p.val = p.set->subset(Split::val);
  if (o.settle) o.settle(o, p.train->size());
  const int channels = o.net.channels > 0 ? o.net.channels : channels_of(*p.train);
  p.task = make_task(o, session, *p.train, channels);
  settle_net(p.task->net(), o, session);
  p.plan = plan_of(o, session, p.task->net(), channels);
  return p;
}

TrainResult run_one(Session& session, const TrainCommand& given, std::unique_ptr<Dataset> set,
                    const std::string& config) {
  TrainCommand o = given;
  Prepared p = prepare_run(session, o, std::move(set));
  Training training(*p.task, *p.train, *p.val, p.plan, p.set->fingerprint(), session);

  RunDir run(o.out, open_mode(o));
  write_split(run.file("split.csv"), *p.set);
  run.write_config(config);
  run.write_environment({{"device", name_of(session.device())}, {"dtype", session.common().dtype}});
  const std::optional<Start> start = start_of(run, o, session);
  session.log(cat(p.task->model(), ", ", p.set->num_classes(), " classes, ", p.train->size(),
                  " training and ", p.val->size(), " validation samples, on ", session.device(), " in ",
                  session.common().dtype));
  const TrainResult result = start ? training.run(run, &start->checkpoint, start->path) : training.run(run);
  tell_result(session, result, training.monitor(), run);
  return result;
}

void run_training(Session& session, TrainCommand o, const std::string& config) {
  detect_anomaly(o.anomaly);
  set_tf32(session.tf32());
  // Every mistake that can be seen before the first step is seen before the folder of the run is touched.
  check_train_options(o);
  if (o.data.folds > 0) return train_folds(session, o, config);
  RunDir::check(o.out, open_mode(o));
  run_one(session, o, open_split(o, session), config);
}

}  // namespace gadolin
