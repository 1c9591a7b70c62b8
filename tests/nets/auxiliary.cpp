// Auxiliary heads: which nets have them, when they speak, and that their loss counts.
#include <gtest/gtest.h>

#include <algorithm>

#include "layers/init.h"
#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

NetOptions narrow_options(bool heads) {
  return {{"num_classes", 3.0},
          {"input_channels", 1.0},
          {"width_divisor", 16.0},
          {"dropout", 0.0},
          {"aux_logits", heads}};
}
struct NetWithHeads {
  const char* name;
  std::size_t heads;
  std::int64_t side;
};
class Auxiliary : public testing::TestWithParam<NetWithHeads> {};
TEST_P(Auxiliary, SpeaksInTraining) {
  manual_seed(3);
  const NetWithHeads& c = GetParam();
  const std::unique_ptr<ImageNet> net = make_net(c.name, narrow_options(true));
  const Tensor x = randn({2, 1, c.side, c.side});
  std::size_t told = 0;
  Logits all;
  {
    const CallObserver observer(
        [&](const Module& module, const std::string&, std::span<const Tensor>, std::span<const Tensor> out) {
          if (&module == net.get()) told = out.size();
        });
    all = net->logits(x);
  }
  ASSERT_EQ(all.auxiliary.size(), c.heads);
  EXPECT_EQ(told, c.heads + 1) << "an observer sees the heads too";
  EXPECT_EQ(all.main.shape(), (Shape{2, 3}));
  for (const Tensor& logits : all.auxiliary) {
    EXPECT_EQ(logits.shape(), (Shape{2, 3}));
    EXPECT_NE(logits.to_vector<float>(), all.main.to_vector<float>());
  }
  net->eval();
  const NoGrad guard;
  all = net->logits(x);
  EXPECT_TRUE(all.auxiliary.empty());
  EXPECT_EQ(all.main.to_vector<float>(), (*net)(x).to_vector<float>());
}
TEST_P(Auxiliary, CountsFourTenths) {
  manual_seed(4);
  const NetWithHeads& c = GetParam();
  NetOptions options = narrow_options(true);
  if (std::string(c.name) == "googlenet") options["dropout_aux"] = 0.0;
  const std::unique_ptr<ImageNet> net = make_net(c.name, options);
  const Tensor x = randn({2, 1, c.side, c.side}), target = tensor({0, 2}, {2}, DType::int64);
  std::vector<double> losses;
  const Tensor total = loss_with_auxiliary(net->logits(x), [&](const Tensor& logits) {
    const Tensor loss = cross_entropy(logits, target);
    losses.push_back(loss.item());
    return loss;
  });
  ASSERT_EQ(losses.size(), c.heads + 1);
  double expected = losses[0];
  for (std::size_t i = 1; i < losses.size(); ++i) expected += 0.4 * losses[i];
  EXPECT_NEAR(total.item(), expected, 1e-6 * expected);
  total.backward();
  for (const Parameter& p : net->parameters()) EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
}
TEST_P(Auxiliary, IsAbsentWhenNotWanted) {
  const SkipInitialValues zeros_only;
  const NetWithHeads& c = GetParam();
  const std::unique_ptr<ImageNet> net = make_net(c.name, narrow_options(false));
  for (const Parameter& p : net->parameters())
    EXPECT_TRUE(p.name.rfind("aux", 0) != 0 && p.name.rfind("Aux", 0) != 0) << p.name;
  EXPECT_TRUE(net->logits(zeros({2, 1, 96, 96})).auxiliary.empty());
}
INSTANTIATE_TEST_SUITE_P(Nets, Auxiliary,
                         testing::Values(NetWithHeads{"googlenet", 2, 64},
                                         NetWithHeads{"inception_v3", 1, 299},
                                         NetWithHeads{"inception_v4", 1, 299},
                                         NetWithHeads{"inception_resnet_v2", 1, 299}),
                         [](const auto& test) { return test.param.name; });

