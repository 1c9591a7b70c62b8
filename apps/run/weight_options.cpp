#include "apps/run/weight_options.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "io/text.h"
#include "layers/init.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// How far a net is from the weights: names that only one side has and shapes that differ, without the last
// layer, whose number of classes may have been asked for otherwise.
std::size_t distance(const Module& net, const State& weights, const std::string& last) {
  std::set<std::string> names;
  std::size_t count = 0;
  for (const Parameter& p : net.state()) {
    names.insert(p.name);
    if ((!last.empty() && p.name.starts_with(last)) || p.name.ends_with("num_batches_tracked")) continue;
    const auto found = weights.find(p.name);
    count += found == weights.end() || found->second.shape() != p.tensor.shape();
  }
  for (const auto& entry : weights) count += names.count(entry.first) == 0;
  return count;
}

// Options that are sizes: the first dimension of a filter bank tells them. `parameter` is "" for the first
// convolution and "*" for the one with most filters, where a divided number was rounded down least.
struct Size {
  const char* option;
  const char* parameter;
  double (*of)(double in_file, double usual, double growth_rate);
};
constexpr Size size_options[] = {
    {"width", "", [](double n, double usual, double) { return n * 64 / usual; }},  // 64 is the usual width
    {"width_divisor", "*", [](double n, double usual, double) { return std::floor(usual / n); }},
    {"num_init_features", "", [](double n, double, double) { return n; }},
    {"growth_rate", "features.denseblock1.denselayer1.conv2.weight",
     [](double n, double, double) { return n; }},
    {"bn_size", "features.denseblock1.denselayer1.conv1.weight",
     [](double n, double, double growth) { return n / growth; }},
};

bool is_size(const std::string& option) {
  return option == "num_classes" || option == "input_channels" ||
         std::any_of(std::begin(size_options), std::end(size_options),
                     [&](const Size& size) { return option == size.option; });
}

using Make = std::unique_ptr<ImageNet> (*)(const std::string& model, const NetOptions& options);

NetOptions fitted_options(Make make, const std::string& model, const State& weights,
                          const NetOptions& given) {
  const SkipInitialValues zeros;
  const NetInfo& info = net_info(model);
  const auto takes = [&](const char* name) {
    return std::find(info.options.begin(), info.options.end(), name) != info.options.end();
  };
  NetOptions options = given;
  std::unique_ptr<Module> net = make(model, options);
  std::string first, last, widest;
  Shape stem;
  std::int64_t filters = 0;
  for (const Parameter& p : net->parameters()) {
    if (p.tensor.dim() == 4 && first.empty()) {
      first = p.name;
      stem = p.tensor.shape();
    }
    if (p.tensor.dim() == 4 && p.tensor.size(0) > filters && weights.count(p.name)) {
      widest = p.name;
      filters = p.tensor.size(0);
    }
    if (p.tensor.dim() == 2) last = p.name;
  }
  const auto size_in_file = [&](const std::string& name, int rank, int dim) {
    const auto found = weights.find(name);
    return found == weights.end() || found->second.dim() != rank
               ? 0.0
               : static_cast<double>(found->second.size(dim));
  };
  const double channels = size_in_file(first, 4, 1), classes = size_in_file(last, 2, 0);
  if (!given.count("input_channels") && channels > 0 && channels != static_cast<double>(stem[1]))
    options["input_channels"] = channels;
  if (!given.count("num_classes") && classes > 0) options["num_classes"] = classes;
  double growth_rate = 1;
  for (const Size& size : size_options) {
    const std::string parameter = size.parameter[0] == '\0'  ? first
                                  : size.parameter[0] == '*' ? widest
                                                             : size.parameter;
    const double in_file = size_in_file(parameter, 4, 0);
    double usual = 0;
    for (const Parameter& p : net->parameters()) {
      if (p.name == parameter && p.tensor.dim() == 4) usual = static_cast<double>(p.tensor.size(0));
    }
    if (!takes(size.option) || in_file == 0 || usual == 0) continue;
    const double value = size.of(in_file, usual, growth_rate), otherwise = size.of(usual, usual, growth_rate);
    if (size.option == std::string("growth_rate")) growth_rate = in_file;
    if (!given.count(size.option) && in_file != usual && value != otherwise && value >= 1 &&
        value == std::floor(value))
      options[size.option] = value;
  }
  // Switches, one after another: the setting that fits better stays.
  if (options != given) {
    net.reset();  // two VGGs at once would take a gigabyte
    net = make(model, options);
  }
  std::size_t best = distance(*net, weights, last);
  for (const std::string& option : info.options) {
    if (best == 0) break;
    if (is_size(option) || options.count(option)) continue;
    for (const bool value : {true, false}) {
      NetOptions other = options;
      other[option] = value;
      net.reset();
      try {
        net = make(model, other);
      } catch (const UsageError&) {
        continue;  // no switch, or not together with the others
      }
      const std::size_t now = distance(*net, weights, last);
      if (now >= best) continue;
      best = now;
      options = other;
    }
  }
  return options;
}

}  // namespace

NetOptions options_from_weights(const std::string& model, const State& weights, const NetOptions& given) {
  return fitted_options(make_net, model, weights, given);
}
NetOptions trunk_options_from_weights(const std::string& model, const State& weights,
                                      const NetOptions& given) {
  return fitted_options(make_trunk, model, weights, given);
}

std::string usual_pipeline(const std::string& model, int channels, const std::string& format) {
  const NetInfo& info = net_info(model);
  const std::int64_t side = info.input[2];
  const std::string steps =
      cat("resize:", (side * 8 + 3) / 7, ",center-crop:", side);  // 7/8 of the picture: 256 for 224
  if (channels == 1) return "grey," + steps + ",normalize:0.5:0.25";
  const bool inception = model.rfind("inception", 0) == 0, slim = format == "tensorflow";
  if (info.weights == "timm" || (slim && (inception || model.rfind("resnet_v2", 0) == 0)))
    return "rgb," + steps + ",normalize:0.5:0.5";  // [-1, 1]
  // TF-Slim's VGG and ResNet v1 take 0 to 255 less the mean of ImageNet.
  if (slim) return "rgb," + steps + ",normalize:0.485/0.458/0.408:0.00392156862745098";
  return "rgb," + steps + ",normalize:0.485/0.456/0.406:0.229/0.224/0.225";
}

}  // namespace gadolin
