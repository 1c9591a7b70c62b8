// RetinaNet: published totals, torchvision's names, levels, what learns; the registry and its messages.
#include "nets/retinanet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "layers/init.h"
#include "nets/vgg.h"
#include "tensor/allocator.h"
#include "tensor/capture.h"
#include "tensor/random.h"
#include "tests/distance.h"
#include "tests/nets/small_net.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::distance;
using test::message_of;

std::int64_t trainable_numbers(const Module& net) {
  std::int64_t total = 0;
  for (const Parameter& p : net.parameters()) total += p.tensor.requires_grad() ? p.tensor.numel() : 0;
  return total;
}
std::set<std::string> state_names(const Module& net) {
  std::set<std::string> names;
  for (const Parameter& p : net.state()) EXPECT_TRUE(names.insert(p.name).second) << p.name << " twice";
  return names;
}
NetOptions narrow_detector(const std::string& name) {
  NetOptions options{{"num_classes", 2.0}, {"channels", 32.0}};
  if (name.find("_resnet") != std::string::npos) options["width"] = 8.0;
  if (name.find("_vgg") != std::string::npos) options["width_divisor"] = 16.0;
  if (name.find("_densenet") != std::string::npos)
    options["growth_rate"] = options["num_init_features"] = 8.0;
  return options;
}

// Published counts, batch norms frozen and not counted.
TEST(RetinaNet, HasItsPublishedTotals) {
  const SkipInitialValues quick;
  const auto count = [](double classes, bool from_c5) {
    return trainable_numbers(
        *make_detector("retinanet_resnet50_fpn", {{"num_classes", classes}, {"p6_from_c5", from_c5}}));
  };
  EXPECT_EQ(count(1, true), 36276717);
  EXPECT_EQ(count(2, true), 36297462);
  EXPECT_EQ(count(80, true), 37915572);
  EXPECT_EQ(count(91, false), 34014999);
}

TEST(RetinaNet, NamesAsTorchvisionDoes) {
  const SkipInitialValues quick;
  const auto first = state_names(*make_detector("retinanet_resnet50_fpn")),
             second = state_names(*make_detector("retinanet_resnet50_fpn_v2"));
  for (const char* name :
       {"backbone.body.conv1.weight", "backbone.body.layer4.2.bn3.running_var",
        "backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.layer_blocks.2.0.bias",
        "backbone.fpn.extra_blocks.p6.weight", "backbone.fpn.extra_blocks.p7.bias",
        "head.classification_head.conv.3.0.weight", "head.classification_head.cls_logits.bias",
        "head.regression_head.conv.0.0.weight", "head.regression_head.bbox_reg.weight"}) {
    EXPECT_EQ(first.count(name), 1u) << name;
    EXPECT_EQ(second.count(name), 1u) << name;
  }
  EXPECT_EQ(first.count("backbone.body.fc.weight") + second.count("backbone.body.fc.weight"), 0u);
  EXPECT_EQ(first.count("head.classification_head.conv.0.0.bias"), 1u);
  EXPECT_EQ(second.count("head.classification_head.conv.0.0.bias"), 0u);
  EXPECT_EQ(second.count("head.regression_head.conv.2.1.weight"), 1u) << "group norm";
  // torchvision's file has no num_batches_tracked of its frozen norms.
  std::size_t counters = 0;
  for (const std::string& name : first) counters += name.ends_with("num_batches_tracked") ? 1 : 0;
  EXPECT_EQ(first.size() - counters, 301u);
}

