// A classifier's weights as the trunk of a detector.
#include "tasks/detection/trunk.h"

#include <gtest/gtest.h>

#include "nets/registry.h"
#include "nets/retinanet.h"
#include "tensor/ops.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

TEST(DetectorTrunk, TakesAClassifierOfItsOwnKindAlone) {
  for (const char* name : {"resnet18", "vgg16", "densenet121"}) {
    SCOPED_TRACE(name);
    const std::string kind = name;
    NetOptions options;
    if (kind == "resnet18") options["width"] = 4.0;
    if (kind == "vgg16") options["width_divisor"] = 16.0;
    if (kind == "densenet121") options = {{"growth_rate", 4.0}, {"num_init_features", 8.0}};
    NetOptions of_detector = options, of_classifier = options;
    of_detector["channels"] = 8.0;
    of_classifier["num_classes"] = 7.0;
    const auto detector = make_detector("retinanet_" + kind + "_fpn", of_detector);
    const auto classifier = make_net(kind, of_classifier);
    State weights;
    for (const Parameter& p : classifier->state()) weights[p.name] = p.tensor.detach();
    EXPECT_TRUE(has_no_detector(weights));
    const TrunkWeights trunk = trunk_of_classifier(*detector, weights, "w.pth");
    EXPECT_EQ(trunk.left.size(), kind == "vgg16" ? 6u : 2u);
    EXPECT_EQ(trunk.state.size() + trunk.left.size(), weights.size());
    const LoadReport report = detector->load_state(trunk.state, {.strict = false});
    EXPECT_EQ(report.loaded.size(), trunk.state.size());
    for (const std::string& missing : report.missing)
      EXPECT_FALSE(missing.starts_with("backbone.body.")) << missing;
    State own;
    for (const Parameter& p : detector->state()) own[p.name] = p.tensor.detach();
    EXPECT_FALSE(has_no_detector(own));
  }
  const auto detector = make_detector("retinanet_resnet18_fpn", {{"width", 4.0}, {"channels", 8.0}});
  State deeper;
  for (const Parameter& p : make_net("resnet34", {{"width", 4.0}})->state())
    deeper[p.name] = p.tensor.detach();
  EXPECT_EQ(
      message_of<CheckpointError>([&] { trunk_of_classifier(*detector, deeper, "r34.pth"); }),
      "--init-from r34.pth is no detector, and not the classifier that the trunk is of; 96 names are left "
      "over, such as layer1.2.bn1.bias; give weights of the net that the detector is named after");
  EXPECT_EQ(
      message_of<CheckpointError>([&] {
        trunk_of_classifier(*detector, {{"features.0.weight", ones({1})}}, "vgg.pth");
      }),
      "--init-from vgg.pth is no detector, and not the classifier that the trunk is of; 100 names of the "
      "trunk are missing, such as conv1.weight; give weights of the net that the detector is named after");
}

}  // namespace
}  // namespace gadolin
