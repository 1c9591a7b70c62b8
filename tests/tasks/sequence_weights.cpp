// Weights of TensorFlow's cells and of PyTorch's layers in the sequence classifier (G5).
#include "tasks/sequence_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

constexpr std::int64_t N = 2, T = 4, F = 3, H = 5;

// TensorFlow's LSTMCell by its formula: [x h] kernel + bias is i, j, f, o; c = c s(f + 1) + s(i) tanh(j).
Tensor tensorflow_layer(const Tensor& x, const Tensor& kernel, const Tensor& bias, bool backwards) {
  Tensor h = zeros({N, H}), c = zeros({N, H});
  std::vector<Tensor> steps(static_cast<std::size_t>(T));
  for (std::int64_t i = 0; i < T; ++i) {
    const std::int64_t t = backwards ? T - 1 - i : i;
    const Tensor a = matmul(concat({x.select(1, t), h}, 1), kernel) + bias;
    const auto gate = [&](std::int64_t k) { return a.slice(1, k * H, (k + 1) * H); };
    c = c * sigmoid(gate(2) + 1.0) + sigmoid(gate(0)) * tanh(gate(1));
    h = sigmoid(gate(3)) * tanh(c);
    steps[static_cast<std::size_t>(t)] = h;
  }
  return stack(steps, 1);
}

TEST(SequenceWeights, OfTensorFlowComputeWhatItsCellsDo) {
  const NoGrad off;
  WeightFile file{{}, {}, "tensorflow", {}};
  std::uint64_t stream = 0;
  const auto random = [&](const Shape& shape) { return rand(shape, 3, ++stream) - 0.5; };
  const Tensor x = random({N, T, F});
  Tensor y = x;
  for (int k = 0; k < 2; ++k) {
    std::vector<Tensor> sides;
    for (const std::string side : {"fw", "bw"}) {
      const Tensor kernel = random({y.size(2) + H, 4 * H}), bias = random({4 * H});
      const std::string scope =
          cat("stack_bidirectional_rnn/cell_", k, "/bidirectional_rnn/", side, "/lstm_cell/");
      file.tensors[scope + "kernel"] = kernel, file.tensors[scope + "bias"] = bias;
      file.tensors[scope + "kernel/Adam"] = kernel;
      sides.push_back(tensorflow_layer(y, kernel, bias, side == "bw"));
    }
    y = concat(sides, 2);
  }
  const Tensor kernel = random({2 * H, 6}), bias = random({6});
  file.tensors["dense/kernel"] = kernel, file.tensors["dense/bias"] = bias;
  file.tensors["global_step"] = zeros({}, DType::int64);

  NetOptions options;
  rename_tensorflow_cells(file, options);
  EXPECT_EQ(file.notes.size(), 1u);
  const auto net = make_sequence_net(sequence_options_from_weights(file.tensors, options));
  EXPECT_EQ(net->options().recurrent.forget_bias, 1);
  net->load_state(file.tensors);  // strict: each has its place
  net->eval();
  const Tensor want = matmul(y, kernel) + bias, got = (*net)(x);
  EXPECT_LT(max(abs(got - want)).item(), 1e-5);
}

TEST(SequenceWeights, OfPyTorchSayWhatTheNetIs) {
  for (const NetOptions& o :
       {NetOptions{{"one_bias", false}, {"forget_bias", 0.0}, {"num_classes", 4.0}},
        NetOptions{{"cell", std::string("gru")}, {"one_bias", false}, {"bidirectional", false}},
        NetOptions{{"bias", false}, {"proj_size", 2.0}, {"num_layers", 3.0}}}) {
    NetOptions all = o;
    all["input_size"] = 7.0, all["hidden_size"] = 5.0;
    State state;
    const auto net = make_sequence_net(all);
    for (const Parameter& p : net->state()) state[p.name] = p.tensor.detach();
    const auto again = make_sequence_net(sequence_options_from_weights(state, {}));
    again->load_state(state);
    EXPECT_STREQ(again->recurrent().kind(), net->recurrent().kind());
    EXPECT_EQ(again->recurrent().options().forget_bias, 0);
  }
}

TEST(SequenceWeights, Refusals) {
  EXPECT_EQ(
      message_of<CheckpointError>([] { sequence_options_from_weights({}, {}); }),
      "weights: no lstm.weight_ih_l0; a sequence classifier has its recurrent layers under lstm and its "
      "last layer as fc");
  const std::string name = "bidirectional_rnn/fw/multi_rnn_cell/cell_0/lstm_cell/kernel";
  WeightFile file{{{name, zeros({8, 20})}}, {}, "tensorflow", {}};
  NetOptions options;
  EXPECT_EQ(
      message_of<Unsupported>([&] { rename_tensorflow_cells(file, options); }),
      "weights: bidirectional_rnn/fw/multi_rnn_cell/cell_0/lstm_cell/kernel belongs to layers of one "
      "direction each, which are joined only at the end; stack_bidirectional_dynamic_rnn makes what lstm "
      "computes");
}

}  // namespace
}  // namespace gadolin
