#include "nets/registry.h"

#include <algorithm>

#include "nets/resnet.h"
#include "nets/resnet_v2.h"

namespace gadolin {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// Reads one option into a field and checks its type.
void read(const std::string& net, const NetOptions& options, const std::string& name, int& field) {
  const auto found = options.find(name);
  if (found == options.end()) return;
  const double* value = std::get_if<double>(&found->second);
  require<UsageError>(value && *value >= 1 && *value <= 1e6 && *value == static_cast<int>(*value), net, ": option ", name,
                      " must be a positive whole number");
  field = static_cast<int>(*value);
}
void read(const std::string& net, const NetOptions& options, const std::string& name, bool& field) {
  const auto found = options.find(name);
  if (found == options.end()) return;
  const bool* value = std::get_if<bool>(&found->second);
  require<UsageError>(value != nullptr, net, ": option ", name, " must be true or false");
  field = *value;
}

ResNetOptions resnet_options(const std::string& net, const NetOptions& given) {
  ResNetOptions o;
  read(net, given, "num_classes", o.num_classes);
  read(net, given, "input_channels", o.input_channels);
  read(net, given, "width", o.width);
  read(net, given, "small_input", o.small_input);
  read(net, given, "zero_init_residual", o.zero_init_residual);
  read(net, given, "stride_in_1x1", o.stride_in_1x1);
  return o;
}

int trailing_number(const std::string& name) {
  const std::size_t at = name.find_last_not_of("0123456789");
  return std::stoi(name.substr(at + 1));
}

}  // namespace

const std::vector<NetInfo>& nets() {
  static const std::vector<NetInfo> all = [] {
    std::vector<NetInfo> list;
    const std::vector<std::string> common{"num_classes", "input_channels", "width", "small_input"};
    std::vector<std::string> v1 = common;
    v1.insert(v1.end(), {"zero_init_residual", "stride_in_1x1"});
    for (const char* depth : {"18", "34", "50", "101", "152", "200"}) {
      list.push_back({std::string("resnet") + depth, "He et al. 2015, stride on the 3x3 (v1.5)", "torchvision", {3, 224, 224}, v1});
    }
    for (const char* depth : {"18", "34", "50", "101", "152", "200"}) {
      list.push_back({std::string("resnet_v2_") + depth, "He et al. 2016, pre-activation", "Gadolin", {3, 224, 224}, common});
    }
    return list;
  }();
  return all;
}

const NetInfo& net_info(const std::string& name) {
  std::vector<std::string> names;
  for (const NetInfo& info : nets()) {
    if (info.name == name) return info;
    names.push_back(info.name);
  }
  fail<UsageError>("model: ", name, " is unknown; known are ", join(names));
}

std::unique_ptr<Module> make_net(const std::string& name, const NetOptions& options) {
  const NetInfo& info = net_info(name);
  for (const auto& [option, value] : options) {
    require<UsageError>(std::find(info.options.begin(), info.options.end(), option) != info.options.end(), name, ": option ",
                        option, " is unknown; known are ", join(info.options));
  }
  if (name.rfind("resnet_v2_", 0) == 0) return std::make_unique<ResNetV2>(trailing_number(name), resnet_options(name, options));
  return std::make_unique<ResNet>(trailing_number(name), resnet_options(name, options));
}

}  // namespace gadolin
