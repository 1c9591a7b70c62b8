#include "nets/slim_names.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "layers/branches.h"
#include "layers/init.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Family {
  const char *model, *scope;
};
constexpr Family families[] = {{"resnet50", "resnet_v1_50"},
                               {"resnet101", "resnet_v1_101"},
                               {"resnet152", "resnet_v1_152"},
                               {"resnet200", "resnet_v1_200"},
                               {"resnet_v2_50", "resnet_v2_50"},
                               {"resnet_v2_101", "resnet_v2_101"},
                               {"resnet_v2_152", "resnet_v2_152"},
                               {"resnet_v2_200", "resnet_v2_200"},
                               {"vgg16", "vgg_16"},
                               {"vgg19", "vgg_19"},
                               {"inception_v3", "InceptionV3"},
                               {"inception_v4", "InceptionV4"},
                               {"inception_resnet_v2", "InceptionResnetV2"}};

// A layer of Slim: its scope, our layer with weights and, if there is one, our batch norm behind it.
struct SlimLayer {
  std::string scope, layer, norm;
};
using Pairs = std::vector<SlimLayer>;

std::string number(std::size_t i) { return std::to_string(i); }

void resnet(Pairs& p, const Module& net, bool v2) {
  p.push_back({"conv1", "conv1", v2 ? "" : "bn1"});
  if (v2) p.push_back({"postnorm", "", "bn1"});
  p.push_back({"logits", "fc", ""});
  std::set<std::string> blocks;
  net.visit([&](const std::string& path, const Module& m) {
    const std::string kind = m.kind();
    if (kind == "Bottleneck" || kind == "PreActivationBlock") blocks.insert(path);
  });
  for (const std::string& ours : blocks) {  // layer2.0 is block2/unit_1
    const std::size_t dot = ours.find('.');
    const std::string unit = "block" + ours.substr(5, dot - 5) + "/unit_" +
                             number(std::stoul(ours.substr(dot + 1)) + 1) +
                             (v2 ? "/bottleneck_v2/" : "/bottleneck_v1/");
    p.push_back({unit + "shortcut", ours + ".downsample.0", v2 ? "" : ours + ".downsample.1"});
    if (v2) p.push_back({unit + "preact", "", ours + ".bn1"});
    for (int i = 1; i <= 3; ++i) {
      const std::string conv = "conv" + std::to_string(i);
      p.push_back({unit + conv, ours + "." + conv,
                   v2 ? ours + ".bn" + std::to_string(i + 1) : ours + ".bn" + std::to_string(i)});
    }
  }
}

void vgg(Pairs& p, const Module& net) {
  std::vector<std::size_t> features;
  for (const Parameter& parameter : net.parameters()) {
    if (parameter.tensor.dim() == 4)
      features.push_back(std::stoul(parameter.name.substr(9)));  // features.N.weight
  }
  std::sort(features.begin(), features.end());
  std::size_t group = 1, inside = 1;
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (i > 0 && features[i] != features[i - 1] + 2) ++group, inside = 1;  // a pooling stands between
    p.push_back({"conv" + number(group) + "/conv" + number(group) + "_" + number(inside++),
                 "features." + number(features[i]), ""});
  }
  p.push_back({"fc6", "classifier.0", ""});
  p.push_back({"fc7", "classifier.3", ""});
  p.push_back({"fc8", "classifier.6", ""});
}

