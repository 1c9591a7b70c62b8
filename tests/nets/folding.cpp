// Evaluation without gradients runs every net with its batch norms folded into its convolutions: the same
// results.
#include <gtest/gtest.h>

#include <limits>

#include "layers/norm.h"
#include "nets/registry.h"
#include "tensor/ops.h"
#include "tests/distance.h"
#include "tests/nets/small_net.h"

namespace gadolin {
namespace {

using test::distance;
using test::images;
using test::least_size;
using test::small_net;
using test::stir;

Tensor without_gradients(Layer& net, const Tensor& x) {
  const NoGrad guard;
  return net(x);
}

class Folding : public testing::TestWithParam<const char*> {};
TEST_P(Folding, ChangesNoResult) {
  const std::string name = GetParam();
  const std::unique_ptr<ImageNet> net = small_net(name);
  stir(*net);
  net->eval();
  const Tensor x = images({2, 3, least_size(name), least_size(name)}, 1);
  const Tensor want = (*net)(x).detach();
  EXPECT_LE(distance(without_gradients(*net, x), want), 2e-5);
  {
    const ComputeScope scope(DType::bf16);
    EXPECT_LE(distance(without_gradients(*net, x), want), 0.2);
  }
  EXPECT_LE(distance(without_gradients(*net, x), want), 2e-5) << "after another type";
  net->to(DType::fp64);
  const Tensor wide = x.to(DType::fp64);
  EXPECT_LE(distance(without_gradients(*net, wide), (*net)(wide).detach()), 1e-10);
}
INSTANTIATE_TEST_SUITE_P(Nets, Folding,
                         testing::Values("resnet18", "resnet50", "resnet_v2_50", "densenet121", "vgg11",
                                         "vgg11_bn", "googlenet", "inception_v3", "inception_v4",
                                         "inception_resnet_v2"),
                         [](const auto& test) { return std::string(test.param); });

// A NaN in the scale of a batch norm: the first op whose result holds it is the batch norm, if it runs.
TEST(FoldingOfResNet18, LeavesNoBatchNormToRun) {
  const std::unique_ptr<ImageNet> net = make_net("resnet18", {{"num_classes", 3.0}, {"width", 8.0}});
  net->eval();
  const Tensor x = images({1, 3, 33, 33}, 1);
  const auto finder = [&] {
    detect_anomaly(true);
    std::string text;
    try {
      (*net)(x);
    } catch (const Error& error) {
      text = error.what();
    }
    detect_anomaly(false);
    return text;
  };
  int norms = 0;
  net->visit([&](const std::string& path, Module& module) {
    auto* norm = dynamic_cast<BatchNorm2d*>(&module);
    if (!norm) return;
    Tensor weight = norm->weight();
    const Tensor before = weight.detach().clone();
    const auto set = [&](const Tensor& values) {
      const NoGrad guard;
      weight.copy_(values);
    };
    set(full(before.shape(), std::numeric_limits<double>::quiet_NaN()));
    {
      const NoGrad guard;
      const std::string folded = finder();
      EXPECT_FALSE(folded.empty()) << path;
      EXPECT_EQ(folded.find("batch_norm"), std::string::npos) << path << ": " << folded;
    }
    EXPECT_NE(finder().find("batch_norm"), std::string::npos) << path << " with gradients";
    set(before);
    ++norms;
  });
  EXPECT_EQ(norms, 20);
}

TEST(FoldingOfResNet18, FollowsTraining) {
  const std::unique_ptr<ImageNet> net =
      make_net("resnet18", {{"num_classes", 3.0}, {"width", 8.0}, {"small_input", true}});
  const Tensor x = images({4, 3, 16, 16}, 1);
  Tensor last;
  for (int epoch = 0; epoch < 3; ++epoch) {
    net->train();
    const Tensor y = (*net)(images({4, 3, 16, 16}, static_cast<std::uint64_t>(epoch) + 2));
    mean(mul(y, y)).backward();
    for (Parameter& p : net->parameters()) {
      const NoGrad guard;
      p.tensor.add_(p.tensor.grad(), -0.01);
      p.tensor.zero_grad();
    }
    net->eval();
    const Tensor got = without_gradients(*net, x);
    EXPECT_LE(distance(got, (*net)(x).detach()), 2e-5) << "epoch " << epoch;
    if (last.defined()) {
      EXPECT_GT(distance(got, last), 1e-4) << "the step changed something";
    }
    last = got;
  }
}

}  // namespace
}  // namespace gadolin
