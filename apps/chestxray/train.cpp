// gadolin chestxray train: findings of chest X-rays on the one training run, and the settings of the original
// program.
#include <algorithm>
#include <filesystem>

#include "apps/chestxray/commands.h"
#include "apps/chestxray/films.h"
#include "apps/chestxray/nih_table.h"
#include "apps/chestxray/seed_checkpoint.h"
#include "apps/chestxray/selection.h"
#include "apps/chestxray/stages.h"
#include "apps/chestxray/train_flags.h"
#include "apps/run/train_options.h"
#include "apps/run/train_parts.h"
#include "data/sets/overlap.h"
#include "io/atomic_file.h"
#include "io/torch_file.h"
#include "io/weights.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

// The original's selection and its random 80/20 split of images, drawn again for every epoch. The 20 % of the
// first epoch are what is validated with, and most of them are learnt from later: that is the point of it.
CapOptions original_selection(const TrainFlags& f, const Dataset& films, std::uint64_t seed) {
  const auto& classes = films.classes();
  const auto hernia = std::find(classes.begin(), classes.end(), "Hernia");
  CapOptions o;
  o.cap = f.cap;
  o.exempt = hernia == classes.end() ? -1 : static_cast<int>(hernia - classes.begin());
  o.seed = seed;
  if (f.legacy()) {
    o.anew = true;
    o.train_share = 0.8;
  }
  return o;
}

// Films to learn from with those to validate with; under legacy these stand there twice.
std::unique_ptr<Dataset> original_split(const TrainFlags& f, const Dataset& films, std::uint64_t seed) {
  std::vector<std::int64_t> learnt, test;
  for (std::int64_t i = 0; i < films.size(); ++i)
    (films.info(i).split == Split::test ? test : learnt).push_back(i);
  const auto all = films.subset(learnt);
  const CapSelection first = cap_selection(*all, original_selection(f, films, seed), 0);
  std::vector<std::int64_t> places = learnt;
  for (const std::int64_t i : first.val) places.push_back(learnt[static_cast<std::size_t>(i)]);
  places.insert(places.end(), test.begin(), test.end());
  auto set = films.subset(places);
  for (std::int64_t i = 0; i < set->size(); ++i) {
    const bool learn = i < std::ssize(learnt), val = !learn && i < std::ssize(learnt) + std::ssize(first.val);
    set->set_split(i, learn ? Split::train : val ? Split::val : Split::test);
  }
  return set;
}

// No patient and no film on two sides.
void check_apart(Session& session, const TrainFlags& f, const Dataset& films) {
  require<DataError>(films.has_split(Split::train) && films.has_split(Split::val),
                     "chestxray train: ", f.data, " has no films of ",
                     films.has_split(Split::train) ? "val" : "train",
                     "; make its splits with chestxray prepare, or data split");
  const std::pair<Split, const char*> sides[] = {
      {Split::train, "train"}, {Split::val, "val"}, {Split::test, "test"}};
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = a + 1; b < 3; ++b)
      if (films.has_split(sides[a].first) && films.has_split(sides[b].first))
        session.log(require_apart(*films.subset(sides[a].first), *films.subset(sides[b].first),
                                  sides[a].second, sides[b].second));
}

