// What learns in a training run: the net as it begins, and how its weights change.
#include <algorithm>
#include <set>

#include "apps/run/train_parts.h"
#include "layers/conv.h"
#include "layers/norm.h"
#include "nets/retinanet.h"
#include "tasks/detection/torchvision.h"
#include "tasks/detection/trunk.h"
#include "tasks/net_options.h"

namespace gadolin {
namespace {

// How the net of initial weights was made, such as transform_input, so that it goes on as the same net; none
// for files of elsewhere.
NetOptions inherited_options(const TrainCommand& o) {
  if (o.net.init_from.empty() || !is_checkpoint(o.net.init_from)) return {};
  const auto facts = load_checkpoint_facts(o.net.init_from);
  const auto model = facts.find("model"), written = facts.find("net_options");
  if (model == facts.end() || written == facts.end()) return {};
  const bool trunk = o.net.model.starts_with("retinanet_") && model->second == backbone_of(o.net.model);
  if (model->second != o.net.model && !trunk) return {};
  const Json json = Json::parse(written->second, nullptr, false);
  const bool values = json.is_object() && std::all_of(json.begin(), json.end(), [](const Json& j) {
                        return j.is_primitive() && !j.is_null();
                      });
  NetOptions options = values ? options_from_json(json) : NetOptions{};
  for (const char* of_data : {"num_classes", "anchors", "input_channels"}) options.erase(of_data);
  return options;
}

// A part that the net does not have, or none that learns, would be passed over in silence.
void check_scopes(const std::vector<Parameter>& state, const char* option, const char* what,
                  const std::vector<std::string>& scopes) {
  for (const std::string& scope : scopes) {
    const bool known = std::any_of(state.begin(), state.end(), [&](const Parameter& p) {
      return p.name == scope || p.name.rfind(scope + ".", 0) == 0;
    });
    require<UsageError>(known, option, " ", scope, ": nothing in the net", what,
                        " is called so; gadolin summary shows the names");
  }
}

OptimizerOptions rule_of(const TrainCommand& o) {
  if (o.update.exact) return *o.update.exact;
  OptimizerOptions r = optimizer_options(o.update.optimizer);
  r.lr = o.update.lr;
  if (r.momentum != 0) r.momentum = o.update.momentum;
  if (o.update.weight_decay >= 0) r.weight_decay = o.update.weight_decay;
  r.decay_norm_and_bias = o.update.decay_norm_and_bias;
  r.clip_norm = o.update.clip_norm;
  r.clip_each_norm = o.update.clip_each_norm;
  r.clip_value = o.update.clip_value;
  return r;
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

// Weights for pictures of other channels, such as those of ImageNet for grey films.
void check_channels(const Module& net, const State& weights, const TrainCommand& o) {
  for (const Parameter& p : net.parameters()) {
    const auto found = weights.find(p.name);
    if (found == weights.end() || p.tensor.dim() != 4 || found->second.dim() != 4) continue;
    const std::int64_t ours = p.tensor.size(1), theirs = found->second.size(1);
    const bool excluded =
        std::any_of(o.net.exclude_scopes.begin(), o.net.exclude_scopes.end(),
                    [&](const auto& scope) { return p.name == scope || p.name.starts_with(scope + "."); });
    if (excluded || ours == theirs || std::max(ours, theirs) != 3 || std::min(ours, theirs) != 1) continue;
    fail<UsageError>("--init-from ", o.net.init_from, ": its ", p.name, " takes pictures of ", theirs,
                     " channels, here they have ", ours, "; add --channels ", theirs, " or --exclude-scopes ",
                     p.name.substr(0, p.name.rfind('.')));
  }
}

// ImageNet's weights, or another classifier's: the trunk takes them, the rest stays as it starts.
void load_trunk(Module& net, const RetinaNet& detector, const State& weights, const TrainCommand& o,
                const Session& session) {
  const TrunkWeights trunk = trunk_of_classifier(detector, weights, o.net.init_from);
  check_channels(net, trunk.state, o);
  const LoadReport report =
      net.load_state(trunk.state, {.strict = false, .exclude = o.net.exclude_scopes}, o.net.init_from);
  session.log(cat("trunk of ", o.net.init_from, ": ", report.loaded.size(), " loaded, ", trunk.left.size(),
                  " of the classifier left out, ", report.excluded.size() + report.missing.size(),
                  " of the detector left as they start"));
}

void load_initial(Module& net, const TrainCommand& o, const Session& session) {
  if (o.net.init_from.empty()) return;
  State weights = o.net.initial;
  bool averaged = false;
  if (weights.empty()) {
    weights = load_weights(o.net.init_from, &averaged);
    if (const auto* detector = dynamic_cast<const RetinaNet*>(&net)) {
      rename_old_torchvision(weights);
      if (has_no_detector(weights)) return load_trunk(net, *detector, weights, o, session);
    }
  } else {
    std::set<std::string> ours;
    for (const Parameter& p : net.state()) ours.insert(p.name);
    std::erase_if(weights, [&](const auto& entry) { return !ours.contains(entry.first); });
  }
  check_channels(net, weights, o);
  const LoadReport report = net.load_state(
      weights, {.strict = !o.net.ignore_missing, .exclude = o.net.exclude_scopes}, o.net.init_from);
  // Counters that files of old versions lack are neither missing nor loaded.
  const std::size_t all = net.state().size(), left = report.excluded.size() + report.missing.size(),
                    counters = all - left - report.loaded.size();
  session.log(cat("weights of ", o.net.init_from, averaged ? ", the averaged ones: loaded " : ": loaded ",
                  report.loaded.size(), " of ", all, ", ", left, " left as they start",
                  counters > 0 ? cat(", ", counters, " counters of batches are not in it") : std::string()));
}

}  // namespace

std::unique_ptr<Task> make_task(const TrainCommand& o, const Session& session, const Dataset& train,
                                int channels) {
  NetOptions options = o.net.options;
  for (const std::string& text : o.net.net_options) add_net_option(options, text);
  require<UsageError>(!options.contains("input_channels"),
                      "--net-option input_channels is not for here: the pictures decide; use --channels");
  options.merge(inherited_options(o));
  if (channels > 0) options["input_channels"] = static_cast<double>(channels);
  if (o.net.width != 64) options["width"] = static_cast<double>(o.net.width);
  if (o.net.small_input) options["small_input"] = true;
  LossOptions loss = o.loss;
  loss.mixes = o.input.mixup > 0 || o.input.cutmix > 0;
  loss.count_right = o.log_steps;
  return trainable_kind(o.task).begin({o.net.model, options, train, Pipeline(evaluation_steps(o, channels)),
                                       loss, session.device(), Pipeline(training_steps(o, channels)),
                                       o.apart});
}

// The net as the run begins with it: its weights, what of them learns, where it lies.
void settle_net(Module& net, const TrainCommand& o, const Session& session) {
  check_scopes(net.state(), "--exclude-scopes", "", o.net.exclude_scopes);
  check_scopes(net.parameters(), "--trainable-scopes", " that learns", o.net.trainable_scopes);
  check_scopes(net.parameters(), "--freeze", " that learns", o.net.freeze);
  load_initial(net, o, session);
  if (!o.net.trainable_scopes.empty()) net.set_trainable(o.net.trainable_scopes);
  net.freeze(o.net.freeze);
  if (o.net.norm_momentum > 0) {
    net.visit([&](const std::string&, Module& m) {
      if (auto* norm = dynamic_cast<BatchNorm2d*>(&m)) norm->set_momentum(o.net.norm_momentum);
    });
  }
  if (o.net.settled) o.net.settled(net);
  net.to(session.device());
}

TrainPlan plan_of(const TrainCommand& o, const Session& session, const Module& net, int channels) {
  TrainPlan plan;
  plan.data = o.data.path;
  plan.augment = Pipeline(training_steps(o, channels));
  plan.sampler = o.input.sampler;
  plan.make_sampler = o.input.make_sampler;
  plan.mix.mixup = o.input.mixup;
  plan.mix.cutmix = o.input.cutmix;
  plan.mix.seed = session.common().seed;
  plan.load = loader_options(o, session);
  plan.keep_last_batch = o.input.keep_last_batch;
  plan.eval_batch_size = o.input.eval_batch_size;
  plan.rule = rule_of(o);
  if (o.update.decay_all_but_norms) plan.rule.undecayed = norm_parameters(net);
  plan.scale = session.compute() == DType::fp16 ? dynamic_loss_scale : LossScale{};
  if (o.update.loss_scale > 0) plan.scale = LossScale{o.update.loss_scale, 1, 0.5, 2000};
  plan.schedule = o.update.schedule;
  plan.min_lr = o.update.min_lr;
  plan.warmup_epochs = o.update.warmup_epochs;
  plan.loop = o.loop;
  plan.loop.compute = session.compute();
  plan.loop.quiet = !session.bars();
  plan.loop.capture = !o.no_capture && !o.anomaly;
  plan.log_steps = o.log_steps;
  plan.log_rate = o.log_rate;
  plan.epoch_batches = o.epoch_batches;
  plan.evaluate = o.evaluate;
  plan.val_loss = o.val_loss;
  plan.facts = o.facts;
  plan.evaluated = o.evaluated;
  plan.after_row = o.after_row;
  return plan;
}

}  // namespace gadolin
