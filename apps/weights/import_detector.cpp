// gadolin import: the weights of a detector, torchvision's or our own exports.
#include <algorithm>
#include <set>

#include "apps/weights/import.h"
#include "apps/weights/weights.h"
#include "layers/init.h"
#include "nets/retinanet.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/torchvision.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

const std::string body = "backbone.body.", classes_last = "head.classification_head.cls_logits.weight",
                  boxes_last = "head.regression_head.bbox_reg.weight",
                  norm_weight = "head.classification_head.conv.0.1.weight",
                  first_lateral = "backbone.fpn.inner_blocks.0.0.weight",
                  last_lateral = "backbone.fpn.inner_blocks.2.0.weight",
                  p6 = "backbone.fpn.extra_blocks.p6.weight";

std::int64_t size_in(const State& weights, const std::string& name, int dim) {
  const auto found = weights.find(name);
  return found == weights.end() || found->second.dim() != 4 ? 0 : found->second.size(dim);
}

State body_of(const State& weights) {
  State trunk;
  for (const auto& [name, tensor] : weights)
    if (name.starts_with(body)) trunk[name.substr(body.size())] = tensor;
  return trunk;
}

// What names and shapes tell about a detector, where `given` does not say it.
NetOptions detector_options(const std::string& model, const State& weights, NetOptions given) {
  const auto say = [&](const char* name, OptionValue value, const OptionValue& usual) {
    if (value != usual) given.emplace(name, std::move(value));
  };
  const bool second = model.ends_with("_v2");
  say("norm_weight", weights.count(norm_weight) > 0, second);
  const std::int64_t wide = size_in(weights, first_lateral, 0), deepest = size_in(weights, last_lateral, 1),
                     before_p6 = size_in(weights, p6, 1);
  if (wide > 0) say("channels", static_cast<double>(wide), 256.0);
  if (before_p6 > 0 && wide != deepest) say("p6_from_c5", before_p6 == deepest, second);
  const std::vector<std::string>& known = net_info(backbone_of(model)).options;
  NetOptions trunk;
  for (const auto& option : given)
    if (option.first != "num_classes" && std::find(known.begin(), known.end(), option.first) != known.end())
      trunk.insert(option);
  for (auto& option : trunk_options_from_weights(backbone_of(model), body_of(weights), trunk))
    given.insert(option);
  return given;
}

}  // namespace

bool looks_like_detector(const State& weights) {
  return weights.count(classes_last) > 0 && weights.count(boxes_last) > 0;
}

std::string recognised_detector(const State& weights, const std::string& in) {
  const SkipInitialValues zeros;
  State renamed = weights;
  rename_old_torchvision(renamed);
  const auto counts = [](const std::string& name) { return !name.ends_with("num_batches_tracked"); };
  std::set<std::string> theirs;
  for (const auto& entry : renamed)
    if (counts(entry.first)) theirs.insert(entry.first);
  for (const NetInfo& info : detectors()) {
    if (info.name.ends_with("_v2") != (renamed.count(norm_weight) > 0)) continue;
    std::set<std::string> ours;
    for (const Parameter& p : make_detector(info.name)->state())
      if (counts(p.name)) ours.insert(p.name);
    if (ours == theirs) return info.name;
  }
  fail<UsageError>(
      "import: ", in,
      " holds a detector, but not with the names of any that gadolin models lists; add --model to "
      "see what differs");
}

std::unique_ptr<Task> imported_detector(Session& session, const ImportOptions& o, const WeightFile& file) {
  const bool old = has_old_torchvision_names(file.tensors), second = o.model.ends_with("_v2");
  State weights = file.tensors;
  rename_old_torchvision(weights);
  NetOptions given = given_options(o, file);
  DetectorSettings settings;
  const auto own = file.metadata.find("detector");
  if (own != file.metadata.end()) {
    const Json json = Json::parse(own->second, nullptr, false);
    require<CheckpointError, 30>(json.is_object(), "import: what ", o.in,
                                 " says of its detector is no JSON; was it written by gadolin export?");
    settings = take_settings(given, settings_from_json(json, "import: " + o.in));
  } else {
    const bool chosen = !given.emplace("preset", std::string("torchvision")).second;
    if (second && !chosen) given.emplace("box_loss", std::string("giou"));
    settings = take_settings(given);
    session.say(cat("settings: preset ",
                    chosen ? "as asked for" : "torchvision, as these weights were trained",
                    second && !chosen ? ", box_loss giou" : ""));
    // torchvision computes with an eps of 0 where it loads its published file, whose names are the old ones.
    if (old && given.emplace("norm_eps", 0.0).second)
      session.say("names of torchvision's COCO_V1: norm_eps=0, as it was trained with");
    else if (!second && given.count("norm_eps") == 0)
      session.say("if these are torchvision's COCO_V1 weights, saved anew, add --net-option norm_eps=0");
  }
  const NetOptions options = detector_options(o.model, weights, given);
  const auto anchors = static_cast<std::int64_t>(Anchors(settings.anchors).per_place()),
             theirs = size_in(weights, boxes_last, 0) / 4;
  require<UsageError>(theirs == 0 || theirs == anchors, "import: ", o.in, " has ", theirs,
                      " anchors a place, but anchor_ratios and anchor_scales make ", anchors,
                      "; say them with --net-option, such as anchor_scales=1");
  const std::int64_t classes = o.classes > 0 ? o.classes : size_in(weights, classes_last, 0) / anchors;
  require<UsageError>(classes > 0, "import: ", o.in, " has no ", classes_last,
                      ", so the number of classes is not known; add --num-classes");
  const auto channels = options.find("input_channels");
  const bool grey = channels != options.end() && channels->second == OptionValue(1.0);
  return std::make_unique<DetectionTask>(
      o.model, options, settings,
      imported_classes(o, file, static_cast<std::size_t>(classes), torchvision_classes()),
      imported_pipeline(o, file,
                        grey ? "grey,fit:800:1333,normalize:0.5:0.25"
                             : "rgb,fit:800:1333,normalize:0.485/0.456/0.406:0.229/0.224/0.225"));
}

}  // namespace gadolin