// Weights to begin with. A head for other findings begins anew, and is told.
void settle_start(const Session& session, const TrainFlags& f, const Dataset& films, TrainCommand& o) {
  if (f.init == "random") return;
  o.net.init_from = f.init;
  std::map<std::string, Tensor> weights;
  std::string classes;
  if (is_checkpoint(f.init)) {
    weights = load_weights(f.init);
    const auto facts = load_checkpoint_facts(f.init);
    if (const auto found = facts.find("classes"); found != facts.end()) classes = found->second;
  } else {
    const WeightFile file = read_weights(f.init);
    for (const std::string& note : file.notes) session.log(f.init + ": " + note);
    weights = file.tensors;
  }
  const std::string head = head_of(o.net.model);
  const auto found = weights.find(head + ".weight");
  require<UsageError>(found != weights.end(), "chestxray train: ", f.init, " has no ", head,
                      ".weight, so it is of no ", o.net.model, "; choose its --model");
  const bool renamed = !classes.empty() && classes != Json(films.classes()).dump();
  if (found->second.size(0) != films.num_classes() || renamed) {
    o.net.exclude_scopes = {head};
    session.log(cat("the head ", head, " of ", f.init, " is for ", found->second.size(0),
                    renamed ? " other" : "", " classes; it begins anew for ", films.num_classes()));
  }
  if (f.channels == 0) {
    for (const char* name : {"conv1.weight", "features.conv0.weight"})
      if (const auto stem = weights.find(name); stem != weights.end())
        o.net.channels = static_cast<int>(stem->second.size(1));
  }
}

void settle_pictures(const TrainFlags& f, TrainCommand& o, int channels) {
  o.net.channels = channels;
  o.input.size = f.input_size;
  o.input.workers = f.workers;
  o.input.batch_size = f.batch_size.value_or(f.legacy() ? 64 : 32);
  const std::string colour = channels == 1 ? "grey" : "rgb",
                    normal = channels == 1 ? "normalize:0.5:0.25"
                                           : "normalize:0.485/0.456/0.406:0.229/0.224/0.225",
                    whole = cat("resize:", f.input_size * 8 / 7);
  if (f.legacy()) {
    o.input.pipeline = cat(colour, ",resize:", f.input_size, ",", normal);
    o.input.augment = o.input.pipeline;
  } else {
    o.input.pipeline = cat(colour, ",", whole, ",center-crop:", f.input_size, ",", normal);
    o.input.augment = cat(colour, ",", whole, ",affine:10:0.02:0.9:1.1:0,random-crop:", f.input_size,
                          f.no_flip ? "" : ",hflip", ",", normal);
  }
  if (!f.pipeline.empty()) o.input.pipeline = f.pipeline;
  if (f.augment == "none" || (f.augment.empty() && !f.pipeline.empty() && f.legacy()))
    o.input.augment = o.input.pipeline;
  else if (!f.augment.empty() && f.augment != "standard")
    o.input.augment = f.augment;
}

void settle_learning(const TrainFlags& f, TrainCommand& o) {
  const bool old = f.legacy();
  const std::string loss = f.loss.empty() ? (old ? "focal" : "bce") : f.loss;
  o.loss.kind = loss == "focal" || loss == "FocalLoss" ? "focal" : "bce";
  o.loss.class_weights = loss == "wbce";
  o.loss.focal_gamma = f.gamma.value_or(2);
  o.loss.focal_alpha = f.alpha.value_or(0);
  o.update.optimizer = !f.optimizer.empty() ? f.optimizer : old ? "adam" : "adamw";
  o.update.lr = f.lr.value_or(old ? 1e-5 : 1e-4);
  o.update.schedule = !f.schedule.empty() ? f.schedule : old ? "constant" : "cosine";
  o.update.weight_decay = f.weight_decay.value_or(old ? 0 : -1);
  o.update.warmup_epochs = old && f.warmup_epochs < 0 ? 0 : f.warmup_epochs;
  o.update.clip_norm = f.clip_norm;
  o.loop.epochs = f.epochs.value_or(old ? 50 : 10);
  o.loop.max_steps = f.max_steps;
  o.loop.ema = f.ema;
  o.loop.monitor = f.monitor;
  o.loop.patience = f.patience;
  o.loop.keep = static_cast<int>(f.keep);
}

void settle_parts(const TrainFlags& f, TrainCommand& o) {
  const int stage = f.settled_stage();
  o.net.freeze = f.freeze;
  if (stage == 0) return;
  if (f.legacy()) {
    o.net.settled = [stage](Module& net) { freeze_as_original(net, stage); };
    return;
  }
  const auto parts = frozen_in_stage(o.net.model, stage);
  o.net.freeze.insert(o.net.freeze.end(), parts.begin(), parts.end());
}

