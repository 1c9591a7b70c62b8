#include "tasks/slim_names.h"

#include "nets/resnet.h"
#include "tensor/check.h"

namespace gadolin {

SlimNames slim_names_of_resnet(int depth) {
  SlimNames names{cat("resnet_v1_", depth),
                  {{"conv1", "conv1", "bn1"}, {"logits", "fc", "", true}},
                  {{"stride_in_last_unit", true}, {"same_pooling", true}}};
  const ResNetDepth d = resnet_depth(depth);
  for (int group = 1; group <= 4; ++group) {
    for (int unit = 0; unit < d.blocks[group - 1]; ++unit) {
      const std::string theirs = cat("block", group, "/unit_", unit + 1, "/bottleneck_v1/"),
                        ours = cat("layer", group, ".", unit, ".");
      if (unit == 0)
        names.layers.push_back({theirs + "shortcut", ours + "downsample.0", ours + "downsample.1"});
      for (const char* i : {"1", "2", "3"})
        names.layers.push_back({theirs + "conv" + i, ours + "conv" + i, ours + "bn" + i});
    }
  }
  return names;
}

SlimNames slim_names_of_resnet_v2(int depth) {
  SlimNames names{cat("resnet_v2_", depth),
                  {{"conv1", "conv1"}, {"postnorm", "", "bn1"}, {"logits", "fc", "", true}},
                  {{"stride_in_last_unit", true}, {"same_pooling", true}, {"conv_bias", true}}};
  const ResNetDepth d = resnet_depth(depth);
  for (int group = 1; group <= 4; ++group) {
    for (int unit = 0; unit < d.blocks[group - 1]; ++unit) {
      const std::string theirs = cat("block", group, "/unit_", unit + 1, "/bottleneck_v2/"),
                        ours = cat("layer", group, ".", unit, ".");
      if (unit == 0) names.layers.push_back({theirs + "shortcut", ours + "downsample.0"});
      names.layers.insert(names.layers.end(), {{theirs + "preact", "", ours + "bn1"},
                                               {theirs + "conv1", ours + "conv1", ours + "bn2"},
                                               {theirs + "conv2", ours + "conv2", ours + "bn3"},
                                               {theirs + "conv3", ours + "conv3"}});
    }
  }
  return names;
}

SlimNames slim_names_of_vgg(int depth) {
  SlimNames names{cat("vgg_", depth), {}};
  int index = 0, group = 1;
  const int deep = depth == 16 ? 3 : 4;
  for (const int convs : {2, 2, deep, deep, deep}) {
    for (int i = 1; i <= convs; ++i, index += 2)  // a ReLU behind each
      names.layers.push_back({cat("conv", group, "/conv", group, "_", i), cat("features.", index)});
    ++index;  // the pooling
    ++group;
  }
  names.layers.insert(names.layers.end(), {{"fc6", "classifier.0", "", true},
                                           {"fc7", "classifier.3", "", true},
                                           {"fc8", "classifier.6", "", true}});
  return names;
}

}  // namespace gadolin
