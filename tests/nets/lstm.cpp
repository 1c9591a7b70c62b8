// The sequence classifier: its totals, options and refusals.
#include "nets/lstm.h"

#include <gtest/gtest.h>

#include "layers/init.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

std::int64_t parameters_of(const NetOptions& options) {
  const SkipInitialValues zeros;
  std::int64_t n = 0;
  for (const Parameter& p : make_sequence_net(options)->parameters()) n += p.tensor.numel();
  return n;
}

TEST(SequenceNet, TotalsOfTheHeadCtApplication) {
  EXPECT_EQ(parameters_of({}), 5250054);
  EXPECT_EQ(parameters_of({{"num_layers", 3.0}, {"hidden_size", 128.0}}), 2494982);
}

TEST(SequenceNet, GivesEveryStepItsLogits) {
  const auto net = make_sequence_net({{"input_size", 7.0}, {"hidden_size", 5.0}, {"num_classes", 3.0}});
  net->eval();
  const Tensor y = (*net)(randn({2, 4, 7}), std::vector<std::int64_t>{4, 2});
  EXPECT_EQ(y.shape(), Shape({2, 4, 3}));
  std::string names;
  for (const Parameter& p : net->parameters()) names += p.name + " ";
  EXPECT_EQ(names,
            "lstm.weight_ih_l0 lstm.weight_hh_l0 lstm.bias_ih_l0 lstm.weight_ih_l0_reverse "
            "lstm.weight_hh_l0_reverse lstm.bias_ih_l0_reverse lstm.weight_ih_l1 lstm.weight_hh_l1 "
            "lstm.bias_ih_l1 lstm.weight_ih_l1_reverse lstm.weight_hh_l1_reverse lstm.bias_ih_l1_reverse "
            "fc.weight fc.bias ");
}

// Whether values fill [-bound, bound]; of a bound of 0, are 0.
void expect_uniform(const Module& net, const std::string& name, double bound) {
  for (const Parameter& p : net.parameters()) {
    if (p.name != name) continue;
    const double most = max(abs(p.tensor)).item<float>();
    EXPECT_LE(most, bound * 1.000001) << name;
    EXPECT_GE(most, bound * 0.95) << name;
    return;
  }
  ADD_FAILURE() << name;
}

TEST(SequenceNet, StartsAsTensorFlows) {
  manual_seed(5);
  const NetOptions sizes = {{"input_size", 30.0}, {"hidden_size", 40.0}, {"proj_size", 10.0}};
  const auto net = make_sequence_net(sizes);
  expect_uniform(*net, "lstm.weight_ih_l0", std::sqrt(6.0 / (30 + 10 + 4 * 40)));
  expect_uniform(*net, "lstm.weight_hh_l0_reverse", std::sqrt(6.0 / (30 + 10 + 4 * 40)));
  expect_uniform(*net, "lstm.weight_ih_l1", std::sqrt(6.0 / (20 + 10 + 4 * 40)));
  expect_uniform(*net, "lstm.weight_hr_l1", std::sqrt(6.0 / (40 + 10)));
  expect_uniform(*net, "lstm.bias_ih_l1_reverse", 0);
  expect_uniform(*net, "fc.weight", std::sqrt(6.0 / (20 + 6)));
  expect_uniform(*net, "fc.bias", 0);
  NetOptions torch = sizes;
  torch["glorot"] = false;
  expect_uniform(*make_sequence_net(torch), "lstm.weight_ih_l0", 1 / std::sqrt(40.0));
  expect_uniform(*make_sequence_net(torch), "lstm.bias_ih_l0", 1 / std::sqrt(40.0));
}

TEST(SequenceNet, OptionsByName) {
  const auto net =
      make_sequence_net({{"cell", std::string("gru")}, {"one_bias", false}, {"input_size", 3.0}});
  EXPECT_EQ(std::string(net->recurrent().kind()), "GRU");
  EXPECT_EQ(net->recurrent().options().biases, 2);
  EXPECT_EQ(test::message_of<UsageError>([] {
              make_sequence_net({{"cell", std::string("mlp")}});
            }),
            "lstm: option cell must be lstm, gru, rnn_tanh or rnn_relu");
  EXPECT_EQ(test::message_of<UsageError>([] {
              make_sequence_net({{"cell", 3.0}});
            }),
            "lstm: option cell must be lstm, gru, rnn_tanh or rnn_relu");
  EXPECT_EQ(test::message_of<UsageError>([] {
              make_sequence_net({{"width", 2.0}});
            }),
            "lstm: option width is unknown; known are num_classes, input_size, hidden_size, num_layers, "
            "bidirectional, proj_size, forget_bias, glorot, dropout, drop_last, bias, one_bias, cell");
}

}  // namespace
}  // namespace gadolin
