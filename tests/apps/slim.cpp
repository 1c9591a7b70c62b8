// Checkpoints of TF-Slim's nets under our names: the same logits.
#include "apps/weights/slim_names.h"

#include <gtest/gtest.h>

#include <cmath>

#include "apps/weights/weights.h"
#include "data/safetensors.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

void expect_logits(const std::string& model, const std::string& prefix) {
  const std::string stem = test::fixture("tf/" + prefix);
  WeightFile file = read_weights(stem + ".v2.ckpt");
  ASSERT_TRUE(is_slim(file.tensors));
  NetOptions options;
  rename_slim(model, file, options);
  ASSERT_FALSE(file.notes.empty());
  EXPECT_EQ(file.notes[0], "of the training, not of the net: global_step");
  options = options_from_weights(model, file.tensors, options);
  const auto net = make_net(model, options);
  const LoadReport report = net->load_state(file.tensors, {}, prefix);
  EXPECT_TRUE(report.missing.empty() && report.unexpected.empty());
  net->eval();
  const TensorMap stored = load_safetensors(stem + ".safetensors");
  const std::vector<double> got = (*net)(stored.at("input").clone()).to_vector<double>(), want = stored.at("logits").to_vector<double>();
  ASSERT_EQ(got.size(), want.size());
  double scale = 0;
  for (const double v : want) scale = std::max(scale, std::fabs(v));
  ASSERT_GT(scale, 0.1);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_LE(std::fabs(got[i] - want[i]), 1e-4 * scale) << i;
}

TEST(SlimWeights, ResNetOfVersionOne) { expect_logits("resnet50", "resnet_v1_50"); }
TEST(SlimWeights, ResNetOfVersionTwo) { expect_logits("resnet_v2_50", "resnet_v2_50"); }

TEST(SlimWeights, InceptionOfVersionThree) { expect_logits("inception_v3", "inception_v3"); }

TEST(SlimWeights, SayWhichNetTheyAreOf) {
  WeightFile file = read_weights(test::fixture("tf/resnet_v1_50.v2.ckpt"));
  NetOptions options;
  EXPECT_EQ(test::message_of<UsageError>([&] { rename_slim("resnet101", file, options); }),
            "import: this checkpoint is of Slim's resnet_v1_50, not resnet_v1_101; give its name to --model");
  EXPECT_EQ(test::message_of<UsageError>([&] { rename_slim("resnet18", file, options); }),
            "import: TF-Slim has no resnet18; it has ResNets from 50 layers, VGG 16 and 19, and Inception v3 to v4");
}

}  // namespace
}  // namespace gadolin
