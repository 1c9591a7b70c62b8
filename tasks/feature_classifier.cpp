#include "tasks/feature_classifier.h"

#include <algorithm>
#include <charconv>

#include "io/text.h"
#include "layers/init.h"
#include "nets/option_fields.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr const char* own_option = "extractor.";  // in front of what belongs to the extractor's net

bool has_path(const Module& net, const std::string& wanted) {
  bool found = false;
  net.visit([&](const std::string& path, const Module&) { found = found || path == wanted; });
  return found;
}

// The trunk alone where it has the layer; null for nets that are made whole.
std::unique_ptr<ImageNet> trunk_of(const ExtractorOptions& o) {
  const bool resnet = o.model.starts_with("resnet") && !o.model.starts_with("resnet_v2");
  if (!resnet && !o.model.starts_with("densenet") && !o.model.starts_with("vgg")) return {};
  auto trunk = make_trunk(o.model, o.net);
  return o.layer == "trunk" || has_path(*trunk, o.layer) ? std::move(trunk) : nullptr;
}

std::vector<int> sizes_of(const std::string& text) {
  std::vector<int> sizes;
  for (std::size_t begin = 0; begin <= text.size() && !text.empty();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    int size = 0;
    const auto read = std::from_chars(text.data() + begin, text.data() + end, size);
    require<UsageError>(read.ec == std::errc() && read.ptr == text.data() + end && size > 0 && size <= 65536,
                        feature_classifier_name, ": option hidden ", text,
                        " is no list of sizes from 1 to 65536, such as 512/512");
    sizes.push_back(size);
    begin = end + 1;
  }
  return sizes;
}

}  // namespace

FeatureExtractor::FeatureExtractor(ExtractorOptions options) : options_(std::move(options)) {
  auto net = trunk_of(options_);
  whole_ = !net;
  if (whole_) net = make_net(options_.model, options_.net);
  net_ = net.get();
  adopt("net", std::move(net));
  if (options_.layer != "trunk") tap_.emplace(*net_, options_.layer);
  freeze({""});
  eval();
}

Tensor FeatureExtractor::forward(const Tensor& x) {
  net_->eval();
  Tensor y;
  if (!tap_)
    y = net_->features(x).back();
  else
    y = tap_->watch([&] { return whole_ ? (*net_)(x) : net_->features(x).back(); }).feature;
  if (y.dim() != 4) return y.flatten(1);
  if (options_.pool) return mean(y, {2, 3});
  if (options_.channels_innermost) y = y.permute({0, 2, 3, 1});
  return y.contiguous(MemoryFormat::contiguous).flatten(1);
}

void FeatureExtractor::load(const State& weights, const std::string& source) {
  State ours;
  for (const Parameter& p : net_->state())
    if (const auto found = weights.find(p.name); found != weights.end()) ours.insert(*found);
  net_->load_state(ours, {}, source);
}

NetOptions extractor_to_options(const ExtractorOptions& e) {
  NetOptions options{{"extractor", e.model},
                     {"layer", e.layer},
                     {"pool", e.pool},
                     {"order", std::string(e.channels_innermost ? "hwc" : "chw")}};
  for (const auto& [name, value] : e.net) options[own_option + name] = value;
  return options;
}

std::optional<ExtractorOptions> extractor_from_options(const NetOptions& options) {
  if (!options.contains("extractor")) return {};
  const std::string net = feature_classifier_name;
  const detail::Read read{net, options};
  ExtractorOptions e;
  e.model = *read.find<std::string>("extractor", "the name of a net");
  if (const auto* layer = read.find<std::string>("layer", "a layer")) e.layer = *layer;
  read("pool", e.pool);
  const auto* order = read.find<std::string>("order", "chw or hwc");
  require<UsageError>(!order || *order == "chw" || *order == "hwc", net, ": option order ",
                      order ? *order : "", " is unknown; use chw or hwc");
  e.channels_innermost = order && *order == "hwc";
  const std::string prefix = own_option;
  for (const auto& [name, value] : options)
    if (name.starts_with(prefix)) e.net[name.substr(prefix.size())] = value;
  return e;
}

