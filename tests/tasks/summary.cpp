// The layer table: rows, totals, what it leaves as it was.
#include "tasks/summary.h"

#include <gtest/gtest.h>

#include "layers/init.h"
#include "nets/lstm.h"
#include "nets/resnet.h"
#include "nets/retinanet.h"
#include "tasks/net_sizes.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

TEST(Summary, CountsResNet18) {
  ResNet net = resnet18();
  net.freeze({"layer1"});
  const NetSummary s = summarise(net, {2, 3, 64, 64});
  EXPECT_EQ(s.parameters, 11689512);
  EXPECT_EQ(s.trainable, 11689512 - 147968);
  EXPECT_EQ(s.state_entries, 122);
  EXPECT_TRUE(net.training());
  ASSERT_FALSE(s.rows.empty());
  EXPECT_EQ(s.rows[0].path, "");
  EXPECT_EQ(s.rows[0].kind, "ResNet");
  EXPECT_EQ(s.rows[0].output, (Shape{2, 1000}));
  EXPECT_FALSE(s.rows[0].leaf);
  EXPECT_EQ(s.rows[1].path, "conv1");
  EXPECT_EQ(s.rows[1].output, (Shape{2, 64, 32, 32}));
  EXPECT_EQ(s.rows[1].parameters, 9408);
  EXPECT_EQ(s.rows[1].macs, 2LL * 64 * 32 * 32 * 147);
  EXPECT_EQ(s.rows[1].output_bytes, 4LL * 2 * 64 * 32 * 32);
  std::int64_t parameters = 0;
  for (std::size_t i = 1; i < s.rows.size(); ++i) {
    parameters += s.rows[i].parameters;
    const std::string& path = s.rows[i].path;  // parents first
    const std::size_t dot = path.rfind('.');
    if (dot == std::string::npos) continue;
    bool found = false;
    for (std::size_t j = 0; j < i; ++j) found = found || s.rows[j].path == path.substr(0, dot);
    EXPECT_TRUE(found) << path;
  }
  EXPECT_EQ(parameters, s.parameters);
}

TEST(Summary, ReadsAsATable) {
  ResNet net = resnet18({.input_channels = 1, .num_classes = 2});
  const std::string text = to_text(summarise(net, {1, 1, 224, 224}), 1);
  EXPECT_NE(text.find("conv1   Conv2d       [1, 64, 112, 112]"), std::string::npos) << text;
  EXPECT_NE(text.find("layer4  Sequential   [1, 512, 7, 7]"), std::string::npos) << text;
  EXPECT_EQ(text.find("layer1.0"), std::string::npos) << text;
  EXPECT_NE(text.find("parameters        11,171,266 (11,171,266 trainable)"), std::string::npos) << text;
}

TEST(Summary, ShowsMemoryOfLeaves) {
  ResNet net = resnet18({.num_classes = 2, .width = 16});
  const NetSummary s = summarise(net, {2, 3, 64, 64});
  std::int64_t total = 0;
  for (const LayerRow& row : s.rows) {
    if (row.leaf) total += row.output_bytes;
  }
  EXPECT_EQ(total, s.activation_bytes);
  const std::string text = to_text(s);
  EXPECT_NE(text.find("128.0 KiB\n"), std::string::npos) << text;  // conv1: 2 x 16 x 32 x 32 of 4 bytes
  EXPECT_NE(text.find("activations       " + human_bytes(total) + ", the results of all layers\n"),
            std::string::npos)
      << text;
}

// Totals of torchvision, printed to three digits; auxiliary heads count as parameters, and in evaluation mode
// no multiply-adds.
TEST(Summary, PrintsTheGoldenTotals) {
  const SkipInitialValues no_values;
  struct Golden {
    const char* name;
    std::int64_t size;
    const char *parameters, *entries, *macs;
  };
  for (const Golden& g : {Golden{"resnet50", 224, "25,557,032", "320 tensors", "4.089 G"},
                          Golden{"densenet121", 224, "7,978,856", "727 tensors", "2.834 G"},
                          Golden{"densenet169", 224, "14,149,480", "1015 tensors", "3.360 G"},
                          Golden{"vgg16_bn", 224, "138,365,992", "97 tensors", "15.470 G"},
                          Golden{"inception_v3", 299, "27,161,264", "580 tensors", "5.713 G"}}) {
    const std::string text = to_text(summarise(*make_net(g.name), {1, 3, g.size, g.size}), 0);
    EXPECT_NE(text.find(std::string("parameters        ") + g.parameters + " ("), std::string::npos) << text;
    EXPECT_NE(text.find(std::string("state             ") + g.entries + ", "), std::string::npos) << text;
    EXPECT_NE(text.find(std::string("multiply-adds     ") + g.macs + " for input "), std::string::npos)
        << text;
  }
}

TEST(Summary, SizesInTheListAreTheNetsOwn) {
  const SkipInitialValues no_values;
  for (const NetInfo& info : nets()) {
    Shape input{1};
    for (const std::int64_t size : info.input) input.push_back(size);
    const NetSummary counted = summarise(*make_net(info.name), input);
    EXPECT_EQ(net_size(info.name).parameters, counted.parameters) << info.name;
    EXPECT_EQ(net_size(info.name).macs, counted.macs) << info.name;
  }
  const auto sequences = make_sequence_net();
  const NetSummary counted = summarise(*sequences, {1, 60, 1536}, [&](const Tensor& x) { (*sequences)(x); });
  EXPECT_EQ(net_size("lstm").parameters, counted.parameters);
  EXPECT_EQ(net_size("lstm").macs, counted.macs);
  EXPECT_EQ(message_of<ValueError>([] { net_size("resnet19"); }),
            "nets: resnet19 has no row in tasks/net_sizes.cpp; gadolin summary counts");
}

TEST(Summary, SizesOfDetectorsAreTheirOwn) {
  const SkipInitialValues quick;
  ASSERT_EQ(detectors().size(), 20u);
  for (const NetInfo& info : detectors()) {
    if (info.name.find("152") != std::string::npos || info.name.find("201") != std::string::npos) continue;
    std::int64_t total = 0;
    for (const Parameter& p : make_detector(info.name)->parameters()) total += p.tensor.numel();
    EXPECT_EQ(total, net_size(info.name).parameters) << info.name;
  }
}

TEST(Summary, KnowsDetectors) {
  const auto net = make_detector("retinanet_resnet18_fpn", {{"width", 4.0}, {"channels", 32.0}});
  const NetSummary s = summarise(*net, {1, 3, 64, 64}, [&](const Tensor& x) { (*net)(x); });
  EXPECT_EQ(s.rows[0].kind, "RetinaNet");
  EXPECT_EQ(s.rows[0].output, (Shape{1, (64 + 16 + 4 + 1 + 1) * 9, 91}));
  EXPECT_GT(s.macs, 0);
}

TEST(Summary, PassesErrorsOnAndRestoresTheMode) {
  ResNet net = resnet18({.width = 2});
  EXPECT_THROW(summarise(net, {1, 4, 32, 32}), ShapeError);
  EXPECT_TRUE(net.training());
}

}  // namespace
}  // namespace gadolin
