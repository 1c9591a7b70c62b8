// gadolin train: options, the data, the net, and a call of the training loop.
#include <algorithm>
#include <filesystem>

#include "apps/commands.h"
#include "apps/run/classifier.h"
#include "apps/train/commands.h"
#include "apps/train/loader_source.h"
#include "apps/train/train_options.h"
#include "data/atomic_file.h"
#include "data/csv.h"
#include "data/split.h"
#include "layers/conv.h"
#include "layers/auxiliary.h"
#include "layers/loss.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

using Options = TrainCommand;

// --- data ------------------------------------------------------------------------------------------------------------

// Splits as the data set has them; what is missing is divided off by patient.
std::unique_ptr<Dataset> open_split(const Options& o, std::uint64_t seed) {
  auto set = open_dataset(o.data, o.dataset);
  if (!o.splits.empty()) read_splits(o.splits, *set);
  if (o.ignore_splits) {
    for (std::int64_t i = 0; i < set->size(); ++i) set->set_split(i, Split::none);
  }
  if (!set->has_split(Split::train)) {
    require<DataError>(!set->has_split(Split::val) && !set->has_split(Split::test), "train: ", o.data,
                       " has samples of val or test but none of train; set the split column, or add --ignore-splits");
    assign_splits(*set, split_shares(o.shares, seed));
  } else if (!set->has_split(Split::val)) {
    const auto train = set->subset(Split::train);
    SplitOptions halves{0.85, 0.15, 0, seed, true};
    assign_splits(*train, halves);
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < set->size(); ++i) {
      if (set->info(i).split == Split::train) set->set_split(i, train->info(at++).split);
    }
  }
  return set;
}

std::string default_steps(const Options& o, int channels, bool training) {
  const std::string size = std::to_string(o.input_size), colour = channels == 1 ? "grey" : "rgb";
  const std::string normal = channels == 1 ? "normalize:0.5:0.25" : "normalize:0.485/0.456/0.406:0.229/0.224/0.225";
  if (o.small_input) {
    return colour + (training && o.augment != "none" ? ",resize:" + size + "x" + size + ",random-crop:" + size + ":" +
                                                           std::to_string(std::max(1, o.input_size / 8))
                                                     : ",resize:" + size + "x" + size) + "," + normal;
  }
  if (!training || o.augment == "none") {
    return colour + ",resize:" + std::to_string(o.input_size * 8 / 7) + ",center-crop:" + size + "," + normal;
  }
  if (o.augment == "light") return colour + ",random-resized-crop:" + size + ":0.6:1:0.85:1.18," + normal;
  return colour + ",random-resized-crop:" + size + ":0.5:1:0.8:1.25,hflip,brightness:0.2,contrast:0.2," + normal;
}
std::string training_steps(const Options& o, int channels) {
  if (o.augment.find(':') != std::string::npos || o.augment.find(',') != std::string::npos) return o.augment;
  require<UsageError>(o.augment == "none" || o.augment == "light" || o.augment == "standard", "--augment ", o.augment,
                      " is unknown; use none, light, standard or a list of steps such as grey,resize:128,random-crop:112");
  return default_steps(o, channels, true);
}

LoaderOptions loader_options(const Options& o, const Session& session) {
  LoaderOptions l;
  l.batch_size = o.batch_size;
  l.workers = o.workers;
  l.seed = session.common().seed;
  l.device = session.device();
  const std::map<std::string, BadSamples> policies{{"fail", BadSamples::fail}, {"skip", BadSamples::skip},
                                                   {"quarantine", BadSamples::quarantine}};
  const auto found = policies.find(o.bad_samples);
  require<UsageError>(found != policies.end(), "--bad-samples ", o.bad_samples, " is unknown; use fail, skip or quarantine");
  l.bad_samples = found->second;
  if (l.bad_samples == BadSamples::quarantine) l.quarantine_file = o.out + "/bad_samples.csv";
  return l;
}

// split.csv: a manifest that eval opens. Samples inside a container have no files: what is written then is for reading.
void write_split(const std::string& path, const Dataset& set) {
  if (!set.info(0).path.empty()) return write_manifest(path, set);
  CsvTable table{path, {"name", "labels", "split"}, {}, {}};
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const SampleInfo& s = set.info(i);
    table.rows.push_back({s.name, set.classes()[static_cast<std::size_t>(s.labels.at(0))], split_name(s.split)});
  }
  write_file_atomically(path, to_csv(table));
}

