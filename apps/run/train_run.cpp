// One training run of a classifier: the data, the net, and a call of the training loop.
#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/run/train_parts.h"
#include "layers/auxiliary.h"
#include "layers/conv.h"
#include "layers/norm.h"
#include "tasks/classifier.h"
#include "tasks/loader_source.h"
#include "tasks/net_options.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

// How the net of initial weights was made, such as transform_input, so that it goes on as the same net; none
// for files of elsewhere.
NetOptions inherited_options(const TrainCommand& o) {
  if (o.init_from.empty() || !is_checkpoint(o.init_from)) return {};
  const auto facts = load_checkpoint_facts(o.init_from);
  const auto model = facts.find("model"), written = facts.find("net_options");
  if (model == facts.end() || model->second != o.model || written == facts.end()) return {};
  const Json json = Json::parse(written->second, nullptr, false);
  const bool values = json.is_object() && std::all_of(json.begin(), json.end(), [](const Json& j) {
                        return j.is_primitive() && !j.is_null();
                      });
  return values ? options_from_json(json) : NetOptions{};
}

Classifier make_classifier(const TrainCommand& o, const Dataset& set, int channels) {
  Classifier c;
  c.model = o.model;
  c.options = o.net_options;
  c.options.merge(inherited_options(o));
  c.classes = set.classes();
  c.multi_label = set.multi_label();
  c.options["num_classes"] = static_cast<double>(set.num_classes());
  c.options["input_channels"] = static_cast<double>(channels);
  if (o.width != 64) c.options["width"] = static_cast<double>(o.width);
  if (o.small_input) c.options["small_input"] = true;
  c.pipeline = Pipeline(evaluation_steps(o, channels));
  c.net = make_net(c.model, c.options);
  return c;
}

// Metric of the best checkpoint; one that no evaluation gives would never choose any.
std::string monitored(const TrainCommand& o, const Dataset& set) {
  if (o.train.monitor.empty()) return set.multi_label() ? "val_roc_auc" : "val_balanced_accuracy";
  Predictions p;  // of one sample a class, only for the names
  p.classes = set.classes();
  const std::size_t classes = p.classes.size();
  p.probability.resize(classes * classes, 0.5);
  p.labels.resize(set.multi_label() ? classes * classes : 0);
  for (std::size_t k = 0; k < classes && !set.multi_label(); ++k)
    p.target.push_back(static_cast<std::int64_t>(k));
  std::vector<std::string> names{"val_loss"};
  for (const MetricValue& m : summarize(p, {0, 0.95, 0})) names.push_back("val_" + m.name);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  require<UsageError>(std::find(names.begin(), names.end(), o.train.monitor) != names.end(), "--monitor ",
                      o.train.monitor, " is unknown; use ", list);
  return o.train.monitor;
}

// A part that the net does not have would be passed over in silence.
void check_scopes(Module& net, const char* option, const std::vector<std::string>& scopes) {
  const auto state = net.state();
  for (const std::string& scope : scopes) {
    const bool known = std::any_of(state.begin(), state.end(), [&](const Parameter& p) {
      return p.name == scope || p.name.rfind(scope + ".", 0) == 0;
    });
    require<UsageError>(known, option, " ", scope,
                        ": nothing in the net is called so; gadolin summary shows the names");
  }
}

RunDir::Open open_mode(const TrainCommand& o) {
  if (o.resume == "auto") return RunDir::Open::automatic;
  if (!o.resume.empty()) return RunDir::Open::resume;
  return o.overwrite ? RunDir::Open::overwrite : RunDir::Open::create;
}

OptimizerOptions rule_of(const TrainCommand& o) {
  if (o.exact_rule) return *o.exact_rule;
  OptimizerOptions r = optimizer_options(o.optimizer);
  r.lr = o.lr;
  if (r.momentum != 0) r.momentum = o.momentum;
  if (o.weight_decay >= 0) r.weight_decay = o.weight_decay;
  r.decay_norm_and_bias = o.decay_norm_and_bias;
  r.clip_norm = o.rule.clip_norm;
  r.clip_value = o.rule.clip_value;
  return r;
}

MetricList evaluate(Module& net, const Dataset& set, const Pipeline& pipeline, const LoaderOptions& loader,
                    DType compute) {
  const SetPredictions got = predict_set(net, set, pipeline, loader, compute);
  MetricList list{{"val_loss", got.loss}};
  for (const MetricValue& m : summarize(got.predictions, {0, 0.95, 0}))
    list.emplace_back("val_" + m.name, m.value);
  return list;
}