TEST(AuxiliaryHeads, IsOffWhereTimmHasNone) {
  const SkipInitialValues zeros_only;
  for (const char* name : {"inception_v4", "inception_resnet_v2"}) {
    for (const Parameter& p : make_net(name, {{"width_divisor", 16.0}})->parameters())
      EXPECT_NE(p.name.rfind("AuxLogits", 0), 0u);
  }
}

TEST(SmallImages, AreRefusedByTheNet) {
  const SkipInitialValues zeros_only;
  const NoGrad guard;
  const struct {
    const char* name;
    std::int64_t least;
  } cases[] = {{"vgg11", 32},
               {"googlenet", 15},
               {"inception_v3", 75},
               {"inception_v4", 75},
               {"inception_resnet_v2", 75}};
  for (const auto& c : cases) {
    const std::unique_ptr<ImageNet> net = make_net(c.name, {{"num_classes", 2.0}, {"width_divisor", 16.0}});
    net->eval();
    EXPECT_EQ((*net)(zeros({1, 3, c.least, c.least + 2})).shape(), (Shape{1, 2})) << c.name;
    const std::string family = std::string(c.name) == "vgg11" ? "vgg" : c.name,
                      side = std::to_string(c.least);
    EXPECT_EQ(message_of<ShapeError>([&] {
                (*net)(zeros({1, 3, 200, c.least - 1}));
              }),
              family + ": input [1, 3, 200, " + std::to_string(c.least - 1) +
                  "] is no batch of images of at least " + side + " x " + side +
                  " pixels; resize them, or use another net");
  }
}

// What a net says of its least size is what it takes; commands refuse smaller pictures by it.
TEST(SmallImages, EveryNetSaysTheLeastThatItTakes) {
  const SkipInitialValues zeros_only;
  const NoGrad guard;
  const NetOptions narrow{{"width", 8.0},
                          {"growth_rate", 4.0},
                          {"num_init_features", 8.0},
                          {"width_divisor", 16.0},
                          {"small_input", true}};
  for (const NetInfo& info : nets()) {
    for (const bool small : {false, true}) {
      NetOptions options{{"num_classes", 2.0}};
      for (const auto& option : narrow) {
        if (std::count(info.options.begin(), info.options.end(), option.first) > 0 &&
            (small || option.first != "small_input"))
          options.insert(option);
      }
      if (small && !options.contains("small_input")) continue;
      const std::unique_ptr<ImageNet> net = make_net(info.name, options);
      for (const bool training : {false, true}) {
        net->train(training);
        const std::int64_t least = net->least_size(training);
        const std::string what =
            cat(info.name, training ? " learns" : " looks", small ? ", small_input" : "");
        EXPECT_NO_THROW((*net)(zeros({2, 3, least, least}))) << what;
        EXPECT_NO_THROW(require_size(*net, info.name, least, least, training)) << what;
        if (least == 1) continue;
        EXPECT_THROW((*net)(zeros({2, 3, least, least - 1})), ShapeError) << what;
        EXPECT_THROW(require_size(*net, info.name, least - 1, least, training), UsageError) << what;
      }
    }
  }
}

// Options that would do nothing are not taken.
TEST(Options, BelongToTheNet) {
  EXPECT_EQ(message_of<UsageError>([] {
              make_net("inception_v4", {{"dropout_aux", 0.5}});
            }),
            "inception_v4: option dropout_aux is unknown; known are num_classes, input_channels, dropout, "
            "aux_logits, width_divisor");
  EXPECT_EQ(message_of<UsageError>([] {
              make_net("inception_v3", {{"dropout_aux", 0.5}});
            }),
            "inception_v3: option dropout_aux is unknown; known are num_classes, input_channels, dropout, "
            "aux_logits, transform_input, "
            "count_include_pad, width_divisor");
}

}  // namespace
}  // namespace gadolin
