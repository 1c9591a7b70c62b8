// The shape of the nets: numbers of parameters, entries of the state, multiply-adds, names, options,
// messages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "layers/init.h"
#include "layers/module.h"
#include "nets/registry.h"
#include "nets/resnet.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

std::int64_t parameter_count(const Module& net) {
  std::int64_t total = 0;
  for (const Parameter& p : net.parameters()) total += p.tensor.numel();
  return total;
}
std::int64_t multiply_adds(Layer& net, const Shape& image) {
  std::int64_t total = 0;
  const Unfused apart;
  const CallObserver observer([&](const Module& module, const std::string&, std::span<const Tensor> in,
                                  std::span<const Tensor> out) { total += module.macs(in, out); });
  const NoGrad guard;
  net.eval();
  net(zeros({1, image[0], image[1], image[2]}));
  return total;
}

// Totals computed from torchvision's and timm's own nets, 1000 classes, one image of the usual size.
struct Golden {
  const char* name;
  std::int64_t parameters;
  std::size_t entries;
  double gmacs;
};
class Reference : public testing::TestWithParam<Golden> {};
TEST_P(Reference, HasTheSameTotals) {
  const Golden& golden = GetParam();
  const SkipInitialValues zeros;
  const std::unique_ptr<ImageNet> net = make_net(golden.name);
  EXPECT_EQ(parameter_count(*net), golden.parameters);
  EXPECT_EQ(net->state().size(), golden.entries);
  EXPECT_NEAR(static_cast<double>(multiply_adds(*net, net_info(golden.name).input)) / 1e9, golden.gmacs,
              0.0005);
}
INSTANTIATE_TEST_SUITE_P(
    Nets, Reference,
    testing::Values(Golden{"resnet18", 11689512, 122, 1.814}, Golden{"resnet34", 21797672, 218, 3.664},
                    Golden{"resnet50", 25557032, 320, 4.089}, Golden{"resnet101", 44549160, 626, 7.801},
                    Golden{"resnet152", 60192808, 932, 11.514}, Golden{"densenet121", 7978856, 727, 2.834},
                    Golden{"densenet161", 28681000, 967, 7.728}, Golden{"densenet169", 14149480, 1015, 3.360},
                    Golden{"densenet201", 20013928, 1207, 4.291}, Golden{"vgg11", 132863336, 22, 7.609},
                    Golden{"vgg13", 133047848, 26, 11.308}, Golden{"vgg16", 138357544, 32, 15.470},
                    Golden{"vgg19", 143667240, 38, 19.632}, Golden{"vgg11_bn", 132868840, 62, 7.609},
                    Golden{"vgg13_bn", 133053736, 76, 11.308}, Golden{"vgg16_bn", 138365992, 97, 15.470},
                    Golden{"vgg19_bn", 143678248, 118, 19.632}, Golden{"googlenet", 13004888, 364, 1.498},
                    Golden{"inception_v3", 27161264, 580, 5.713},
                    Golden{"inception_v4", 42679816, 896, 12.254},
                    Golden{"inception_resnet_v2", 55843464, 1306, 13.156}),
    [](const auto& test) { return test.param.name; });

// Parameters whose name satisfies `pick`.
template <class F> std::int64_t parameters_of(const std::string& name, const NetOptions& options, F&& pick) {
  const SkipInitialValues zeros;
  std::int64_t total = 0;
  for (const Parameter& p : make_net(name, options)->parameters())
    total += pick(p.name) ? p.tensor.numel() : 0;
  return total;
}
// Other published counts: 15 outputs, VGG's convolutions, Inception-ResNet-v2 without the scales of its norms
// or its head.
TEST(Totals, AgreeInPartsToo) {
  const auto any = [](const std::string&) { return true; };
  EXPECT_EQ(parameters_of("resnet50", {{"num_classes", 15.0}}, any), 23538767);
  EXPECT_EQ(parameters_of("densenet121", {{"num_classes", 15.0}}, any), 6969231);
  EXPECT_EQ(parameters_of("vgg16", {}, [](const std::string& n) { return n.starts_with("features."); }),
            14714688);
  const auto unscaled = [](const std::string& n) { return !n.ends_with("bn.weight"); };
  EXPECT_EQ(parameters_of("inception_resnet_v2", {}, unscaled), 55813192);
  EXPECT_EQ(parameters_of("inception_resnet_v2", {},
                          [&](const std::string& n) { return unscaled(n) && !n.starts_with("classif"); }),
            54276192);
  EXPECT_EQ(parameters_of("inception_v3", {{"aux_logits", false}}, any), 23834568);
  EXPECT_EQ(parameters_of("googlenet", {{"aux_logits", false}}, any), 6624904);
}