// Weights and biases of batch norms.
std::vector<std::string> norm_parameters(const Module& net) {
  std::vector<std::string> names;
  net.visit([&](const std::string& path, const Module& m) {
    if (dynamic_cast<const BatchNorm2d*>(&m) == nullptr) return;
    for (const Parameter& p : m.parameters()) names.push_back(path.empty() ? p.name : path + "." + p.name);
  });
  return names;
}

void load_initial(Module& net, const TrainCommand& o, const Session& session) {
  if (o.init_from.empty()) return;
  State weights = o.initial;
  if (weights.empty()) {
    weights = load_weights(o.init_from);
  } else {
    std::set<std::string> ours;
    for (const Parameter& p : net.state()) ours.insert(p.name);
    std::erase_if(weights, [&](const auto& entry) { return !ours.contains(entry.first); });
  }
  const LoadReport report =
      net.load_state(weights, {.strict = !o.ignore_missing, .exclude = o.exclude_scopes}, o.init_from);
  session.log(cat("weights of ", o.init_from, ": ", report.loaded.size(), " loaded, ",
                  report.excluded.size() + report.missing.size(), " left as they start"));
}

void restore(Trainer& trainer, RunDir& run, const TrainCommand& o, const std::string& fingerprint,
             Session& session) {
  Checkpoint checkpoint;
  std::string path = o.resume;
  if (o.resume == "auto") {
    const auto found = CheckpointStore(run.checkpoints(), o.train.keep).newest();
    if (!found) return;
    for (const std::string& reason : found->skipped)
      session.log("resume: passed over a damaged checkpoint: " + reason);
    checkpoint = found->checkpoint;
    path = found->path;
  } else {
    checkpoint = load_checkpoint(path);
  }
  require<DataError, 40>(checkpoint.fact("data_fingerprint") == fingerprint, "resume: the data in ", o.data,
                         " are not those that the run was started with (names, labels or splits differ)",
                         "; restore them, or start a new run with --init-from");
  trainer.restore(checkpoint);
  session.log("resuming from " + path + " at step " + checkpoint.fact("step"));
}

}  // namespace

