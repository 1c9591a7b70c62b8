// Nets by name: what the commands, checkpoints and fixtures call them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "nets/image_net.h"

namespace gadolin {

// A constructor option as configuration files give it.
using OptionValue = std::variant<bool, double, std::string>;
using NetOptions = std::map<std::string, OptionValue>;  // by name

// What is known of a net by its name.
struct NetInfo {
  std::string name;                  // "resnet50"
  std::string about;                 // "He et al. 2015, v1.5"
  std::string weights;               // whose files fit: "torchvision"
  Shape input;                       // default [C, H, W]
  std::vector<std::string> options;  // names that make_net accepts
};
const std::vector<NetInfo>& nets();  // all, in the order of `gadolin models`
// Throws UsageError with the nearest names when there is none of this name.
const NetInfo& net_info(const std::string& name);

// Every net takes num_classes and input_channels; the others are its own. Throws UsageError naming an unknown
// option and the known ones.
std::unique_ptr<ImageNet> make_net(const std::string& name, const NetOptions& options = {});
// The same without a classifier, for other nets to stand on: of ResNet, DenseNet and VGG.
std::unique_ptr<ImageNet> make_trunk(const std::string& name, const NetOptions& options = {});

}  // namespace gadolin