void settle_sampler(const TrainFlags& f, const Dataset& films, std::uint64_t seed, TrainCommand& o) {
  const std::string sampler = f.sampler.empty() ? (f.legacy() ? "cap" : "all") : f.sampler;
  if (sampler == "cap") {
    const CapOptions options = original_selection(f, films, seed);
    o.input.make_sampler = [options](const Dataset& train, BatchCut cut) {
      return cap_sampler(train, options, cut);
    };
  } else if (sampler == "balanced") {
    o.input.make_sampler = [](const Dataset& train, BatchCut cut) { return label_balanced(train, cut); };
  }
}

// models/stage1_1e-05_01.pth of every epoch, as the original; a state_dict instead of a pickled net.
void keep_original(const RunDir& run, const std::string& name) {
  const Checkpoint last = load_checkpoint(run.checkpoints() + "/last.gdck");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [tensor, value] : last.tensors)
    if (tensor.starts_with("model.")) tensors.emplace_back(tensor.substr(6), value);
  make_folders("chestxray train", run.file("models"));
  save_torch(run.file("models/" + name), tensors);
}

void train(Session& session, const TrainFlags& f, const ConfigText& config) {
  check_train_flags(f);
  TrainCommand o;
  o.out = f.out;
  o.overwrite = f.overwrite;
  o.no_capture = f.no_capture;
  o.resume = !f.resume ? "" : f.ckpt.empty() ? "auto" : f.ckpt;
  require<UsageError>(
      f.ckpt.empty() || is_checkpoint(f.ckpt), "chestxray train: --ckpt ", f.ckpt,
      " holds weights alone, without optimiser, schedule, sampler and random numbers; give --init ", f.ckpt);
  o.data.path = f.data;
  o.net.model = !f.model.empty() ? f.model : f.legacy() ? "resnet50" : "densenet121";
  head_of(o.net.model);
  o.net.net_options = f.net_options;
  o.net.channels = f.channels;
  auto films = open_films(f.data, f.findings, f.allow_outside);
  if (!f.splits.empty()) read_splits(f.splits, *films);
  o.apart = apart_of(*films);
  settle_start(session, f, *films, o);
  const std::uint64_t seed = session.common().seed;
  const int channels = o.net.channels > 0 ? o.net.channels : f.legacy() ? 3 : channels_of(*films);
  settle_pictures(f, o, channels);
  settle_learning(f, o);
  settle_parts(f, o);
  settle_sampler(f, *films, seed, o);
  if (f.legacy()) {
    films = original_split(f, *films, seed);
    session.log(
        "legacy: films and validation are drawn by image and anew for every epoch, and no checkpoint is "
        "chosen");
    o.after_row = [&f, lr = o.update.lr](RunDir& run, std::int64_t epoch, const MetricList&) {
      keep_original(run, original_name(f.settled_stage(), lr, epoch));
    };
  } else {
    check_apart(session, f, *films);
  }
  o.data.open = [&films]() -> std::unique_ptr<Dataset> { return std::move(films); };
  run_training(session, o, config);
  if (f.legacy()) session.output("models", f.out + "/models");
}

}  // namespace

void add_train(Program& program, CLI::App* group) {
  const auto f = std::make_shared<TrainFlags>();
  CLI::App* app = program.add(
      group, "train", "A net that names the findings of chest X-rays",
      [f, &program](Session& s) {
        train(s, *f, [&](const Settled& settled) {
          return program.effective_config({{"device", settled.at("device")},
                                           {"threads", settled.at("threads")},
                                           {"resume", ""},
                                           {"overwrite", ""}});
        });
      },
      "gadolin chestxray train nih/manifest.csv --init densenet121-a639ec97.pth --out runs/chest");
  add_train_flags(app, *f);
}

}  // namespace gadolin::chestxray