// Slim's scopes of a branch in the order of calls: 0a, 0b, 0c, 1a; two of one letter stand side by side.
std::vector<std::string> scopes_of_branch(const std::set<std::string>& scopes, const std::string& branch) {
  static const std::regex place("_([0-9][a-z])_");
  std::vector<std::pair<std::string, std::string>> found;
  for (auto at = scopes.lower_bound(branch + "/"); at != scopes.end() && at->rfind(branch + "/", 0) == 0;
       ++at) {
    const std::string rest = at->substr(branch.size());
    std::smatch match;  // a branch of one convolution may name no place: Conv2d_1x1
    found.emplace_back((std::regex_search(rest, match, place) ? match[1].str() : "") + rest, *at);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> ordered;
  for (const auto& entry : found) ordered.push_back(entry.second);
  return ordered;
}

// Blocks in the order of our modules, and Slim's names for them.
std::string slim_block(const std::string& model, const std::string& ours) {
  if (model == "inception_v3") return ours;
  if (model == "inception_v4") {
    static constexpr const char* names[] = {
        "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Mixed_3a", "Mixed_4a", "Mixed_5a",
        "Mixed_5b",      "Mixed_5c",      "Mixed_5d",      "Mixed_5e", "Mixed_6a", "Mixed_6b",
        "Mixed_6c",      "Mixed_6d",      "Mixed_6e",      "Mixed_6f", "Mixed_6g", "Mixed_6h",
        "Mixed_7a",      "Mixed_7b",      "Mixed_7c",      "Mixed_7d"};
    return names[std::stoul(ours.substr(ours.find('.') + 1))];
  }
  static const std::map<std::string, std::string> stem = {
      {"conv2d_1a", "Conv2d_1a_3x3"}, {"conv2d_2a", "Conv2d_2a_3x3"},
      {"conv2d_2b", "Conv2d_2b_3x3"}, {"conv2d_3b", "Conv2d_3b_1x1"},
      {"conv2d_4a", "Conv2d_4a_3x3"}, {"conv2d_7b", "Conv2d_7b_1x1"},
      {"mixed_5b", "Mixed_5b"},       {"mixed_6a", "Mixed_6a"},
      {"mixed_7a", "Mixed_7a"},       {"block8", "Block8"}};
  const auto found = stem.find(ours);
  if (found != stem.end()) return found->second;
  const std::size_t dot = ours.find('.');
  const std::string repeat = ours.substr(0, dot), unit = number(std::stoul(ours.substr(dot + 1)) + 1);
  return repeat == "repeat"     ? "Repeat/block35_" + unit
         : repeat == "repeat_1" ? "Repeat_1/block17_" + unit
                                : "Repeat_2/block8_" + unit;
}

// Without Slim's scopes (of convolutions, from a checkpoint) those of branches are as fine as it gets.
void inception(Pairs& p, const std::string& model, const Module& net, const std::set<std::string>& scopes) {
  net.visit([&](const std::string& path, const Module& m) {
    if (const auto* block = dynamic_cast<const Branches*>(&m)) {
      const std::string slim = slim_block(model, path);
      const auto ours = block->conv_names();
      for (std::size_t b = 0; b < ours.size(); ++b) {
        const std::string branch = slim + "/Branch_" + number(b);
        for (const std::string& conv : scopes.empty() ? ours[b] : std::vector<std::string>()) {
          p.push_back({branch, path + "." + conv + ".conv", path + "." + conv + ".bn"});
        }
        const auto theirs = scopes_of_branch(scopes, branch);
        for (std::size_t i = 0; i < std::min(ours[b].size(), theirs.size()); ++i) {
          const std::string conv = path + "." + ours[b][i];
          p.push_back({theirs[i], conv + ".conv", conv + ".bn"});
        }
      }
      if (model == "inception_resnet_v2") p.push_back({slim + "/Conv2d_1x1", path + ".conv2d", ""});
    } else if (dynamic_cast<const ConvNormRelu*>(&m) && path.find("ranch") == std::string::npos &&
               path.rfind("AuxLogits", 0) != 0) {
      // of the stem: those inside blocks stand in their branches
      const bool inside = path.find('.') != std::string::npos && path.rfind("features.", 0) != 0;
      const bool in_block = path.rfind("features.", 0) == 0 && std::count(path.begin(), path.end(), '.') > 1;
      if (!inside && !in_block) p.push_back({slim_block(model, path), path + ".conv", path + ".bn"});
    }
  });
  const bool v3 = model == "inception_v3", v4 = model == "inception_v4";
  p.push_back({"AuxLogits/Conv2d_1b_1x1", "AuxLogits.conv0.conv", "AuxLogits.conv0.bn"});
  p.push_back(
      {v4 ? "AuxLogits/Conv2d_2a" : "AuxLogits/Conv2d_2a_5x5", "AuxLogits.conv1.conv", "AuxLogits.conv1.bn"});
  p.push_back({v3   ? "AuxLogits/Conv2d_2b_1x1"
               : v4 ? "AuxLogits/Aux_logits"
                    : "AuxLogits/Logits",
               "AuxLogits.fc", ""});
  p.push_back({v3 ? "Logits/Conv2d_1c_1x1" : "Logits/Logits",
               v3   ? "fc"
               : v4 ? "last_linear"
                    : "classif",
               ""});
}

Pairs pairs_of(const std::string& model, const Module& net, const std::set<std::string>& scopes) {
  Pairs pairs;
  if (model.rfind("resnet", 0) == 0)
    resnet(pairs, net, model.rfind("resnet_v2_", 0) == 0);
  else if (model.rfind("vgg", 0) == 0)
    vgg(pairs, net);
  else
    inception(pairs, model, net, scopes);
  return pairs;
}

const char* scope_of(const TensorMap& tensors) {
  for (const Family& family : families) {
    const std::string start = std::string(family.scope) + "/";
    const auto at = tensors.lower_bound(start);
    if (at != tensors.end() && at->first.rfind(start, 0) == 0) return family.scope;
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

bool is_slim(const TensorMap& tensors) { return scope_of(tensors) != nullptr; }

void rename_slim(const std::string& model, WeightFile& weights, NetOptions& options, bool averages) {
  const char* found = scope_of(weights.tensors);
  const auto family = std::find_if(std::begin(families), std::end(families),
                                   [&](const Family& f) { return model == f.model; });
  require<UsageError>(family != std::end(families), "import: TF-Slim has no ", model,
                      "; it has ResNets from 50 layers, VGG 16 and 19, and Inception v3 to v4");
  const std::string of = found == nullptr ? "no known net" : found;
  require<UsageError>(of == family->scope, "import: this checkpoint is of Slim's ", of, ", not ",
                      family->scope, "; give its name to --model");
  if (averages) take_averages(weights);
  const std::string prefix = std::string(family->scope) + "/";
  std::set<std::string> scopes;
  for (const auto& entry : weights.tensors) {
    if (entry.first.rfind(prefix, 0) == 0 && entry.first.ends_with("/weights"))
      scopes.insert(entry.first.substr(prefix.size(), entry.first.size() - prefix.size() - 8));
  }
  const bool v2 = model.rfind("resnet_v2_", 0) == 0, residual = model.rfind("resnet", 0) == 0;
  if (residual) options["stride_in_last_unit"] = options["same_pooling"] = true;
  if (v2) options["conv_bias"] = true;
  if (model == "inception_v3") options["count_include_pad"] = false;
  if (model.rfind("inception", 0) == 0) options["aux_logits"] = scopes.count("AuxLogits/Conv2d_1b_1x1") > 0;

  Pairs pairs;
  {
    const SkipInitialValues quick;
    pairs = pairs_of(model, *make_net(model, options), scopes);
  }
  std::size_t without_gamma = 0;
  for (const SlimLayer& pair : pairs) {
    const auto take = [&](const std::string& theirs, const std::string& ours, bool matrix) {
      const auto at = weights.tensors.find(prefix + pair.scope + theirs);
      if (at == weights.tensors.end() || ours.empty()) return false;
      const bool linear = matrix && (ours.rfind("fc", 0) == 0 || ours.find("classif") == 0 ||
                                     ours.find("last_linear") == 0 || ours.rfind("AuxLogits.fc", 0) == 0);
      weights.tensors[ours] = turned(at->second, linear);
      weights.tensors.erase(prefix + pair.scope + theirs);
      return true;
    };
    if (!pair.layer.empty()) {
      take("/weights", pair.layer + ".weight", true);
      take("/biases", pair.layer + ".bias", false);
    }
    if (pair.norm.empty()) continue;
    const std::string scope =
        pair.layer.empty() ? "" : "/BatchNorm";  // preact and postnorm are batch norms themselves
    if (!take(scope + "/beta", pair.norm + ".bias", false)) continue;
    take(scope + "/moving_mean", pair.norm + ".running_mean", false);
    take(scope + "/moving_variance", pair.norm + ".running_var", false);
    if (!take(scope + "/gamma", pair.norm + ".weight", false)) {
      weights.tensors[pair.norm + ".weight"] = ones(weights.tensors.at(pair.norm + ".bias").shape());
      ++without_gamma;
    }
    weights.tensors[pair.norm + ".num_batches_tracked"] = zeros({}, DType::int64);
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
  for (const Family& family : families) {
    if (model == family.model) return family.scope;
  }
  return "";
}

std::vector<std::string> parts_of_slim_scope(const std::string& model, const Module& net,
                                             const std::string& scope) {
  const std::string prefix = slim_scope(model) + "/";
  const std::vector<Parameter> state = net.state();
  std::vector<std::string> parts;
  for (const SlimLayer& pair : pairs_of(model, net, {})) {
    if ((prefix + pair.scope + "/").rfind(scope, 0) != 0) continue;
    for (const std::string& part : {pair.layer, pair.norm}) {
      const bool there = std::any_of(state.begin(), state.end(),
                                     [&](const Parameter& p) { return p.name.rfind(part + ".", 0) == 0; });
      if (there && !part.empty()) parts.push_back(part);
    }
  }
  require<UsageError>(!parts.empty(), "scopes: ", scope, " names no layer of ", model,
                      "; use Slim's scopes down to a layer, or to a branch of Inception's blocks, or names "
                      "of gadolin summary");
  return parts;
}

}  // namespace gadolin