// Channels of the first picture that can be read; the loader deals with those that cannot.
int channels_of(const Dataset& set) {
  for (std::int64_t i = 0; i + 1 < set.size(); ++i) {
    try {
      return set.image(i).channels;
    } catch (const Error&) {
    }
  }
  return set.image(set.size() - 1).channels;
}

// --- loss ------------------------------------------------------------------------------------------------------------

Tensor class_weights(const Dataset& train, Device device) {
  std::vector<float> weights;
  const auto counts = train.class_counts();
  for (const std::int64_t n : counts) {
    weights.push_back(n == 0 ? 0.0f
                             : static_cast<float>(static_cast<double>(train.size()) /
                                                  (static_cast<double>(counts.size()) * static_cast<double>(n))));
  }
  return from_vector(weights, {static_cast<std::int64_t>(weights.size())}).to(device);
}

std::function<Tensor(const Tensor&, const Tensor&)> make_loss(const Options& o, const Dataset& train, Device device) {
  const bool multi = train.multi_label();
  const std::string kind = o.loss == "auto" ? (multi ? "bce" : "cross-entropy") : o.loss;
  require<UsageError>(kind == "cross-entropy" || kind == "bce" || kind == "focal", "--loss ", o.loss,
                      " is unknown; use auto, cross-entropy, bce or focal");
  require<UsageError>(!(multi && kind == "cross-entropy") && !(!multi && kind == "bce"), "--loss ", kind, " does not fit: the set has ",
                      multi ? "several labels a sample; use bce or focal" : "one label a sample; use cross-entropy or focal");
  if (multi) {
    if (kind == "focal") {
      return [o](const Tensor& x, const Tensor& y) { return sigmoid_focal_loss(x, y.to(x.dtype()), -1, o.focal_gamma); };
    }
    Tensor positive;
    if (o.class_weights) {  // negatives over positives, as far as ten
      std::vector<float> weights;
      for (const std::int64_t n : train.class_counts()) {
        weights.push_back(static_cast<float>(std::clamp(static_cast<double>(train.size() - n) / std::max(1.0, static_cast<double>(n)), 1.0, 10.0)));
      }
      positive = from_vector(weights, {static_cast<std::int64_t>(weights.size())}).to(device);
    }
    return [positive](const Tensor& x, const Tensor& y) { return binary_cross_entropy_with_logits(x, y.to(x.dtype()), positive); };
  }
  CrossEntropyOptions c;
  c.label_smoothing = o.label_smoothing;
  if (o.class_weights) c.class_weight = class_weights(train, device);
  if (kind == "focal") return [c, o](const Tensor& x, const Tensor& y) { return softmax_focal_loss(x, y, o.focal_gamma, c); };
  return [c](const Tensor& x, const Tensor& y) { return cross_entropy(x, y, c); };
}

// --- the run ---------------------------------------------------------------------------------------------------------

Classifier make_classifier(const Options& o, const Dataset& set, int channels) {
  Classifier c;
  c.model = o.model;
  c.classes = set.classes();
  c.multi_label = set.multi_label();
  c.options["num_classes"] = static_cast<double>(set.num_classes());
  c.options["input_channels"] = static_cast<double>(channels);
  if (o.width != 64) c.options["width"] = static_cast<double>(o.width);
  if (o.small_input) c.options["small_input"] = true;
  c.pipeline = Pipeline(o.pipeline.empty() ? default_steps(o, channels, false) : o.pipeline);
  c.net = make_net(c.model, c.options);
  return c;
}

