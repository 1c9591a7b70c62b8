// Stages of every net: their strides, that the classifier stands on the last one, and that fused, unfused and
// concurrent runs agree.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "layers/module.h"
#include "nets/densenet.h"
#include "nets/registry.h"
#include "nets/resnet.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/distance.h"

namespace gadolin {
namespace {

using test::distance;

struct NetStages {
  const char* name;
  std::int64_t size;
  std::vector<std::int64_t> channels, sides;
  std::vector<std::string>
      layers;  // whose results the stages are; "" for a batch norm or a pooling behind one
};
const NetStages nets_with_stages[] = {
    {"resnet18", 64, {8, 16, 32, 64}, {16, 8, 4, 2}, {"layer1", "layer2", "layer3", "layer4"}},
    {"resnet50", 64, {32, 64, 128, 256}, {16, 8, 4, 2}, {"layer1", "layer2", "layer3", "layer4"}},
    {"resnet_v2_50", 64, {32, 64, 128, 256}, {16, 8, 4, 2}, {"layer1", "layer2", "layer3", "bn1"}},
    {"densenet121",
     64,
     {56, 124, 254, 255},
     {16, 8, 4, 2},
     {"features.denseblock1", "features.denseblock2", "features.denseblock3", "features.norm5"}},
    {"vgg11", 64, {8, 16, 32, 32}, {16, 8, 4, 2}, {"", "", "", ""}},
    {"vgg13_bn", 64, {8, 16, 32, 32}, {16, 8, 4, 2}, {"", "", "", ""}},
    {"googlenet",
     64,
     {12, 30, 52, 64},
     {16, 8, 4, 2},
     {"conv3", "inception3b", "inception4e", "inception5b"}},
    {"inception_v3",
     299,
     {12, 18, 48, 128},
     {71, 35, 17, 8},
     {"Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c"}},
    {"inception_v4",
     299,
     {12, 24, 64, 96},
     {71, 35, 17, 8},
     {"features.4", "features.9", "features.17", "features.21"}},
    {"inception_resnet_v2",
     299,
     {12, 20, 68, 96},
     {71, 35, 17, 8},
     {"conv2d_4a", "repeat.9", "repeat_1.19", "conv2d_7b"}}};

std::unique_ptr<ImageNet> narrow_net(const std::string& name) {
  NetOptions options{{"num_classes", 5.0}};
  if (name.starts_with("resnet")) options["width"] = 8.0;
  if (name.starts_with("vgg") || name.starts_with("inception") || name == "googlenet")
    options["width_divisor"] = 16.0;
  if (name.starts_with("densenet")) options["growth_rate"] = options["num_init_features"] = 8.0;
  return make_net(name, options);
}
Tensor square_images(std::int64_t n, std::int64_t size) {
  return rand({n, 3, size, size}, 5, 1).contiguous(MemoryFormat::channels_last);
}

class Stages : public testing::TestWithParam<NetStages> {};
TEST_P(Stages, StandAtTheirStridesBelowTheClassifier) {
  const NetStages& c = GetParam();
  manual_seed(2);
  const auto net = narrow_net(c.name);
  net->eval();
  const Tensor x = square_images(2, c.size);
  const NoGrad guard;
  std::map<std::string, Tensor> seen;
  std::vector<Tensor> stages;
  {
    const CallObserver observer([&](const Module& module, const std::string& place, std::span<const Tensor>,
                                    std::span<const Tensor> out) {
      if (&module == net.get()) {
        EXPECT_EQ(out.size(), 4u);
      }
      seen[place] = out[0];
    });
    stages = net->features(x);
  }
  ASSERT_EQ(stages.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stages[i].shape(), (Shape{2, c.channels[i], c.sides[i], c.sides[i]})) << i;
    if (!c.layers[i].empty()) {
      EXPECT_TRUE(stages[i].same_as(seen[c.layers[i]])) << c.layers[i];
    }
  }
  const std::vector<float> logits = (*net)(x).to_vector<float>();
  const std::vector<float> again = net->classify(stages.back()).to_vector<float>();
  ASSERT_EQ(again.size(), logits.size());
  // Not the same bits: an addend that somebody holds is not added to in place, and the library rounds the two
  // ways differently.
  for (std::size_t k = 0; k < again.size(); ++k) EXPECT_NEAR(again[k], logits[k], 1e-5) << k;
  EXPECT_EQ(net->logits(x).main.to_vector<float>(), logits);
}
// With a tape: a loss of all stages and the classifier reaches every parameter.
TEST_P(Stages, CarryGradients) {
  const NetStages& c = GetParam();
  manual_seed(2);
  const auto net = narrow_net(c.name);
  const std::vector<Tensor> stages = net->features(square_images(2, c.size));
  Tensor total = sum(net->classify(stages.back()));
  for (const Tensor& stage : stages) total = add(total, mean(stage));
  total.backward();
  for (const Parameter& p : net->parameters()) {
    const bool beside = p.name.starts_with("aux") || p.name.starts_with("Aux");
    EXPECT_EQ(p.tensor.grad().defined(), !beside) << p.name;
  }
}
// Every call that the paper draws when unfused, the same numbers either way.
TEST_P(Stages, AgreeUnfused) {
  const NetStages& c = GetParam();
  manual_seed(2);
  const auto net = narrow_net(c.name);
  net->eval();
  const Tensor x = square_images(1, c.size);
  const NoGrad guard;
  std::map<std::string, int> calls;
  const CallObserver observer([&](const Module& module, const std::string& place, auto&&...) {
    calls[place + " " + module.kind()]++;
  });
  const std::vector<Tensor> fused = net->features(x);
  const std::size_t fewer = calls.size();
  calls.clear();
  const Unfused scope;
  const std::vector<Tensor> drawn = net->features(x);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_LE(distance(fused[i], drawn[i]), 2e-5) << i;
  EXPECT_EQ(calls.size() > fewer, std::string(c.name) != "vgg11") << calls.size() << " " << fewer;
  net->visit([&](const std::string& path, const Module& module) {
    const std::string kind = module.kind();
    const bool in_head = path.starts_with("aux") || path.starts_with("Aux");
    if ((kind == "Conv2d" || kind == "BatchNorm2d") && !in_head) {
      EXPECT_EQ(calls[path + " " + kind], 1) << path;
    }
  });
}
INSTANTIATE_TEST_SUITE_P(Nets, Stages, testing::ValuesIn(nets_with_stages),
                         [](const auto& test) { return std::string(test.param.name); });

// What the headers say of options that move the strides.
TEST(StagesOfOptions, AreWhereTheHeadersSay) {
  const NoGrad guard;
  const auto sides = [](auto net) {
    net.eval();
    std::vector<std::int64_t> found;
    for (const Tensor& stage : net.features(zeros({1, 3, 64, 64}))) found.push_back(stage.size(2));
    return found;
  };
  using Sides = std::vector<std::int64_t>;
  for (const bool last : {false, true}) {
    const Sides usual = last ? Sides{8, 4, 2, 2} : Sides{16, 8, 4, 2},
                small = last ? Sides{32, 16, 8, 8} : Sides{64, 32, 16, 8};
    EXPECT_EQ(sides(ResNet(50, {.width = 2, .stride_in_last_unit = last, .same_pooling = last})), usual);
    EXPECT_EQ(sides(ResNet(50, {.width = 2, .small_input = true, .stride_in_last_unit = last})), small);
    EXPECT_EQ(sides(ResNetV2(50, {.width = 2, .stride_in_last_unit = last, .same_pooling = last})), usual);
    EXPECT_EQ(sides(ResNetV2(50, {.width = 2, .small_input = true, .stride_in_last_unit = last})), small);
  }
  DenseNetOptions dense{.growth_rate = 4, .num_init_features = 4, .small_input = true};
  EXPECT_EQ(sides(DenseNet(dense)), (Sides{64, 32, 16, 8}));
  dense.block_config = {2, 2, 2};
  EXPECT_EQ(sides(DenseNet(dense)).size(), 3u);
}

// Nothing of a call is left in the net: neither its input nor a node of its tape lives on.
TEST(StagesOfTheNets, LeaveNothingBehind) {
  for (const char* name : {"resnet18", "densenet121", "googlenet"}) {
    const auto net = narrow_net(name);
    const std::int64_t nodes = live_nodes();
    for (const bool training : {true, false}) {
      for (const bool recorded : {true, false}) {
        net->train(training);
        const NoGrad guard(!recorded);
        const Tensor x = square_images(2, 64);
        (*net)(x);
        net->logits(x);
        net->features(x);
        EXPECT_TRUE(x.sole_owner()) << name << training << recorded;
        EXPECT_EQ(live_nodes(), nodes) << name << training << recorded;
      }
    }
  }
}

// The contract of layers/module.h: nets on threads of their own do not meet.
TEST(StagesOfTheNets, RunOnThreadsOfTheirOwn) {
  const char* names[] = {"resnet18", "densenet121", "googlenet"};
  std::vector<std::unique_ptr<ImageNet>> nets;
  std::vector<std::vector<float>> alone, together(3);
  const Tensor x = square_images(2, 64);
  const auto run = [&](std::size_t i) {
    const NoGrad guard;
    return (*nets[i])(x).to_vector<float>();
  };
  for (std::size_t i = 0; i < 3; ++i) {
    nets.push_back(narrow_net(names[i]));
    nets[i]->eval();
    alone.push_back(run(i));
  }
  for (const auto& net : nets) {  // weights that changed are folded and copied anew
    const NoGrad guard;
    for (Parameter& p : net->parameters()) p.tensor.mul_(1.0);
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      if (i == 1) {
        const Unfused scope;  // of this thread alone
        run(i);
      }
      for (int repeat = 0; repeat < 3; ++repeat) together[i] = run(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(together[i], alone[i]) << names[i];
}

}  // namespace
}  // namespace gadolin
