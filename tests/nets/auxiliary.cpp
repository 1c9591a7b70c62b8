// Auxiliary heads: which nets have them, when they speak, and that their loss counts.
#include "layers/auxiliary.h"

#include <gtest/gtest.h>

#include "layers/init.h"
#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

NetOptions narrow(bool heads) {
  return {{"num_classes", 3.0},
          {"input_channels", 1.0},
          {"width_divisor", 16.0},
          {"dropout", 0.0},
          {"aux_logits", heads}};
}
std::vector<Tensor> heads_of(Module& net) { return dynamic_cast<AuxiliaryHeads&>(net).take_auxiliary(); }

struct Case {
  const char* name;
  std::size_t heads;
  std::int64_t side;
};
class Auxiliary : public testing::TestWithParam<Case> {};
TEST_P(Auxiliary, SpeaksInTrainingOnce) {
  manual_seed(3);
  const Case& c = GetParam();
  const std::unique_ptr<Module> net = make_net(c.name, narrow(true));
  const Tensor x = randn({2, 1, c.side, c.side});
  (*net)(x);
  const std::vector<Tensor> heads = heads_of(*net);
  ASSERT_EQ(heads.size(), c.heads);
  for (const Tensor& logits : heads) EXPECT_EQ(logits.shape(), (Shape{2, 3}));
  EXPECT_TRUE(heads_of(*net).empty());
  net->eval();
  const NoGrad guard;
  (*net)(x);
  EXPECT_TRUE(heads_of(*net).empty());
}
TEST_P(Auxiliary, CountsFourTenths) {
  manual_seed(4);
  const Case& c = GetParam();
  NetOptions options = narrow(true);
  if (std::string(c.name) == "googlenet") options["dropout_aux"] = 0.0;
  const std::unique_ptr<Module> net = make_net(c.name, options);
  const Tensor x = randn({2, 1, c.side, c.side}), target = tensor({0, 2}, {2}, DType::int64);
  std::vector<double> losses;
  const Tensor total = loss_with_auxiliary(*net, (*net)(x), [&](const Tensor& logits) {
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
  const Case& c = GetParam();
  const std::unique_ptr<Module> net = make_net(c.name, narrow(false));
  for (const Parameter& p : net->parameters())
    EXPECT_TRUE(p.name.rfind("aux", 0) != 0 && p.name.rfind("Aux", 0) != 0) << p.name;
  (*net)(zeros({2, 1, 96, 96}));
  EXPECT_TRUE(heads_of(*net).empty());
}
INSTANTIATE_TEST_SUITE_P(Nets, Auxiliary,
                         testing::Values(Case{"googlenet", 2, 64}, Case{"inception_v3", 1, 299},
                                         Case{"inception_v4", 1, 299}, Case{"inception_resnet_v2", 1, 299}),
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
    const std::unique_ptr<Module> net = make_net(c.name, {{"num_classes", 2.0}, {"width_divisor", 16.0}});
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
