#include "tasks/slim_weights.h"

#include <algorithm>
#include <set>
#include <utility>

#include "nets/inception.h"
#include "nets/resnet.h"
#include "nets/vgg.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// The first layer of auxiliary heads: whether a checkpoint has them.
constexpr const char* slim_auxiliary = "AuxLogits/Conv2d_1b_1x1";

const std::vector<std::pair<std::string, SlimNames>>& tables() {
  static const auto all = [] {
    std::vector<std::pair<std::string, SlimNames>> list;
    for (const int depth : {50, 101, 152, 200}) {
      list.emplace_back(cat("resnet", depth), slim_names_of_resnet(depth));
      list.emplace_back(cat("resnet_v2_", depth), slim_names_of_resnet_v2(depth));
    }
    for (const int depth : {16, 19}) list.emplace_back(cat("vgg", depth), slim_names_of_vgg(depth));
    list.emplace_back("inception_v3", slim_names_of_inception_v3());
    list.emplace_back("inception_v4", slim_names_of_inception_v4());
    list.emplace_back("inception_resnet_v2", slim_names_of_inception_resnet_v2());
    return list;
  }();
  return all;
}

// Of the net whose scope holds some of the tensors.
const SlimNames* table_of(const TensorMap& tensors) {
  for (const auto& [model, names] : tables()) {
    const std::string start = names.scope + "/";
    const auto at = tensors.lower_bound(start);
    if (at != tensors.end() && at->first.rfind(start, 0) == 0) return &names;
  }
  return nullptr;
}

// Filters HWIO -> OIHW, matrices [in, out] -> [out, in], 1x1 and 7x7 convolutions that are linear layers here
// as such.
Tensor turned(const Tensor& t, bool linear) {
  if (t.dim() == 4) {
    const Tensor oihw = t.permute({3, 2, 0, 1}).contiguous(MemoryFormat::contiguous);
    return linear ? oihw.flatten(1) : oihw;
  }
  return t.dim() == 2 ? t.transpose(0, 1).contiguous() : t;
}

// Steps, optimiser slots and averages.
bool is_of_training(const std::string& name) {
  if (name == "global_step") return true;
  for (const char* end :
       {"/RMSProp", "/RMSProp_1", "/Momentum", "/Adam", "/Adam_1", "/ExponentialMovingAverage"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

// Averages of variables in place of the variables.
void take_averages(WeightFile& weights) {
  const std::string end = "/ExponentialMovingAverage";
  std::size_t count = 0;
  for (auto& [name, tensor] : weights.tensors) {
    const auto average = weights.tensors.find(name + end);
    if (average == weights.tensors.end()) continue;
    tensor = average->second;
    ++count;
  }
  require<UsageError>(count > 0, "import: no variable of the checkpoint has an average beside it (",
                      end.substr(1), "); leave out --averages");
  weights.notes.push_back(cat(count, " variables are taken from their averages"));
}

}  // namespace

bool is_slim(const TensorMap& tensors) { return table_of(tensors) != nullptr; }

const SlimNames* slim_names(const std::string& model) {
  const auto found =
      std::find_if(tables().begin(), tables().end(), [&](const auto& entry) { return entry.first == model; });
  return found == tables().end() ? nullptr : &found->second;
}

void rename_slim(const std::string& model, WeightFile& weights, NetOptions& options, bool averages) {
  const SlimNames *found = table_of(weights.tensors), *names = slim_names(model);
  require<UsageError>(names != nullptr, "import: TF-Slim has no ", model,
                      "; it has ResNets from 50 layers, VGG 16 and 19, and Inception v3 to v4");
  const std::string of = found == nullptr ? "no known net" : found->scope;
  require<UsageError>(of == names->scope, "import: this checkpoint is of Slim's ", of, ", not ", names->scope,
                      "; give its name to --model");
  if (averages) take_averages(weights);
  for (const auto& [option, value] : names->conventions) options[option] = value;
  std::size_t without_gamma = 0;
  for (const SlimLayer& layer : names->layers) {
    const std::string scope = names->scope + "/" + layer.scope;
    const auto take = [&](const std::string& theirs, const std::string& ours, bool linear = false) {
      const auto at = weights.tensors.find(scope + theirs);
      if (at == weights.tensors.end()) return false;
      weights.tensors[ours] = turned(at->second, linear);
      weights.tensors.erase(scope + theirs);
      return true;
    };
    if (!layer.layer.empty()) {
      const bool there = take("/weights", layer.layer + ".weight", layer.linear);
      take("/biases", layer.layer + ".bias");
      if (layer.scope == slim_auxiliary) options["aux_logits"] = there;
    }
    if (layer.norm.empty()) continue;
    // preact and postnorm are batch norms themselves.
    const std::string norm = layer.layer.empty() ? "" : "/BatchNorm";
    if (!take(norm + "/beta", layer.norm + ".bias")) continue;
    take(norm + "/moving_mean", layer.norm + ".running_mean");
    take(norm + "/moving_variance", layer.norm + ".running_var");
    if (!take(norm + "/gamma", layer.norm + ".weight")) {
      weights.tensors[layer.norm + ".weight"] = ones(weights.tensors.at(layer.norm + ".bias").shape());
      ++without_gamma;
    }
    weights.tensors[layer.norm + ".num_batches_tracked"] = zeros({}, DType::int64);
  }
  std::string kept;
  for (auto at = weights.tensors.begin(); at != weights.tensors.end();) {
    if (is_of_training(at->first)) {
      kept += (kept.empty() ? "" : ", ") + at->first;
      at = weights.tensors.erase(at);
    } else {
      ++at;
    }
  }
  if (!kept.empty()) weights.notes.push_back("of the training, not of the net: " + kept);
  if (without_gamma > 0)
    weights.notes.push_back(
        cat(without_gamma, " batch norms have no gamma (scale=False in Slim): 1 is taken"));
}

std::string slim_scope(const std::string& model) {
  const SlimNames* names = slim_names(model);
  return names ? names->scope : "";
}

std::vector<std::string> parts_of_slim_scope(const std::string& model, const Module& net,
                                             const std::string& scope) {
  const SlimNames* names = slim_names(model);
  std::set<std::string> there;
  for (const Parameter& p : net.state()) there.insert(p.name.substr(0, p.name.rfind('.')));
  std::vector<std::string> parts;
  for (const SlimLayer& layer : names ? names->layers : std::vector<SlimLayer>()) {
    if ((names->scope + "/" + layer.scope + "/").rfind(scope, 0) != 0) continue;
    for (const std::string& part : {layer.layer, layer.norm}) {
      if (there.contains(part)) parts.push_back(part);
    }
  }
  require<UsageError>(!parts.empty(), "scopes: ", scope, " names no layer of ", model,
                      "; use Slim's scopes down to a layer, or names of gadolin summary");
  return parts;
}

}  // namespace gadolin
