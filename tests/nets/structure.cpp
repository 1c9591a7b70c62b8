// The shape of the nets: numbers of parameters, entries of the state, multiply-adds, names, options, messages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "nets/registry.h"
#include "nets/resnet.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

std::int64_t parameter_count(const Module& net) {
  std::int64_t total = 0;
  for (const Parameter& p : net.parameters()) total += p.tensor.numel();
  return total;
}
std::int64_t multiply_adds(Module& net, const Shape& image) {
  std::int64_t total = 0;
  const CallObserver observer([&](const Module& module, const std::string&, const Tensor& in, const Tensor& out) {
    total += module.macs(in, out);
  });
  const NoGrad guard;
  net.eval();
  net(zeros({1, image[0], image[1], image[2]}));
  return total;
}

// Totals computed from torchvision 0.14.1.
struct Golden {
  const char* name;
  std::int64_t parameters;
  std::size_t entries;
  double gmacs;
};
class Torchvision : public testing::TestWithParam<Golden> {};
TEST_P(Torchvision, HasTheSameTotals) {
  const Golden& golden = GetParam();
  const std::unique_ptr<Module> net = make_net(golden.name);
  EXPECT_EQ(parameter_count(*net), golden.parameters);
  EXPECT_EQ(net->state().size(), golden.entries);
  EXPECT_NEAR(static_cast<double>(multiply_adds(*net, {3, 224, 224})) / 1e9, golden.gmacs, 0.0005);
}
INSTANTIATE_TEST_SUITE_P(ResNets, Torchvision,
                         testing::Values(Golden{"resnet18", 11689512, 122, 1.814}, Golden{"resnet34", 21797672, 218, 3.664},
                                         Golden{"resnet50", 25557032, 320, 4.089}, Golden{"resnet101", 44549160, 626, 7.801},
                                         Golden{"resnet152", 60192808, 932, 11.514}),
                         [](const auto& test) { return test.param.name; });

TEST(ResNet, HasFifteenOutputsWhenAsked) {
  EXPECT_EQ(parameter_count(*make_net("resnet50", {{"num_classes", 15.0}})), 23538767);
}

TEST(ResNet, NamesAsTorchvisionDoes) {
  const ResNet net = resnet50();
  std::set<std::string> names;
  for (const Parameter& p : net.state()) EXPECT_TRUE(names.insert(p.name).second) << p.name << " twice";
  for (const char* name : {"conv1.weight", "bn1.running_var", "layer1.0.conv3.weight", "layer1.0.downsample.0.weight",
                           "layer1.0.downsample.1.num_batches_tracked", "layer3.5.bn2.bias", "layer4.2.bn3.weight", "fc.bias"}) {
    EXPECT_EQ(names.count(name), 1u) << name;
  }
  EXPECT_EQ(names.count("layer1.1.downsample.0.weight"), 0u);
  EXPECT_EQ(net.state()[0].name, "conv1.weight");
  EXPECT_EQ(net.parameters().back().name, "fc.bias");
}

TEST(ResNet, PutsTheStrideWhereItIsAsked) {
  const auto strides = [](bool in_1x1) {
    ResNet net = resnet50({.width = 4, .stride_in_1x1 = in_1x1});
    std::vector<int> found(2);
    static_cast<Module&>(net).visit([&](const std::string& path, Module& module) {
      if (path == "layer2.0.conv1") found[0] = dynamic_cast<Conv2d&>(module).options().stride.h;
      if (path == "layer2.0.conv2") found[1] = dynamic_cast<Conv2d&>(module).options().stride.h;
    });
    return found;
  };
  EXPECT_EQ(strides(false), (std::vector<int>{1, 2}));
  EXPECT_EQ(strides(true), (std::vector<int>{2, 1}));
}