void train_classifier(Session& session, TrainCommand o, const std::string& config) {
  detect_anomaly(o.anomaly);
  set_tf32(session.tf32());
  manual_seed(session.common().seed);
  // Every mistake that can be seen before the first step is seen before the folder of the run is touched.
  check_train_options(o);
  RunDir::check(o.out, open_mode(o));
  net_info(o.model);
  const auto set = open_split(o, session.common().seed);
  const auto train_set = set->subset(Split::train), val_set = set->subset(Split::val);
  if (o.settle) o.settle(o, train_set->size());
  const int channels = o.channels > 0 ? o.channels : channels_of(*train_set);

  Classifier classifier = make_classifier(o, *set, channels);
  Module& net = *classifier.net;
  check_scopes(net, "--exclude-scopes", o.exclude_scopes);
  check_scopes(net, "--trainable-scopes", o.trainable_scopes);
  check_scopes(net, "--freeze", o.freeze);
  load_initial(net, o, session);
  if (!o.trainable_scopes.empty()) net.set_trainable(o.trainable_scopes);
  net.freeze(o.freeze);
  if (o.norm_momentum > 0) {
    net.visit([&](const std::string&, Module& m) {
      if (auto* norm = dynamic_cast<BatchNorm2d*>(&m)) norm->set_momentum(o.norm_momentum);
    });
  }
  net.to(session.device());

  LoaderOptions loader = loader_options(o, session);
  loader.shuffle = loader.drop_last = true;
  loader.epochs = o.train.epochs;
  const Pipeline train_pipeline(training_steps(o, channels));
  LoaderSource batches(*train_set, train_pipeline, loader);
  loader.shuffle = loader.drop_last = false;
  loader.epochs = 1;
  if (o.eval_batch_size > 0) loader.batch_size = o.eval_batch_size;
  LoaderOptions eval_loader = loader;
  eval_loader.bad_samples = BadSamples::fail;

  o.train.compute = session.compute();
  o.train.quiet = session.common().quiet || session.common().json ||
                  o.log_steps;  // lines of steps and a bar do not go together
  o.train.capture = !o.no_capture && !o.anomaly;
  o.train.monitor = monitored(o, *set);
  o.train.maximize = o.train.monitor.find("loss") == std::string::npos;
  LossScale scale = session.compute() == DType::fp16 ? dynamic_loss_scale : LossScale{};
  if (o.loss_scale > 0) scale = LossScale{o.loss_scale, 1, 0.5, 2000};
  OptimizerOptions rule = rule_of(o);
  if (o.decay_all_but_norms) rule.undecayed = norm_parameters(net);
  Optimizer optimizer(net.parameters(), rule, scale);
  const std::int64_t steps_per_epoch =
      std::max<std::int64_t>(1, batches.batches_per_epoch() / o.train.accumulate);
  const double warmup = o.warmup_epochs >= 0                    ? o.warmup_epochs
                        : o.schedule.rfind("one-cycle", 0) == 0 ? 0
                                                                : 1;
  Schedule schedule(
      o.schedule,
      {o.lr, o.min_lr, o.train.max_steps > 0 ? o.train.max_steps : o.train.epochs * steps_per_epoch,
       steps_per_epoch, static_cast<std::int64_t>(warmup * static_cast<double>(steps_per_epoch)), 0.01,
       o.train.maximize});

  const std::string fingerprint = set->fingerprint();
  const auto loss = make_loss(o, *train_set, session.device());
  Trainer::check(o.train, batches);

  RunDir run(o.out, open_mode(o));
  write_split(run.file("split.csv"), *set);
  run.write_config(config);
  run.write_environment({{"device", name_of(session.device())}, {"dtype", session.common().dtype}});
  TrainHooks hooks;
  const bool counts = o.log_steps && !set->multi_label();
  Tensor right = zeros({}, DType::fp32, session.device());  // share of the last batch
  hooks.loss = [&](const Batch& batch) {
    const Tensor output = net(batch["image"]);
    if (counts) {
      const NoGrad guard;
      right.copy_(mean(compare(Compare::equal, argmax(output.detach(), 1), batch["label"]).to(DType::fp32)));
    }
    return loss_with_auxiliary(net, output,
                               [&](const Tensor& logits) { return loss(logits, batch["label"]); });
  };
  hooks.evaluate = [&] {
    return evaluate(net, *val_set, classifier.pipeline, eval_loader, session.compute());
  };
  hooks.describe = [&](Checkpoint& c) {
    classifier.describe(c);
    c.facts["data_fingerprint"] = fingerprint;
    c.facts["train_pipeline"] = train_pipeline.text();
  };
  hooks.on_epoch = [&](std::int64_t epoch, const MetricList& row) {
    Json event{{"event", "epoch"}, {"epoch", epoch}};
    std::string line = cat("epoch ", epoch);
    if (o.train.epochs < endless_epochs) line += cat("/", o.train.epochs);
    for (const auto& [name, value] : row) {
      event[name] = value;
      if (name == "train_loss" || name == "val_loss" || name == "val_accuracy" || name == "val_roc_auc" ||
          name == o.train.monitor) {
        line += "  " + name + " " + fixed(value, 4);
      }
    }
    session.event(event);
    session.say(line);
    run.log(line);
  };
  if (o.log_steps) {
    hooks.on_log = [&](std::int64_t step, double value, double lr, double seconds) {
      const double total = value + optimizer.penalty(),
                   images = static_cast<double>(o.batch_size * o.train.accumulate) / seconds;
      std::string line =
          cat("step ", step, ": loss = ", fixed(total, 4), " (", fixed(seconds, 3), " sec/step)  lr ", lr);
      Json event{{"event", "step"}, {"step", step},       {"loss", total},
                 {"lr", lr},        {"seconds", seconds}, {"images_per_second", images}};
      if (counts) {
        event["accuracy"] = right.item();
        line += "  accuracy " + fixed(right.item(), 4);
      }
      if (o.log_rate) line += "  " + fixed(images, 1) + " images/s";
      session.event(event);
      session.log(line);
      run.log(line);
    };
  }
  Trainer trainer(net, optimizer, schedule, batches, run, hooks, o.train);
  if (!o.resume.empty()) restore(trainer, run, o, fingerprint, session);
  session.log(cat(o.model, ", ", set->num_classes(), " classes, ", train_set->size(), " training and ",
                  val_set->size(), " validation samples, on ", session.device(), " in ",
                  session.common().dtype));
  const TrainResult result = trainer.run();
  for (const BadSample& bad : batches.loader().bad_samples())
    session.log("skipped " + bad.name + ": " + bad.reason);
  session.say(cat("best ", o.train.monitor, " ", fixed(result.best, 4), " at step ", result.best_step, "; ",
                  fixed(result.images_per_second, 1), " images/s; ", run.checkpoints(), "/best.gdck"));
  session.metric("steps", result.steps);
  session.metric("best", result.best);
  session.metric("images_per_second", result.images_per_second);
  for (const auto& [name, value] : result.last) session.metric(name, value);
  session.output("run", o.out);
  session.output("best", run.checkpoints() + "/best.gdck");
  session.output("last", run.checkpoints() + "/last.gdck");
}

}  // namespace gadolin
