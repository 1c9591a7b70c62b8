// Exported sequence classifiers give our logits, whatever batch, steps and lengths are (G11).
#include <gtest/gtest.h>

#include "apps/weights/onnx_export.h"
#include "tensor/ops.h"
#include "tests/apps/onnx_model.h"
#include "tests/distance.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using Lengths = std::vector<std::int64_t>;

double distance_of_export(const NetOptions& options, const Shape& x_shape, const Lengths& lengths) {
  const test::Scratch scratch;
  NetOptions all{{"input_size", static_cast<double>(x_shape[2])}, {"hidden_size", 5.0}, {"num_classes", 3.0}};
  for (const auto& option : options) all[option.first] = option.second;
  const auto net = make_sequence_net(all);
  net->eval();
  save_onnx(scratch / "net.onnx", onnx_of(*net));
  const Tensor x = rand(x_shape, 5, 5);
  const auto got =
      test::run_onnx(scratch / "net.onnx", {{"input", x}, {"length", from_vector(lengths, {x_shape[0]})}});
  const NoGrad guard;
  const Tensor want = (*net)(x, lengths);
  EXPECT_EQ(got.begin()->second.shape(), want.shape());
  return test::distance(got.begin()->second.to_vector<double>(), want.to_vector<double>());
}

TEST(OnnxSequence, GivesOurLogitsForAnyBatchStepsAndLengths) {
  for (const char* cell : {"lstm", "gru", "rnn_tanh"}) {
    NetOptions o{{"cell", std::string(cell)}};
    EXPECT_LT(distance_of_export(o, {1, 1, 4}, {1}), 1e-5) << cell;
    EXPECT_LT(distance_of_export(o, {3, 6, 4}, {6, 0, 3}), 1e-5) << cell;
    o["one_bias"] = false, o["bidirectional"] = false, o["num_layers"] = 1.0;
    EXPECT_LT(distance_of_export(o, {2, 4, 3}, {2, 4}), 1e-5) << cell;
  }
  EXPECT_LT(distance_of_export({{"bias", false}, {"forget_bias", 0.5}}, {2, 3, 4}, {3, 2}), 1e-5);
}

TEST(OnnxSequence, SaysWhatItTakesAndRefusesWhatOnnxHasNot) {
  const test::Scratch scratch;
  save_onnx(scratch / "net.onnx", onnx_of(*make_sequence_net({{"hidden_size", 4.0}})));
  const test::OnnxFile file = test::describe_onnx(scratch / "net.onnx");
  EXPECT_EQ(file.inputs, (std::vector<std::string>{"input", "length"}));
  EXPECT_EQ(file.outputs, std::vector<std::string>{"logits"});
  EXPECT_EQ(file.sizes.at("input"), (Lengths{-1, -1, 1536}));
  EXPECT_EQ(test::message_of<Unsupported>([] {
              onnx_of(*make_sequence_net({{"proj_size", 8.0}}));
            }),
            "export: ONNX has no recurrent layers with a projection, but proj_size is 8");
  EXPECT_EQ(test::message_of<Unsupported>([] {
              onnx_of(*make_sequence_net({{"cell", std::string("rnn_relu")}}));
            }),
            "export: rnn_relu has no form in ONNX here; use rnn_tanh, lstm or gru");
}

}  // namespace
}  // namespace gadolin