TEST(ResNet, StartsBlocksAsTheIdentityWhenAsked) {
  const ResNet net = resnet18({.num_classes = 2, .width = 4, .zero_init_residual = true});
  int zeros_found = 0;
  for (const Parameter& p : net.parameters()) {
    if (p.name.find("bn2.weight") == std::string::npos) continue;
    EXPECT_EQ(max(p.tensor).item(), 0) << p.name;
    ++zeros_found;
  }
  EXPECT_EQ(zeros_found, 8);
}

class EveryNet : public testing::TestWithParam<std::string> {};
TEST_P(EveryNet, TakesOneChannelSmallImagesAndAnyClasses) {
  manual_seed(1);
  const std::unique_ptr<Module> net =
      make_net(GetParam(), {{"num_classes", 7.0}, {"input_channels", 1.0}, {"width", 2.0}, {"small_input", true}});
  const Tensor y = (*net)(randn({2, 1, 19, 16}));
  EXPECT_EQ(y.shape(), (Shape{2, 7}));
  sum(y).backward();
  for (const Parameter& p : net->parameters()) EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
}
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const NetInfo& info : nets()) names.push_back(info.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Registered, EveryNet, testing::ValuesIn(all_names()), [](const auto& test) { return test.param; });

// By hand from the v1 totals: no norm behind stem and projections, one behind layer4, and the first of a block has its input's channels.
TEST(ResNetV2, HasItsOwnTotals) {
  EXPECT_EQ(parameter_count(*make_net("resnet_v2_18")), 11687720);
  EXPECT_EQ(parameter_count(*make_net("resnet_v2_50")), 25549352);
}

template <class F> std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}
TEST(Registry, NamesWhatItKnows) {
  EXPECT_EQ(message_of([] { make_net("resnet50", {{"widht", 3.0}}); }),
            "resnet50: option widht is unknown; known are num_classes, input_channels, width, small_input, zero_init_residual, "
            "stride_in_1x1");
  EXPECT_EQ(message_of([] { make_net("resnet50", {{"num_classes", 2.5}}); }),
            "resnet50: option num_classes must be a positive whole number");
  EXPECT_EQ(message_of([] { make_net("resnet50", {{"num_classes", NAN}}); }),
            "resnet50: option num_classes must be a positive whole number");
  EXPECT_EQ(message_of([] { make_net("resnet50", {{"small_input", 1.0}}); }), "resnet50: option small_input must be true or false");
  EXPECT_EQ(message_of([] { ResNet(42); }), "resnet: depth 42 is not one of 18, 34, 50, 101, 152, 200");
  const std::string unknown = message_of([] { make_net("resnet51"); });
  EXPECT_EQ(unknown.rfind("model: resnet51 is unknown; ", 0), 0u) << unknown;
}

// Same seed, same net; one batch is learned by heart.
TEST(ResNet, IsSeededAndLearns) {
  manual_seed(9);
  ResNet net = resnet18({.input_channels = 1, .num_classes = 2, .width = 4, .small_input = true});
  manual_seed(9);
  const ResNet again = resnet18({.input_channels = 1, .num_classes = 2, .width = 4, .small_input = true});
  for (std::size_t i = 0; i < net.state().size(); ++i) {
    EXPECT_EQ(net.state()[i].tensor.to_vector<float>(), again.state()[i].tensor.to_vector<float>()) << net.state()[i].name;
  }
  const Tensor x = randn({6, 1, 8, 8}), target = one_hot(tensor({0, 1, 1, 0, 1, 0}, {6}, DType::int64), 2);
  double loss = 0;
  for (int step = 0; step < 60; ++step) {
    const Tensor p = log_softmax(net(x), 1), l = -1.0 * sum(mul(p, target)) / 6.0;
    l.backward();
    loss = l.item();
    const NoGrad guard;
    for (const Parameter& parameter : net.parameters()) {
      Tensor w = parameter.tensor;
      w.add_(w.grad(), -0.05);
      w.zero_grad();
    }
  }
  EXPECT_TRUE(loss < 1e-2) << loss;
}

}  // namespace
}  // namespace gadolin