TEST(ResNet, NamesAsTorchvisionDoes) {
  const ResNet net = resnet50();
  std::set<std::string> names;
  for (const Parameter& p : net.state()) EXPECT_TRUE(names.insert(p.name).second) << p.name << " twice";
  for (const char* name :
       {"conv1.weight", "bn1.running_var", "layer1.0.conv3.weight", "layer1.0.downsample.0.weight",
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

// Narrow, with seven classes and one channel, as far as a net has the options.
NetOptions narrow_with_seven_classes(const std::string& name) {
  const NetOptions wishes{{"num_classes", 7.0},       {"input_channels", 1.0}, {"width", 2.0},
                          {"width_divisor", 64.0},    {"small_input", true},   {"growth_rate", 2.0},
                          {"num_init_features", 4.0}, {"aux_logits", false},   {"dropout", 0.0}};
  const std::vector<std::string>& known = net_info(name).options;
  NetOptions options;
  for (const auto& [option, value] : wishes) {
    if (std::find(known.begin(), known.end(), option) != known.end()) options[option] = value;
  }
  if (name.starts_with("inception") || name == "googlenet") options["width_divisor"] = 16.0;
  return options;
}

class EveryNet : public testing::TestWithParam<std::string> {};
TEST_P(EveryNet, TakesOneChannelSmallImagesAndAnyClasses) {
  manual_seed(1);
  const std::unique_ptr<ImageNet> net = make_net(GetParam(), narrow_with_seven_classes(GetParam()));
  const bool halves_five_times = GetParam().starts_with("vgg") || GetParam() == "googlenet";
  const Shape image = GetParam().starts_with("inception") ? Shape{2, 1, 96, 107}
                      : halves_five_times                 ? Shape{2, 1, 43, 37}
                                                          : Shape{2, 1, 19, 16};
  const Tensor y = (*net)(randn(image));
  EXPECT_EQ(y.shape(), (Shape{2, 7}));
  sum(y).backward();
  for (const Parameter& p : net->parameters()) EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
}
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const NetInfo& info : nets()) names.push_back(info.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Registered, EveryNet, testing::ValuesIn(all_names()),
                         [](const auto& test) { return test.param; });

// By hand from the v1 totals: no norm behind stem and projections, one behind layer4, and the first of a
// block has its input's channels.
TEST(ResNetV2, HasItsOwnTotals) {
  EXPECT_EQ(parameter_count(*make_net("resnet_v2_18")), 11687720);
  EXPECT_EQ(parameter_count(*make_net("resnet_v2_50")), 25549352);
}

TEST(Registry, NamesWhatItKnows) {
  EXPECT_EQ(message_of<UsageError>([] {
              make_net("resnet-18");
            }).find("model: resnet-18 is unknown; did you mean resnet18? known are resnet18, resnet34, "),
            0u);
  EXPECT_EQ(message_of<UsageError>([] {
              make_net("zzzzzzzz");
            }).find("model: zzzzzzzz is unknown; known are resnet18, "),
            0u);
  EXPECT_EQ(message_of<Error>([] {
              make_net("resnet50", {{"widht", 3.0}});
            }),
            "resnet50: option widht is unknown; known are num_classes, input_channels, width, small_input, "
            "zero_init_residual, "
            "stride_in_1x1, stride_in_last_unit, same_pooling, conv_bias");
  EXPECT_EQ(message_of<Error>([] {
              make_net("resnet50", {{"num_classes", 2.5}});
            }),
            "resnet50: option num_classes must be a positive whole number");
  EXPECT_EQ(message_of<Error>([] {
              make_net("resnet50", {{"num_classes", NAN}});
            }),
            "resnet50: option num_classes must be a positive whole number");
  EXPECT_EQ(message_of<Error>([] {
              make_net("resnet50", {{"small_input", 1.0}});
            }),
            "resnet50: option small_input must be true or false");
  EXPECT_EQ(message_of<Error>([] { ResNet(42); }),
            "resnet: depth 42 is not one of 18, 34, 50, 101, 152, 200");
  const std::string unknown = message_of<Error>([] { make_net("resnet51"); });
  EXPECT_EQ(unknown.rfind("model: resnet51 is unknown; ", 0), 0u) << unknown;
}

// Same seed, same net; one batch is learned by heart.
TEST(ResNet, IsSeededAndLearns) {
  manual_seed(9);
  ResNet net = resnet18({.input_channels = 1, .num_classes = 2, .width = 4, .small_input = true});
  manual_seed(9);
  const ResNet again = resnet18({.input_channels = 1, .num_classes = 2, .width = 4, .small_input = true});
  for (std::size_t i = 0; i < net.state().size(); ++i) {
    EXPECT_EQ(net.state()[i].tensor.to_vector<float>(), again.state()[i].tensor.to_vector<float>())
        << net.state()[i].name;
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