// Metric of the best checkpoint; one that no evaluation gives would never choose any.
std::string monitored(const Options& o, const Dataset& set) {
  if (o.train.monitor.empty()) return set.multi_label() ? "val_roc_auc" : "val_balanced_accuracy";
  Predictions p;  // of one sample a class, only for the names
  p.classes = set.classes();
  const std::size_t classes = p.classes.size();
  p.probability.resize(classes * classes, 0.5);
  p.labels.resize(set.multi_label() ? classes * classes : 0);
  for (std::size_t k = 0; k < classes && !set.multi_label(); ++k) p.target.push_back(static_cast<std::int64_t>(k));
  std::vector<std::string> names{"val_loss"};
  for (const MetricValue& m : summarize(p, {0, 0.95, 0})) names.push_back("val_" + m.name);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  require<UsageError>(std::find(names.begin(), names.end(), o.train.monitor) != names.end(), "--monitor ", o.train.monitor,
                      " is unknown; use ", list);
  return o.train.monitor;
}

// A part that the net does not have would be passed over in silence.
void check_scopes(Module& net, const char* option, const std::vector<std::string>& scopes) {
  const auto state = net.state();
  for (const std::string& scope : scopes) {
    const bool known = std::any_of(state.begin(), state.end(), [&](const Parameter& p) {
      return p.name == scope || p.name.rfind(scope + ".", 0) == 0;
    });
    require<UsageError>(known, option, " ", scope, ": nothing in the net is called so; gadolin summary shows the names");
  }
}

RunDir::Open open_mode(const Options& o) {
  if (o.resume == "auto") return RunDir::Open::automatic;
  if (!o.resume.empty()) return RunDir::Open::resume;
  return o.overwrite ? RunDir::Open::overwrite : RunDir::Open::create;
}

OptimizerOptions rule_of(const Options& o) {
  OptimizerOptions r = optimizer_options(o.optimizer);
  r.lr = o.lr;
  if (r.momentum != 0) r.momentum = o.momentum;
  if (o.weight_decay >= 0) r.weight_decay = o.weight_decay;
  r.decay_norm_and_bias = o.decay_norm_and_bias;
  r.clip_norm = o.rule.clip_norm;
  r.clip_value = o.rule.clip_value;
  return r;
}

MetricList evaluate(Module& net, const Dataset& set, const Pipeline& pipeline, const LoaderOptions& loader, DType compute) {
  const SetPredictions got = predict_set(net, set, pipeline, loader, compute);
  MetricList list{{"val_loss", got.loss}};
  for (const MetricValue& m : summarize(got.predictions, {0, 0.95, 0})) list.emplace_back("val_" + m.name, m.value);
  return list;
}

