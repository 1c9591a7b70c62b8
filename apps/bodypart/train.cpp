// gadolin bodypart train: TF-Slim's or the native ResNet trainer's flags on the one training run.
#include <algorithm>
#include <filesystem>

#include "apps/bodypart/commands.h"
#include "apps/bodypart/train_flags.h"
#include "io/atomic_file.h"
#include "io/weights.h"
#include "layers/init.h"
#include "tasks/classification.h"
#include "tasks/net_options.h"
#include "tasks/slim_weights.h"
#include "train/checkpoint_store.h"

namespace gadolin::bodypart {
namespace {

void check_owners(const TrainFlags& f) {
  require<UsageError>(f.trainer == "slim" || f.trainer == "resnet", train_command, ": --trainer ", f.trainer,
                      " is unknown; use slim or resnet");
  for (const auto& [option, owner] : f.owners) {
    const bool given = option->count() > 0 && (option->get_expected_max() > 0 || option->as<bool>());
    require<UsageError>(!given || owner == f.trainer, train_command, ": ", option->get_name(),
                        " is an option of --trainer ", owner, ", not of ", f.trainer);
  }
}

// Options of a net from a checkpoint's facts, without what the data decide.
NetOptions made_with(const std::map<std::string, std::string>& facts) {
  const auto found = facts.find("net_options");
  if (found == facts.end()) return {};
  const Json json = Json::parse(found->second, nullptr, false);
  NetOptions options = json.is_object() ? options_from_json(json) : NetOptions();
  options.erase("num_classes");
  options.erase("input_channels");
  return options;
}

void check_model(const std::map<std::string, std::string>& facts, const TrainCommand& o,
                 const std::string& what) {
  const auto model = facts.find("model");
  require<UsageError>(model == facts.end() || model->second == o.net.model, train_command, ": ", what,
                      " is of ", model == facts.end() ? std::string() : model->second, ", not of ",
                      o.net.model, "; name that net, or choose another folder");
}

// A run is continued with the net that it has; otherwise the first weights, and what their net was made with.
void settle_start(TrainCommand& o, const TrainFlags& f, const Session& session) {
  const std::string checkpoints = o.out + "/checkpoints";
  std::error_code error;
  if (std::filesystem::exists(checkpoints, error)) {
    if (const auto found = CheckpointStore(checkpoints, 1).newest()) {
      check_model(found->checkpoint.facts, o, o.out);
      o.net.options = made_with(found->checkpoint.facts);
      if (!f.checkpoint_path.empty())
        session.log(cat(o.out, " holds a run, which is continued; ", f.checkpoint_path, " is passed over"));
      return;
    }
  }
  if (f.checkpoint_path.empty()) return;
  o.net.init_from = find_checkpoint(f.checkpoint_path);
  if (is_checkpoint(o.net.init_from)) {
    const auto facts = load_checkpoint_facts(o.net.init_from);
    check_model(facts, o, o.net.init_from);
    for (const auto& [name, value] : made_with(facts)) o.net.options.insert({name, value});
    o.net.initial = load_weights(o.net.init_from);
    return;
  }
  WeightFile file = read_weights(o.net.init_from);
  if (file.format == "tensorflow" && is_slim(file.tensors)) {
    NetOptions conventions;
    rename_slim(o.net.model, file, conventions);
    for (const std::string& note : file.notes) session.log(o.net.init_from + ": " + note);
    for (const auto& [name, value] : conventions) o.net.options.insert({name, value});
  }
  o.net.initial = std::move(file.tensors);
}

// TF-Slim's scopes as parts of the net; names of ours stay.
std::vector<std::string> parts(const std::vector<std::string>& scopes, const TrainCommand& o) {
  std::vector<std::string> found;
  std::unique_ptr<ImageNet> net;
  const std::string family = slim_scope(o.net.model);
  for (const std::string& scope : scopes) {
    if (family.empty() || scope.substr(0, scope.find('/')) != family) {
      found.push_back(scope);
      continue;
    }
    const SkipInitialValues quick;
    if (!net) net = make_net(o.net.model, o.net.options);
    const auto more = parts_of_slim_scope(o.net.model, *net, scope);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

// The best weights with what is needed to use them.
void export_best(const std::string& run, const std::string& folder, Session& session) {
  std::string from = run + "/checkpoints/best.gdck";
  if (!std::filesystem::exists(from)) from = run + "/checkpoints/last.gdck";
  const auto classifier = load_classifier(from, cpu);
  Checkpoint lean;
  for (const Parameter& p : classifier->net().state()) lean.tensors["model." + p.name] = p.tensor.detach();
  classifier->describe(lean);
  make_folders("bodypart train", folder);
  save_checkpoint(folder + "/model.gdck", lean);
  session.say("exported: " + folder + "/model.gdck");
  session.output("export", folder + "/model.gdck");
}

void train(Session& session, const TrainFlags& f, const ConfigText& config) {
  check_owners(f);
  TrainCommand o = f.trainer == "slim" ? slim_command(f, session) : resnet_command(f, session);
  o.out = f.train_dir;
  o.resume = "auto";
  o.input.batch_size = f.batch_size * f.clones;
  o.input.workers = f.workers;
  o.net.channels = f.channels;
  o.loss.kind = "cross-entropy";
  o.update.warmup_epochs = 0;
  o.net.ignore_missing = f.ignore_missing_vars;
  o.loop.max_steps = f.max_steps;
  o.loop.eval_every = f.eval_every;
  o.loop.keep = f.keep;
  o.loop.monitor = "val_accuracy";
  NetOptions given;
  for (const std::string& text : f.net_options) add_net_option(given, text);
  for (const auto& [name, value] : given) o.net.options[name] = value;
  settle_start(o, f, session);
  o.net.exclude_scopes = parts(f.exclude_scopes, o);
  o.net.trainable_scopes = parts(f.trainable_scopes, o);
  if (f.trainer == "slim" && f.max_steps == 0)
    session.log(
        "without --max-number-of-steps the run ends with a signal such as Ctrl-C; it can then be continued");
  if (f.batch_norm_decay >= 0) {
    require<UsageError>(f.batch_norm_decay < 1, train_command, ": --batch-norm-decay ", f.batch_norm_decay,
                        " is not in [0, 1)");
    o.net.norm_momentum = 1 - f.batch_norm_decay;
  }
  try {
    run_training(session, o, config);
  } catch (const Stopped& stopped) {
    fail<Stopped>(stopped.message(), "; run the same command again to continue");
  }
  if (!f.export_dir.empty()) export_best(o.out, f.export_dir, session);
}

}  // namespace

void add_train(Program& program, CLI::App* group) {
  const auto f = std::make_shared<TrainFlags>();
  CLI::App* app = program.add(
      group, "train", "Train a net of TF-Slim's, or a ResNet as the native trainer does",
      [f, &program](Session& s) {
        // Its own flags mean other things than those of `train` by these names.
        train(s, *f, [&](const Settled& settled) {
          return program.effective_config(
              {{"device", settled.at("device")}, {"threads", settled.at("threads")}});
        });
      },
      "gadolin bodypart train --dataset_dir records --train_dir runs/v4 --model_name inception_v4 "
      "--max_number_of_steps 8400 "
      "--eval-every 1680\n  gadolin bodypart train --trainer resnet --data_dir records --model_dir runs/r50 "
      "--train_epochs 20");
  add_train_flags(app, *f);
}

}  // namespace gadolin::bodypart
