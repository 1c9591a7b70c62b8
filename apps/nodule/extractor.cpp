#include "apps/nodule/extractor.h"

#include <cstring>

#include "apps/nodule/commands.h"
#include "data/image/transforms.h"
#include "io/bytes.h"
#include "io/json.h"
#include "layers/init.h"
#include "tasks/net_options.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin::nodule {
namespace {

constexpr const char* extractor_kind = "features";

// Central square of the short side, 224 x 224, colour (apps-spec 3.3), and ImageNet's mean and deviation,
// which torchvision's weights want.
std::string usual_steps(const NetInfo& info) {
  const std::string size = std::to_string(info.input[1]);
  return "rgb,resize:" + size + ",center-crop:" + size + ",normalize:0.485/0.456/0.406:0.229/0.224/0.225";
}

Json options_of(const Checkpoint& checkpoint, const std::string& path) {
  const Json json =
      Json::parse(checkpoint.has("net_options") ? checkpoint.fact("net_options") : "{}", nullptr, false);
  bool values = json.is_object();
  for (const Json& value : json) values = values && value.is_primitive() && !value.is_null();
  require<CheckpointError, 30>(values, "checkpoint: ", path,
                               " does not describe a net; was it written by gadolin train?");
  return json;
}

}  // namespace

void add_extractor_flags(CLI::App* app, ExtractorFlags& f) {
  app->add_option("--net", f.net, "A name of `gadolin models`; default: vgg16, or that of the checkpoint");
  app->add_option("--layer", f.layer,
                  "trunk: what the net's classifier pools, pool5 of VGG; a path of gadolin summary, "
                  "PATH:input, or embedding")
      ->capture_default_str();
  app->add_flag("--pool", f.pool, "The mean over height and width: 512 numbers of VGG-16 instead of 25,088");
  app->add_option("--order", f.order, "Of numbers in a row: chw, or hwc as in TensorFlow")
      ->capture_default_str();
  app->add_option("--weights", f.weights, "Weights of the net: .gdck, .pth, .safetensors ...");
  app->add_flag("--random-weights", f.random_weights,
                "Weights by --seed; such features know nothing of films");
  app->add_option("--net-option", f.net_options, "NAME=VALUE of the net; may be repeated");
  app->add_option("--pipeline", f.pipeline,
                  "Steps between a film and the net; default: central square, the net's size, ImageNet's "
                  "normalisation, or those of the checkpoint");
}

Extractor extractor_of(const Session& session, const ExtractorFlags& f) {
  require<UsageError>(f.order == "chw" || f.order == "hwc", "--order ", f.order,
                      " is unknown; use chw or hwc");
  require<UsageError>(f.weights.empty() == f.random_weights, "nodule extract-features: ",
                      f.random_weights ? "--weights and --random-weights exclude each other; leave one out"
                                       : "there are no weights; name a file with --weights, or add "
                                         "--random-weights");
  ExtractorOptions o;
  o.model = f.net.empty() ? "vgg16" : f.net;
  o.layer = f.layer;
  o.pool = f.pool;
  o.channels_innermost = f.order == "hwc";
  std::string pipeline = f.pipeline;
  State weights;
  std::string said = cat("random weights of seed ", session.common().seed);
  if (!f.weights.empty()) {
    said = "weights of " + f.weights;
    if (is_checkpoint(f.weights)) {
      const Checkpoint checkpoint = load_checkpoint(f.weights);
      const std::string model = checkpoint.has("model") ? checkpoint.fact("model") : "";
      require<UsageError>(!model.empty() && (f.net.empty() || f.net == model),
                          "nodule extract-features: ", printable(f.weights), " is a checkpoint of ",
                          model.empty() ? "no net" : model, f.net.empty() ? "" : ", and --net is " + f.net,
                          "; name the weights of the net");
      require<UsageError>(
          model != feature_classifier_name, "nodule extract-features: ", printable(f.weights),
          " is a classifier of features; name the weights of a net of pictures, such as those "
          "that made its features");
      o.model = model;
      o.net = options_from_json(options_of(checkpoint, f.weights));
      o.net.erase("num_classes");
      if (pipeline.empty() && checkpoint.has("pipeline")) pipeline = checkpoint.fact("pipeline");
    }
    weights = load_weights(f.weights);
  }
  for (const std::string& option : f.net_options) add_net_option(o.net, option);
  if (pipeline.empty()) pipeline = usual_steps(net_info(o.model));
  const Pipeline steps(pipeline);
  if (steps.channels() > 0) o.net["input_channels"] = static_cast<double>(steps.channels());
  manual_seed(session.common().seed);
  Extractor extractor{nullptr, steps.text(), said};
  {
    std::optional<SkipInitialValues> zeros;
    if (!weights.empty()) zeros.emplace();
    extractor.net = std::make_unique<FeatureExtractor>(o);
  }
  if (!weights.empty()) extractor.net->load(weights, f.weights);
  extractor.net->to(session.device());
  return extractor;
}

Checkpoint checkpoint_of(const Extractor& extractor) {
  Checkpoint checkpoint;
  checkpoint.facts["task"] = extractor_kind;
  checkpoint.facts["extractor"] = options_to_json(extractor_to_options(extractor.net->options())).dump();
  checkpoint.facts["pipeline"] = extractor.pipeline;
  for (const Parameter& p : extractor.net->net().state()) checkpoint.tensors["model." + p.name] = p.tensor;
  return checkpoint;
}

bool same_extractor(const Checkpoint& a, const Checkpoint& b) {
  if (a.facts != b.facts || a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [name, tensor] : a.tensors) {
    const auto other = b.tensors.find(name);
    if (other == b.tensors.end() || other->second.shape() != tensor.shape() ||
        other->second.dtype() != tensor.dtype())
      return false;
    const Tensor x = tensor.to(cpu).contiguous(MemoryFormat::contiguous),
                 y = other->second.to(cpu).contiguous(MemoryFormat::contiguous);
    if (std::memcmp(x.raw(), y.raw(), static_cast<std::size_t>(x.nbytes())) != 0) return false;
  }
  return true;
}

Checkpoint film_checkpoint(const Checkpoint& classifier, const Checkpoint& extractor,
                           const std::string& path) {
  require<CheckpointError, 33>(classifier.has("model") && classifier.fact("model") == feature_classifier_name,
                               "checkpoint: ", path,
                               " is no classifier of features; use one of nodule train-model");
  const Json options =
      Json::parse(extractor.has("extractor") ? extractor.fact("extractor") : "", nullptr, false);
  require<CheckpointError, 30>(options.is_object() && extractor.has("pipeline"),
                               "checkpoint: extractor.gdck of ", path,
                               " does not describe an extractor; extract the features again");
  Checkpoint film;
  for (const char* fact :
       {"task", "model", "classes", "multi_label", "temperature", "thresholds", "step", "epoch"})
    if (classifier.has(fact)) film.facts[fact] = classifier.fact(fact);
  Json all = options_of(classifier, path);
  all.update(options);
  film.facts["net_options"] = all.dump();
  film.facts["pipeline"] = extractor.fact("pipeline");
  for (const auto& [name, tensor] : weights_of(classifier)) film.tensors["model." + name] = tensor;
  for (const auto& [name, tensor] : weights_of(extractor))
    film.tensors["model.extractor.net." + name] = tensor;
  return film;
}

}  // namespace gadolin::nodule