void restore(Trainer& trainer, RunDir& run, const Options& o, const std::string& fingerprint, Session& session) {
  Checkpoint checkpoint;
  std::string path = o.resume;
  if (o.resume == "auto") {
    const auto found = CheckpointStore(run.checkpoints(), o.train.keep).newest();
    if (!found) return;
    for (const std::string& reason : found->skipped) session.log("resume: passed over a damaged checkpoint: " + reason);
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

void train(Program& program, Session& session, Options o) {
  detect_anomaly(o.anomaly);
  set_tf32(session.tf32());
  manual_seed(session.common().seed);
  // Every mistake that can be seen before the first step is seen before the folder of the run is touched.
  check_train_options(o);
  RunDir::check(o.out, open_mode(o));
  net_info(o.model);
  const auto set = open_split(o, session.common().seed);
  const auto train_set = set->subset(Split::train), val_set = set->subset(Split::val);
  const int channels = o.channels > 0 ? o.channels : channels_of(*train_set);

  Classifier classifier = make_classifier(o, *set, channels);
  Module& net = *classifier.net;
  check_scopes(net, "--exclude-scopes", o.exclude_scopes);
  check_scopes(net, "--trainable-scopes", o.trainable_scopes);
  check_scopes(net, "--freeze", o.freeze);
  if (!o.init_from.empty()) {
    const LoadReport report = net.load_state(load_weights(o.init_from), {.exclude = o.exclude_scopes}, o.init_from);
    session.log(cat("weights of ", o.init_from, ": ", report.loaded.size(), " loaded, ", report.excluded.size(), " left as they start"));
  }
  if (!o.trainable_scopes.empty()) net.set_trainable(o.trainable_scopes);
  net.freeze(o.freeze);
  net.to(session.device());

  LoaderOptions loader = loader_options(o, session);
  loader.shuffle = loader.drop_last = true;
  loader.epochs = o.train.epochs;
  LoaderSource batches(*train_set, Pipeline(training_steps(o, channels)), loader);
  loader.shuffle = loader.drop_last = false;
  loader.epochs = 1;
  if (o.eval_batch_size > 0) loader.batch_size = o.eval_batch_size;
  LoaderOptions eval_loader = loader;
  eval_loader.bad_samples = BadSamples::fail;

  o.train.compute = session.compute();
  o.train.quiet = session.common().quiet || session.common().json;
  o.train.capture = !o.no_capture && !o.anomaly;
  o.train.monitor = monitored(o, *set);
  o.train.maximize = o.train.monitor.find("loss") == std::string::npos;
  LossScale scale = session.compute() == DType::fp16 ? dynamic_loss_scale : LossScale{};
  if (o.loss_scale > 0) scale = LossScale{o.loss_scale, 1, 0.5, 2000};
  Optimizer optimizer(net.parameters(), rule_of(o), scale);
  const std::int64_t steps_per_epoch = std::max<std::int64_t>(1, batches.batches_per_epoch() / o.train.accumulate);
  const double warmup = o.warmup_epochs >= 0 ? o.warmup_epochs : o.schedule.rfind("one-cycle", 0) == 0 ? 0 : 1;
  Schedule schedule(o.schedule, {o.lr, o.min_lr, o.train.max_steps > 0 ? o.train.max_steps : o.train.epochs * steps_per_epoch,
                                 steps_per_epoch, static_cast<std::int64_t>(warmup * static_cast<double>(steps_per_epoch)), 0.01,
                                 o.train.maximize});

  const std::string fingerprint = set->fingerprint();
  const auto loss = make_loss(o, *train_set, session.device());
  Trainer::check(o.train, batches);

  RunDir run(o.out, open_mode(o));
  write_split(run.file("split.csv"), *set);
  run.write_config(program.effective_config());
  run.write_environment({{"device", name_of(session.device())}, {"dtype", session.common().dtype}});
  TrainHooks hooks;
  hooks.loss = [&](const std::vector<Tensor>& batch) {
    return loss_with_auxiliary(net, net(batch[0]), [&](const Tensor& logits) { return loss(logits, batch[1]); });
  };
  hooks.evaluate = [&] { return evaluate(net, *val_set, classifier.pipeline, eval_loader, session.compute()); };
  hooks.describe = [&](Checkpoint& c) {
    classifier.describe(c);
    c.facts["data_fingerprint"] = fingerprint;
    c.facts["train_pipeline"] = batches.loader().pipeline().text();
  };
  hooks.on_epoch = [&](std::int64_t epoch, const MetricList& row) {
    Json event{{"event", "epoch"}, {"epoch", epoch}};
    std::string line = cat("epoch ", epoch, "/", o.train.epochs);
    for (const auto& [name, value] : row) {
      event[name] = value;
      if (name == "train_loss" || name == "val_loss" || name == "val_accuracy" || name == "val_roc_auc" || name == o.train.monitor) {
        line += "  " + name + " " + fixed(value, 4);
      }
    }
    session.event(event);
    session.say(line);
    run.log(line);
  };
  Trainer trainer(net, optimizer, schedule, batches, run, hooks, o.train);
  if (!o.resume.empty()) restore(trainer, run, o, fingerprint, session);
  session.log(cat(o.model, ", ", set->num_classes(), " classes, ", train_set->size(), " training and ", val_set->size(),
                  " validation samples, on ", session.device(), " in ", session.common().dtype));
  const TrainResult result = trainer.run();
  for (const BadSample& bad : batches.loader().bad_samples()) session.log("skipped " + bad.name + ": " + bad.reason);
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

}  // namespace

void add_train_command(Program& program) {
  const auto o = std::make_shared<Options>();
  CLI::App* app = program.add("train", "Train a classifier on a labelled set of images",
                              [o, &program](Session& s) { train(program, s, *o); },
                              "gadolin train examples/data/cxr-nih14-small/view.csv --input-size 112 --epochs 12 --out runs/view");
  add_train_options(app, *o);
}

void add_train(Program& program) {
  add_train_command(program);
  add_eval_command(program);
  add_predict_command(program);
}

}  // namespace gadolin
