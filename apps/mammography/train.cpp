// gadolin mammography train: the flags of Keras RetinaNet on the one training run.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "apps/mammography/anchor_file.h"
#include "apps/mammography/commands.h"
#include "apps/mammography/precisions.h"
#include "apps/mammography/random_transform.h"
#include "apps/mammography/train_flags.h"
#include "apps/run/train_parts.h"
#include "data/sets/boxes/join.h"
#include "data/sets/boxes/tiles.h"
#include "data/sets/overlap.h"
#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "nets/retinanet.h"
#include "tensor/check.h"
#include "train/checkpoint.h"

namespace gadolin::mammography {
namespace {

namespace fs = std::filesystem;

bool original(const TrainFlags& f) { return f.preset != "sgd"; }

// Films with their splits, in which no patient and no picture stands on two sides.
std::unique_ptr<DetectionSet> split_films(Session& session, const TrainFlags& f) {
  auto set = open_marked(session, f.data);
  if (!f.val_annotations.empty()) {
    MarkedData val = f.data;
    val.paths[0] = f.val_annotations;
    const auto second = open_marked(session, val, set->classes());
    session.say(require_apart(*set, *second, f.data.paths[0], f.val_annotations));
    for (std::int64_t i = 0; i < set->size(); ++i) set->set_split(i, Split::train);
    for (std::int64_t i = 0; i < second->size(); ++i) second->set_split(i, Split::val);
    return joined(*set, *second);
  }
  if (!f.splits.empty()) read_splits(f.splits, *set);
  if (!set->has_split(Split::train)) {
    require<DataError>(!set->has_split(Split::val) && !set->has_split(Split::test),
                       "mammography train: ", f.data.paths[0],
                       " has pictures of val or test but none of train; correct its splits");
    assign_splits(*set, split_shares(f.shares, session.common().seed));
    session.log("divided by patient into train, val and test by --shares " + f.shares);
  }
  require<DataError>(set->has_split(Split::val) || f.no_evaluation, "mammography train: ", f.data.paths[0],
                     " has no validation pictures; give --val-annotations or splits, or --no-evaluation");
  const std::pair<Split, const char*> parts[] = {
      {Split::train, "train"}, {Split::val, "val"}, {Split::test, "test"}};
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = a + 1; b < 3; ++b)
      if (set->has_split(parts[a].first) && set->has_split(parts[b].first))
        session.say(require_apart(*set->subset(parts[a].first), *set->subset(parts[b].first), parts[a].second,
                                  parts[b].second));
  return set;
}

// Steps between pictures and the net, of evaluation and of training.
void settle_pictures(TrainCommand& o, const TrainFlags& f, int channels) {
  const bool legacy = f.preset == "legacy";
  const int least = f.min_side.value_or(legacy ? 600 : 800),
            most = std::max(f.max_side.value_or(legacy ? 1024 : 1333), least);
  require<UsageError>(!f.max_side || *f.max_side >= least, "mammography train: --image-max-side ",
                      f.max_side.value_or(0), " is less than the shorter side, ", least,
                      "; give a smaller --image-min-side too");
  const std::string colour = channels == 1 ? "grey" : "rgb",
                    normal = channels == 1 ? "normalize:0.5:0.25"
                                           : "normalize:0.485/0.456/0.406:0.229/0.224/0.225";
  const bool whole = f.no_resize || (!f.tile.empty() && !f.min_side && !f.max_side);
  const std::string resized = whole ? "" : cat(",fit:", least, ":", most);
  const std::string moved = f.random_transform ? random_transform_steps(channels) : ",hflip:0.5";
  o.net.channels = channels;
  o.input.pipeline = cat(colour, resized, ",", normal);
  o.input.augment = cat(colour, resized, moved, ",", normal);
  o.input.sampler = f.background_share != "all"  ? "background:" + f.background_share
                    : f.group_method == "ratio"  ? "shuffled"
                    : f.group_method == "random" ? "mixed"
                                                 : "in-order";
  o.input.batch_size = f.batch_size;
  o.input.workers = f.workers;
}

// Rates, their course and their rule.
void settle_updates(TrainCommand& o, const TrainFlags& f, std::int64_t samples) {
  const bool old = original(f);
  const bool plateau = old || f.reduce_lr_patience || f.reduce_lr_factor;
  const bool twice = f.schedule == "2x", drops = f.schedule.empty() ? !plateau : twice || f.schedule == "1x";
  o.loop.epochs = f.epochs.value_or(twice ? 24 : f.schedule == "1x" ? 12 : 50);
  o.epoch_batches = f.steps.value_or(old ? 10000 : 0);
  const std::int64_t epoch = o.epoch_batches > 0 ? o.epoch_batches
                                                 : std::max<std::int64_t>(
                                                       1, samples / std::max<std::int64_t>(1, f.batch_size)),
                     all = epoch * o.loop.epochs;
  o.update.optimizer = !f.optimizer.empty() ? f.optimizer : old ? "adam" : "momentum";
  // Goyal et al. 2017: the rate grows with the batch.
  o.update.lr =
      f.lr.value_or(old ? 1e-5 : 0.01 * static_cast<double>(std::min<std::int64_t>(16, f.batch_size)) / 16);
  o.update.momentum = 0.9;
  o.update.weight_decay = f.weight_decay.value_or(old ? 0 : 1e-4);
  // Keras clipped the whole gradient until TensorFlow 2, and each tensor since.
  (f.preset == "legacy" ? o.update.clip_norm : o.update.clip_each_norm) =
      f.clipnorm.value_or(old ? 0.001 : 0);
  o.update.warmup_epochs = f.warmup_epochs.value_or(
      old ? 0 : static_cast<double>(std::min<std::int64_t>(500, all / 10)) / static_cast<double>(epoch));
  if (plateau && f.schedule.empty()) {
    // Keras cuts after so many epochs without a gain, our schedule after one more.
    o.update.schedule = cat("plateau:", exact_text(f.reduce_lr_factor.value_or(0.1)), ":",
                            f.reduce_lr_patience.value_or(2) - 1, ":0.0001");
    o.loop.plateau_on = "train_loss";
  } else if (drops) {
    o.update.schedule = cat("multi-step:", std::max<std::int64_t>(1, all * 2 / 3), "s,",
                            std::max<std::int64_t>(1, all * 8 / 9), "s");
  } else {
    o.update.schedule = f.schedule;
  }
}

// The net that a checkpoint was made with: anchors and settings, which flags may then change.
void inherit_net(TrainCommand& o, const std::map<std::string, std::string>& facts, const std::string& path) {
  const auto model = facts.find("model"), settings = facts.find("detector"),
             options = facts.find("net_options");
  if (model == facts.end() || settings == facts.end() || options == facts.end()) return;
  require<UsageError>(model->second == o.net.model, "mammography train: ", path, " is of ", model->second,
                      ", not of ", o.net.model, "; choose its --backbone");
  const Json detector = Json::parse(settings->second, nullptr, false);
  for (const auto& [name, value] : detector.items()) {
    std::string text;
    for (const Json& one : value.is_array() ? value : Json::array({value}))
      text += (text.empty() ? "" : "/") + (one.is_string() ? one.get<std::string>() : one.dump());
    o.net.net_options.push_back(name + "=" + text);
  }
  const Json net = Json::parse(options->second, nullptr, false);
  for (const auto& [name, value] : net.items())
    if (name != "num_classes" && name != "anchors" && name != "input_channels")
      o.net.net_options.push_back(name + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
}

// Weights to begin with, or the run to go on with.
void settle_start(Session& session, TrainCommand& o, const TrainFlags& f) {
  if (!f.snapshot.empty()) {
    const auto facts = load_checkpoint_facts(f.snapshot);
    inherit_net(o, facts, f.snapshot);
    const auto epoch = facts.find("epoch");
    require<UsageError>(!f.initial_epoch || *f.initial_epoch == 0 || epoch == facts.end() ||
                            epoch->second == std::to_string(*f.initial_epoch),
                        "mammography train: --snapshot ", f.snapshot, " stands at epoch ",
                        epoch == facts.end() ? std::string() : epoch->second, ", not at --initial-epoch ",
                        f.initial_epoch.value_or(0), "; leave that out");
    o.resume = f.snapshot;
    o.resume_elsewhere = true;
    if (epoch != facts.end())
      session.log("going on from " + f.snapshot + ": epoch " + epoch->second +
                  ", its step, optimiser and rate");
  } else if (!f.weights.empty() || !f.imagenet_weights.empty()) {
    o.net.init_from = f.weights.empty() ? f.imagenet_weights : f.weights;
    session.log("weights only, of " + o.net.init_from + ": epoch, optimiser and rate begin anew");
    if (is_checkpoint(o.net.init_from))
      inherit_net(o, load_checkpoint_facts(o.net.init_from), o.net.init_from);
  } else {
    session.log("beginning with random weights; --imagenet-weights or --weights name a file to begin with");
    o.net.options["frozen_norm"] = false;  // statistics that nobody has learnt are of no use
  }
}

TrainCommand command_of(Session& session, const TrainFlags& f) {
  TrainCommand o;
  o.task = "detection";
  o.out = f.snapshot_path;
  o.overwrite = f.overwrite;
  o.data.path = f.data.paths[0];
  o.net.model = "retinanet_" + f.backbone + "_fpn";
  detector_info(o.net.model);
  settle_start(session, o, f);
  if (f.preset == "legacy")
    for (const char* option : {"preset=legacy", "legacy=true"}) o.net.net_options.push_back(option);
  if (!f.config.empty())
    for (std::string& option : anchor_options(f.config)) o.net.net_options.push_back(std::move(option));
  o.net.net_options.insert(o.net.net_options.end(), f.net_options.begin(), f.net_options.end());
  if (f.freeze_backbone) o.net.freeze = {"backbone.body"};
  o.evaluate = !f.no_evaluation;
  o.val_loss = f.compute_val_loss;
  if (o.evaluate) {
    o.loop.monitor = f.weighted_average ? "val_weighted_mAP" : "val_mAP";
    o.loop.patience = f.early_stop;
    o.loop.min_delta = f.early_stop_delta;
  }
  if (f.tensorboard_freq == "batch") {
    o.loop.log_every = 1;
  } else if (f.tensorboard_freq != "epoch") {
    const long every = std::strtol(f.tensorboard_freq.c_str(), nullptr, 10);
    require<UsageError>(every > 0 && std::to_string(every) == f.tensorboard_freq, "--tensorboard-freq ",
                        f.tensorboard_freq, " is unknown; use epoch, batch or a number of steps");
    o.loop.log_every = every;
  }
  return o;
}

// resnet50_csv_07.gdck beside checkpoints/: another name of the epoch's checkpoint, which stays.
void keep_snapshot(const RunDir& run, const std::string& name, std::int64_t epoch) {
  char number[16];
  std::snprintf(number, sizeof number, "%02lld", static_cast<long long>(epoch));
  const std::string path = run.file(name + "_" + number + checkpoint_suffix),
                    last = run.checkpoints() + "/last.gdck";
  std::error_code error;
  fs::remove(path, error);
  fs::create_hard_link(fs::canonical(last, error), path, error);
  if (error) fs::copy_file(last, path, fs::copy_options::overwrite_existing, error);
  if (error) fail_file("mammography train", path, error.value());
}

void train(Session& session, const TrainFlags& f, const ConfigText& config) {
  check_train_flags(session, f);
  TrainCommand o = command_of(session, f);
  std::error_code error;
  require<UsageError>(f.overwrite || !f.snapshot.empty() || !fs::exists(o.out + "/config.toml", error),
                      "mammography train: ", o.out, " already holds a run; go on with --snapshot ", o.out,
                      "/checkpoints/last.gdck, or add --overwrite, or choose another --snapshot-path");
  std::unique_ptr<DetectionSet> films = split_films(session, f);
  const int channels = f.channels > 0 ? f.channels : channels_of(*films);
  settle_pictures(o, f, channels);
  if (const std::string preparation = preparation_beside(f.data); !preparation.empty())
    o.facts["preparation"] = preparation;
  if (!f.tile.empty()) {
    const TileOptions tiles = tiles_from(f.tile, "--tile");
    o.facts["tiles"] = text_of(tiles);
    const std::int64_t whole = films->size();
    films = std::make_unique<TiledSet>(*films, tiles);
    session.log(cat(whole, " films in ", films->size(), " tiles; the mAP of epochs is that of tiles"));
  }
  const auto train = films->subset(Split::train);
  const auto sampler = training_sampler(o.input.sampler, *train, {1, true});
  settle_updates(o, f, sampler ? sampler->batches() : train->size());
  const std::vector<std::string> classes = films->classes();
  o.data.open = [&films]() -> std::unique_ptr<Dataset> { return std::move(films); };
  o.evaluated = [&](const Evaluator& evaluator) {
    say_precisions(session, dynamic_cast<const DetectionEvaluator&>(evaluator), classes, {},
                   f.weighted_average);
  };
  if (!f.no_snapshots)
    o.after_row = [name = f.backbone + "_" + dataset_name(f.data)](RunDir& run, std::int64_t epoch,
                                                                   const MetricList&) {
      keep_snapshot(run, name, epoch);
    };
  run_training(session, o, config);
}

}  // namespace

void add_train(Program& program, CLI::App* group) {
  const auto f = std::make_shared<TrainFlags>();
  CLI::App* app = program.add(
      group, "train", "Train a detector of lesions, with the flags of Keras RetinaNet",
      [f, &program](Session& s) {
        train(s, *f, [&](const Settled& settled) {
          return program.effective_config(
              {{"device", settled.at("device")}, {"threads", settled.at("threads")}});
        });
      },
      "gadolin mammography train csv films/boxes.csv --backbone resnet50 --image-min-side 1024 "
      "--image-max-side 2048 --snapshot-path runs/mammo");
  add_train_flags(app, *f);
}

}  // namespace gadolin::mammography