class Detectors : public testing::TestWithParam<std::string> {};
TEST_P(Detectors, JudgeEveryAnchorOfFiveLevels) {
  manual_seed(3);
  const auto net = make_detector(GetParam(), narrow_detector(GetParam()));
  // VGG's and DenseNet's poolings round sizes down.
  const bool down = GetParam().find("_resnet") == std::string::npos;
  const Tensor x = test::images({2, 3, 65, 98}, 1);
  const DetectorOutput y = (*net)(x);
  const std::vector<Pair> up_grids{{9, 13}, {5, 7}, {3, 4}, {2, 2}, {1, 1}},
      down_grids{{8, 12}, {4, 6}, {2, 3}, {1, 2}, {1, 1}};
  EXPECT_EQ(y.grids, down ? down_grids : up_grids);
  std::int64_t anchors = 0;
  for (const Pair& grid : y.grids) anchors += 9LL * grid.h * grid.w;
  EXPECT_EQ(y.logits.shape(), (Shape{2, anchors, 2}));
  EXPECT_EQ(y.deltas.shape(), (Shape{2, anchors, 4}));
  (sum(y.logits) + sum(y.deltas * y.deltas)).backward();
  for (const Parameter& p : net->parameters()) {
    const bool norm = p.name.find("bn") != std::string::npos || p.name.find("norm") != std::string::npos ||
                      p.name.find("downsample.1") != std::string::npos;
    EXPECT_EQ(p.tensor.requires_grad(), !norm) << p.name;
    EXPECT_EQ(p.tensor.grad().defined(), !norm) << p.name;
  }
}
std::vector<std::string> detector_names() {
  std::vector<std::string> names;
  for (const NetInfo& info : detectors()) {
    // One of each family.
    for (const char* part : {"resnet18_fpn", "resnet50_fpn_v2", "vgg16_fpn", "densenet121_fpn"})
      if (info.name == std::string("retinanet_") + part) names.push_back(info.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Registered, Detectors, testing::ValuesIn(detector_names()),
                         [](const auto& test) { return test.param; });

TEST(RetinaNet, StartsFromItsPrior) {
  const auto net = make_detector("retinanet_resnet18_fpn", narrow_detector("_resnet"));
  for (const Parameter& p : net->parameters()) {
    if (p.name != "head.classification_head.cls_logits.bias") continue;
    for (const float b : p.tensor.to_vector<float>()) EXPECT_NEAR(b, -4.595120, 5e-7);
  }
}

// Fused, unfused and recorded alike; frozen norms keep their statistics, trained ones do not.
TEST(RetinaNet, RunsFusedAsUnfused) {
  for (const char* name : {"retinanet_resnet18_fpn", "retinanet_resnet18_fpn_v2"}) {
    for (const bool legacy : {false, true}) {
      NetOptions options = narrow_detector("_resnet");
      options["legacy"] = legacy;
      const auto net = make_detector(name, options);
      test::stir(*net);
      net->eval();
      const Tensor x = test::images({2, 3, 64, 96}, 1);
      const DetectorOutput want = (*net)(x);
      const NoGrad guard;
      const DetectorOutput folded = (*net)(x);
      EXPECT_LE(distance(folded.logits, want.logits.detach()), 1e-4) << name << legacy;
      EXPECT_LE(distance(folded.deltas, want.deltas.detach()), 1e-4) << name << legacy;
    }
  }
}
// A trunk that remembers where its stages lie.
class WatchedTrunk : public ImageNet {
 public:
  WatchedTrunk() {
    for (const int channels : {8, 12, 16, 20}) stage_has(channels);
  }
  const char* kind() const override { return "WatchedTrunk"; }
  std::set<const void*> places;

 protected:
  Tensor trunk(const Tensor& x, const Taps& taps) override {
    Tensor y;
    for (std::size_t i = 0; i < 4; ++i) {
      y = ones({x.size(0), stage_channels()[i], x.size(2) >> (i + 2), x.size(3) >> (i + 2)});
      places.insert(y.raw());
      taps.stage(y);
    }
    return y;
  }
  Tensor head(const Tensor& last) override { return last; }
};

// The largest tensors of an inference are the logits, whole and of their levels.
TEST(RetinaNet, StagesAreFreeWhenTheHeadsRun) {
  auto trunk = std::make_unique<WatchedTrunk>();
  std::set<const void*>& held = trunk->places;
  RetinaNetOptions options;
  options.fpn.channels = 8;
  RetinaNet net(std::move(trunk), options);
  net.eval();
  const Tensor x = test::images({1, 3, 64, 64}, 1);
  const NoGrad guard;
  const std::int64_t logits = std::int64_t{8 * 8 + 4 * 4 + 2 * 2 + 1 + 1} * 9 * 91 * 4;
  std::size_t held_then = 99;
  allocator(cpu).watch([&](std::int64_t bytes, const void* data) {
    if (bytes < 0) held.erase(data);
    if (bytes == logits) held_then = held.size();
  });
  net(x);
  allocator(cpu).watch({});
  EXPECT_EQ(held_then, 0U);
}

TEST(RetinaNet, ComputesInSixteenBits) {
  const auto net = make_detector("retinanet_resnet18_fpn", narrow_detector("_resnet"));
  test::stir(*net);
  const Tensor x = test::images({1, 3, 64, 64}, 1);
  const DetectorOutput want = (*net)(x);
  const ComputeScope sixteen(DType::bf16);
  const DetectorOutput y = (*net)(x);
  EXPECT_EQ(y.logits.dtype(), DType::bf16);
  EXPECT_LE(distance(y.logits.detach().to(DType::fp32), want.logits.detach()), 0.05);
}
TEST(RetinaNet, FrozenNormsKeepTheirStatistics) {
  for (const bool frozen : {true, false}) {
    NetOptions options = narrow_detector("_resnet");
    options["frozen_norm"] = frozen;
    const auto net = make_detector("retinanet_resnet18_fpn", options);
    (*net)(test::images({2, 3, 64, 64}, 1));
    for (const Parameter& b : net->buffers()) {
      if (b.name != "backbone.body.bn1.running_mean") continue;
      EXPECT_EQ(b.tensor.to_vector<float>() == std::vector<float>(8, 0.0F), frozen);
    }
  }
}
TEST(RetinaNet, IsRecorded) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const auto net = make_detector("retinanet_resnet18_fpn", narrow_detector("_resnet"));
  test::stir(*net);
  net->eval();
  const Tensor x = test::images({1, 3, 32, 40}, 1);
  const DetectorOutput want = (*net)(x);
  net->to(cuda);
  const NoGrad guard;
  CapturedStep step([&](const std::vector<Tensor>& in) { return (*net)(in[0]).logits; },
                    {.warm_up = 1, .reads_only = true});
  for (int call = 0; call < 3; ++call)
    EXPECT_LE(distance(step({x.to(cuda)}).to(cpu), want.logits.detach()), 1e-4) << "call " << call;
  EXPECT_TRUE(step.replayed());
}

TEST(DetectorMessages, SayWhatDoesNotFit) {
  EXPECT_EQ(
      message_of<UsageError>([] { make_detector("retinanet_resnet50"); })
          .find("detector: retinanet_resnet50 is unknown; did you mean retinanet_resnet50_fpn? known are "
                "retinanet_resnet18_fpn, "),
      0u);
  EXPECT_EQ(message_of<UsageError>([] {
              make_detector("retinanet_vgg16_fpn", {{"widht", 3.0}});
            }),
            "retinanet_vgg16_fpn: option widht is unknown; known are input_channels, dropout, width_divisor, "
            "num_classes, anchors, channels, p6_from_c5, legacy, group_norm, frozen_norm, norm_eps, prior");
  EXPECT_EQ(message_of<ValueError>([] {
              make_detector("retinanet_resnet18_fpn", {{"width", 2.0}, {"prior", 1.0}});
            }),
            "retinanet: prior 1 is outside (0, 1)");
  EXPECT_EQ(
      message_of<ValueError>([] {
        RetinaNet(make_net("googlenet", {{"width_divisor", 16.0}}));
      }),
      "retinanet: GoogLeNet tells of 0 stages; a trunk with stages at strides 4, 8, 16 and 32 is needed");
  EXPECT_EQ(message_of<ValueError>([] {
              Fpn({8, 16});
            }),
            "fpn: 2 numbers of channels; one each of C3, C4 and C5 is needed");
  const auto trunk = make_trunk("resnet18", {{"width", 2.0}});
  trunk->eval();
  EXPECT_EQ(message_of<ValueError>([&] {
              (*trunk)(zeros({1, 3, 32, 32}));
            }),
            "ResNet: it was made without a classifier; use features()");
}

}  // namespace
}  // namespace gadolin