FeatureClassifier::FeatureClassifier(const FeatureClassifierOptions& o,
                                     std::unique_ptr<FeatureExtractor> extractor)
    : options_(o) {
  if (extractor) {
    extractor_ = extractor.get();
    adopt("extractor", std::move(extractor));
  }
  int width = o.features;
  for (std::size_t i = 0; i < o.hidden.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    linear_.push_back(&add("hidden" + number, Linear(width, o.hidden[i], false)));
    Tensor weight = linear_.back()->weight();
    glorot_uniform_(weight);
    norm_.push_back(&add("norm" + number, BatchNorm2d(o.hidden[i], 1e-3)));
    dropout_.push_back(&add("dropout" + number, Dropout(o.dropout)));
    width = o.hidden[i];
  }
  last_ = &add("output", Linear(width, o.num_classes));
  const NoGrad guard;
  Tensor weight = last_->weight(), bias = last_->bias();
  glorot_uniform_(weight);
  bias.zero_();
}

std::int64_t FeatureClassifier::least_size(bool) const {
  return extractor_ ? extractor_->net().least_size(false) : 1;
}

Tensor FeatureClassifier::trunk(const Tensor& x, const Taps&) {
  require<UsageError>(x.dim() == 2 || extractor_, feature_classifier_name,
                      ": this checkpoint learnt on features and has no net that makes them of pictures; use "
                      "film.gdck of its run, or give it a folder of features");
  Tensor rows = x.dim() == 2 ? x : (*extractor_)(x);
  require<UsageError>(rows.size(1) == options_.features, feature_classifier_name, ": rows have ",
                      rows.size(1), " numbers, the net was made for ", options_.features,
                      "; take features of the same layer, pictures of the same size");
  return rows;
}

Tensor FeatureClassifier::head(const Tensor& last) {
  Tensor y = last;
  for (std::size_t i = 0; i < linear_.size(); ++i) {
    y = (*linear_[i])(y);
    if (options_.batch_statistics) {
      require<UsageError>(y.size(0) > 1, feature_classifier_name,
                          ": a net with batch statistics has no answer for a single sample; evaluate several "
                          "together, or train without --legacy");
      const BatchNorm2d& norm = *norm_[i];
      const Shape channels{y.size(1)};
      y = batch_norm(y, norm.weight(), norm.bias(), zeros(channels, DType::fp32, y.device()),
                     ones(channels, DType::fp32, y.device()),
                     {.training = true, .eps = norm.eps(), .relu = true});
    } else {
      y = norm_[i]->relu(y);
    }
    y = (*dropout_[i])(y);
  }
  return (*last_)(y);
}

std::unique_ptr<ImageNet> make_classifier(const std::string& model, const NetOptions& options) {
  if (model != feature_classifier_name) return make_net(model, options);
  FeatureClassifierOptions o;
  const detail::Read read{model, options};
  read("num_classes", o.num_classes);
  read("features", o.features);
  read("dropout", o.dropout);
  read("batch_statistics", o.batch_statistics);
  if (const auto* hidden = read.find<std::string>("hidden", "sizes such as 512/512"))
    o.hidden = sizes_of(*hidden);
  NetOptions rest = options;
  std::erase_if(rest, [](const auto& option) { return option.first.starts_with(own_option); });
  detail::check_known(model, rest,
                      {"num_classes", "input_channels", "features", "hidden", "dropout", "batch_statistics",
                       "extractor", "layer", "pool", "order"});
  const auto extractor = extractor_from_options(options);
  return std::make_unique<FeatureClassifier>(
      o, extractor ? std::make_unique<FeatureExtractor>(*extractor) : nullptr);
}

}  // namespace gadolin
