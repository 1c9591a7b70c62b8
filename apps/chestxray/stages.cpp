#include "apps/chestxray/stages.h"

#include <algorithm>

#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

using Parts = std::vector<std::string>;

bool is_resnet(const std::string& model) {
  return model.starts_with("resnet") && !model.starts_with("resnet_v2");
}

void check_stage_number(int stage) {
  require<UsageError>(stage >= 1 && stage <= 4, "chestxray: --stage ", stage,
                      " is unknown; use 1, 2, 3 or 4");
}

}  // namespace

std::string head_of(const std::string& model) {
  if (is_resnet(model)) return "fc";
  require<UsageError>(model.starts_with("densenet"), "chestxray: --model ", model,
                      " is neither a ResNet nor a DenseNet; gadolin train takes every net");
  return "classifier";
}

Parts frozen_in_stage(const std::string& model, int stage) {
  check_stage_number(stage);
  const bool resnet = head_of(model) == "fc";
  const std::vector<Parts> groups =
      resnet ? std::vector<Parts>{{"conv1", "bn1", "layer1"}, {"layer2"}, {"layer3"}, {"layer4"}}
             : std::vector<Parts>{
                   {"features.conv0", "features.norm0", "features.denseblock1", "features.transition1"},
                   {"features.denseblock2", "features.transition2"},
                   {"features.denseblock3", "features.transition3"},
                   {"features.denseblock4", "features.norm5"}};
  Parts frozen;
  for (int group = 0; group < stage; ++group) {
    const Parts& parts = groups[static_cast<std::size_t>(group)];
    frozen.insert(frozen.end(), parts.begin(), parts.end());
  }
  return frozen;
}

void freeze_as_original(Module& net, int stage) {
  check_stage_number(stage);
  Parts words{"layer2", "layer3", "layer4", "fc"};
  words.erase(words.begin(), words.begin() + (stage - 1));
  for (Parameter p : net.parameters()) {
    const bool learns = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
      return p.name.find(word) != std::string::npos;
    });
    p.tensor.requires_grad_(learns);
  }
}

}  // namespace gadolin::chestxray
