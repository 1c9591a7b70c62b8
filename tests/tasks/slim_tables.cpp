// TF-Slim's names as the nets export them: every layer of ours has one, and they are those of Slim's
// checkpoints.
#include <gtest/gtest.h>

#include <set>

#include "layers/init.h"
#include "tasks/slim_weights.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

struct SlimNet {
  const char *model, *scope, *fixture;
  std::size_t layers;  // of Slim's
};
class SlimTable : public testing::TestWithParam<SlimNet> {
 protected:
  std::unique_ptr<ImageNet> net() const {
    const SkipInitialValues quick;
    const std::string model = GetParam().model;
    NetOptions options = slim_names(model)->conventions;
    if (model.starts_with("resnet")) options["width"] = 2.0;
    if (!model.starts_with("resnet")) options["width_divisor"] = 16.0;
    if (model.starts_with("inception")) options["aux_logits"] = true;
    return make_net(model, options);
  }
};

TEST_P(SlimTable, NamesEveryLayerOnce) {
  const SlimNames* names = slim_names(GetParam().model);
  ASSERT_NE(names, nullptr);
  EXPECT_EQ(names->scope, GetParam().scope);
  EXPECT_EQ(slim_scope(GetParam().model), GetParam().scope);
  EXPECT_EQ(names->layers.size(), GetParam().layers);
  std::set<std::string> scopes, ours, there;
  for (const SlimLayer& layer : names->layers) {
    EXPECT_TRUE(scopes.insert(layer.scope).second) << layer.scope << " twice";
    for (const std::string& part : {layer.layer, layer.norm}) {
      if (!part.empty()) {
        EXPECT_TRUE(ours.insert(part).second) << part << " twice";
      }
    }
  }
  const auto net = this->net();
  for (const Parameter& p : net->parameters()) there.insert(p.name.substr(0, p.name.rfind('.')));
  EXPECT_EQ(ours, there);
  // `linear` says where our weight is a matrix.
  for (const Parameter& p : net->parameters()) {
    for (const SlimLayer& layer : names->layers) {
      if (p.name == layer.layer + ".weight") {
        EXPECT_EQ(layer.linear, p.tensor.dim() == 2) << p.name;
      }
    }
  }
}

TEST_P(SlimTable, NamesEveryVariableOfACheckpoint) {
  if (std::string(GetParam().fixture).empty()) GTEST_SKIP() << "no checkpoint of this depth is stored";
  const WeightFile file = read_weights(test::fixture(cat("tf/", GetParam().fixture, ".v2.ckpt")));
  const SlimNames* names = slim_names(GetParam().model);
  std::set<std::string> known;
  for (const SlimLayer& layer : names->layers) known.insert(names->scope + "/" + layer.scope);
  for (const auto& [name, tensor] : file.tensors) {
    if (name == "global_step") continue;
    std::string scope = name.substr(0, name.rfind('/'));
    if (scope.ends_with("/BatchNorm")) scope.resize(scope.size() - 10);
    EXPECT_TRUE(known.contains(scope)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Nets, SlimTable,
    testing::Values(SlimNet{"resnet50", "resnet_v1_50", "resnet_v1_50", 54},
                    SlimNet{"resnet101", "resnet_v1_101", "", 105},
                    SlimNet{"resnet152", "resnet_v1_152", "", 156},
                    SlimNet{"resnet200", "resnet_v1_200", "", 204},
                    SlimNet{"resnet_v2_50", "resnet_v2_50", "resnet_v2_50", 71},
                    SlimNet{"resnet_v2_101", "resnet_v2_101", "", 139},
                    SlimNet{"resnet_v2_152", "resnet_v2_152", "", 207},
                    SlimNet{"resnet_v2_200", "resnet_v2_200", "", 271},
                    SlimNet{"vgg16", "vgg_16", "vgg_16", 16}, SlimNet{"vgg19", "vgg_19", "", 19},
                    SlimNet{"inception_v3", "InceptionV3", "inception_v3", 98},
                    SlimNet{"inception_v4", "InceptionV4", "inception_v4", 153},
                    SlimNet{"inception_resnet_v2", "InceptionResnetV2", "inception_resnet_v2", 248}),
    [](const auto& test) { return std::string(test.param.model); });

TEST(SlimTables, AreOfNetsThatSlimHas) {
  std::set<std::string> mapped;
  for (const NetInfo& info : nets()) {
    if (slim_names(info.name)) mapped.insert(info.name);
  }
  EXPECT_EQ(mapped.size(), 13u);
  for (const char* name : {"resnet18", "resnet_v2_34", "vgg11", "vgg16_bn", "densenet121", "googlenet"})
    EXPECT_EQ(slim_names(name), nullptr) << name;
}

// Down to a layer, inside a branch too.
TEST(SlimTables, FindPartsOfANet) {
  const SkipInitialValues quick;
  const auto v3 = make_net("inception_v3", {{"width_divisor", 16.0}});
  using Parts = std::vector<std::string>;
  EXPECT_EQ(parts_of_slim_scope("inception_v3", *v3, "InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5"),
            (Parts{"Mixed_5c.branch5x5_2.conv", "Mixed_5c.branch5x5_2.bn"}));
  EXPECT_EQ(parts_of_slim_scope("inception_v3", *v3, "InceptionV3/Mixed_7c/Branch_1/Conv2d_0c_3x1"),
            (Parts{"Mixed_7c.branch3x3_2b.conv", "Mixed_7c.branch3x3_2b.bn"}));
  const auto v2 = make_net("resnet_v2_50", {{"width", 2.0}});
  EXPECT_EQ(parts_of_slim_scope("resnet_v2_50", *v2, "resnet_v2_50/postnorm"), Parts{"bn1"});
  EXPECT_EQ(
      test::message_of<UsageError>([&] { parts_of_slim_scope("resnet_v2_50", *v2, "resnet_v2_50/conv7"); }),
      "scopes: resnet_v2_50/conv7 names no layer of resnet_v2_50; use Slim's scopes down to a layer, or "
      "names "
      "of gadolin summary");
  EXPECT_THROW(parts_of_slim_scope("vgg11", *v2, "vgg_11/conv1"), UsageError);
}

}  // namespace
}  // namespace gadolin
