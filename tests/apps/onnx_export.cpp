// Exported nets give our logits when their file is run op by op, and what cannot be exported is one clear
// error.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "apps/weights/onnx_export.h"
#include "apps/weights/onnx_graph.h"
#include "layers/linear.h"
#include "layers/pool.h"
#include "layers/upsample.h"
#include "tensor/ops.h"
#include "tests/apps/in_process.h"
#include "tests/apps/onnx_model.h"
#include "tests/distance.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::Scratch;

// Random batch norms: factors of their own, statistics of a few batches.
void settle(Layer& net, const Shape& image) {
  const NoGrad guard;
  std::uint64_t stream = 100;
  for (Parameter& p : net.parameters()) {
    if (p.tensor.dim() == 1) p.tensor.add_(rand(p.tensor.shape(), 3, ++stream), 0.3);
  }
  net.train();
  for (int i = 0; i < 3; ++i) net(rand({4, image[0], image[1], image[2]}, 4, static_cast<std::uint64_t>(i)));
  net.eval();
}

double relative_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape().vec(), b.shape().vec());
  return test::distance(a.to_vector<double>(), b.to_vector<double>());
}

// Exports, runs the file with another number of images than the export did, and compares.
void expect_same(Layer& net, const Shape& image, bool fold, const Scratch& scratch) {
  const std::string path = scratch / "net.onnx";
  save_onnx(path, onnx_of(net, {image, fold}));
  const Tensor x = rand({5, image[0], image[1], image[2]}, 9, 9);
  const NoGrad guard;
  const double difference = relative_difference(test::run_onnx(path, {{"input", x}}).at("logits"), net(x));
  EXPECT_TRUE(difference <= 2e-5) << difference;
}

struct Case {
  const char* model;
  NetOptions options;
  Shape image;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.model; }
class OnnxNets : public ::testing::TestWithParam<Case> {};

TEST_P(OnnxNets, FilesGiveOurLogits) {
  const auto& [model, given, image] = GetParam();
  NetOptions options = given;
  options["num_classes"] = 7.0;
  options["input_channels"] = static_cast<double>(image[0]);
  const std::unique_ptr<ImageNet> net = make_net(model, options);
  settle(*net, image);
  const Scratch scratch;
  for (const bool fold : {false, true}) {
    SCOPED_TRACE(fold ? "folded" : "plain");
    expect_same(*net, image, fold, scratch);
    const std::vector<std::string> ops = test::describe_onnx(scratch / "net.onnx").ops;
    const auto norms = std::count(ops.begin(), ops.end(), "BatchNormalization");
    const std::string name = model;
    if (fold && name.rfind("resnet_v2", 0) != 0 && name.rfind("densenet", 0) != 0) {
      EXPECT_EQ(norms, 0);
    }
    if (!fold && name != "vgg11") {
      EXPECT_GT(norms, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Families, OnnxNets,
    ::testing::Values(Case{"resnet18", {{"width", 8.0}}, {3, 45, 37}},
                      Case{"resnet50", {{"width", 4.0}}, {1, 33, 33}},
                      Case{"resnet18", {{"width", 4.0}, {"small_input", true}}, {3, 17, 17}},
                      Case{"resnet_v2_50", {{"width", 4.0}}, {3, 33, 33}},
                      Case{"vgg11", {{"width_divisor", 16.0}}, {3, 64, 96}},
                      Case{"vgg16_bn", {{"width_divisor", 16.0}}, {1, 40, 224}},
                      Case{"densenet121", {{"growth_rate", 4.0}, {"num_init_features", 8.0}}, {3, 64, 50}},
                      Case{"googlenet", {{"width_divisor", 16.0}}, {3, 65, 65}},
                      Case{"googlenet", {{"width_divisor", 16.0}, {"transform_input", true}}, {3, 64, 64}},
                      Case{"inception_v3",
                           {{"width_divisor", 16.0}, {"transform_input", true}, {"aux_logits", false}},
                           {3, 90, 75}},
                      Case{"inception_v4", {{"width_divisor", 16.0}}, {3, 80, 80}},
                      Case{"inception_resnet_v2", {{"width_divisor", 16.0}}, {3, 80, 80}}),
    [](const auto& one) { return std::string(one.param.model) + "_" + std::to_string(one.index); });

// A net of one expression between an image and logits.
class OneOp : public Layer {
 public:
  using Body = Tensor (*)(const Tensor& x);
  explicit OneOp(Body body) : body_(body) {}
  Tensor forward(const Tensor& x) override { return body_(x); }
  const char* kind() const override { return "OneOp"; }

 private:
  Body body_;
};
Tensor pixels(const Tensor& y) { return y.flatten(1); }

TEST(OnnxOps, EveryTranslationGivesOurNumbers) {
  const OneOp::Body bodies[] = {
      [](const Tensor& x) {
        return pixels(avg_pool2d(x, {3, 2, 1}));
      },
      [](const Tensor& x) {
        PoolOptions o(3, 2, 1);
        o.count_include_pad = false;
        return pixels(avg_pool2d(x, o));
      },
      [](const Tensor& x) {
        PoolOptions o(3, 2, 1);
        o.ceil_mode = true;
        return pixels(avg_pool2d(x, o));
      },
      [](const Tensor& x) {
        PoolOptions o(4, 3);
        o.ceil_mode = true;
        return pixels(avg_pool2d(x, o));
      },
      [](const Tensor& x) {
        PoolOptions o(3, 2);
        o.ceil_mode = true;
        return pixels(max_pool2d(x, o));
      },
      [](const Tensor& x) {
        PoolOptions o(3, 2);
        o.same = true;
        return pixels(max_pool2d(x, o));
      },
      [](const Tensor& x) {
        PoolOptions o(3, 2);
        o.same = true;
        return pixels(avg_pool2d(x, o));
      },
      [](const Tensor& x) {
        return pixels(adaptive_avg_pool2d(x, {3, 5}));
      },
      [](const Tensor& x) {
        return pixels(adaptive_avg_pool2d(x, {4, 3}));
      },
      [](const Tensor& x) {
        return pixels(adaptive_avg_pool2d(x, {8, 9}));
      },
      [](const Tensor& x) {
        return pixels(upsample(x, {11, 20}));
      },
      [](const Tensor& x) {
        return pixels(upsample(x, {13, 5}, {Interpolation::bilinear, false}));
      },
      [](const Tensor& x) {
        return pixels(upsample(x, {13, 20}, {Interpolation::bilinear, true}));
      },
      [](const Tensor& x) {
        return pixels(pad(x, {1, 2, 0, 3}, PadMode::constant, 0.5));
      },
      [](const Tensor& x) {
        return pixels(pad(x, {2, 0, 1, 0}, PadMode::replicate));
      },
      [](const Tensor& x) { return pixels(gelu(x - 0.5)) + pixels(gelu(x - 0.5, Gelu::tanh)); },
      [](const Tensor& x) { return pixels(silu(leaky_relu(x - 0.5, 0.2)) * sigmoid(x) / softplus(x)); },
      [](const Tensor& x) {
        return pixels(maximum(exp(x), sqrt(x + 0.1)) - minimum(log(x + 0.1), tanh(erf(x))));
      },
      [](const Tensor& x) { return pixels(rsqrt(abs(clamp(x, 0.2, 0.6)))); },
      [](const Tensor& x) { return pixels(softmax(x, 1)) + pixels(log_softmax(x, 3)); },
      [](const Tensor& x) {
        return pixels(concat({x.slice(2, 1, 7, 2), x.slice(2, 0, 3)}, 2));
      },
      [](const Tensor& x) {
        return pixels(x.permute({0, 2, 3, 1}));
      },
      [](const Tensor& x) { return pixels(mean(x, {3}, true).expand(x.shape())); },
      [](const Tensor& x) {
        return mean(x, {1, 2}) + sum(x, {1, 2});
      },
      [](const Tensor& x) {
        return var(x, {2, 3});
      },
      [](const Tensor& x) { return pixels(matmul(x, x.transpose(2, 3))); },
      [](const Tensor& x) { return x.select(1, 0).select(1, 2); },
  };
  const Scratch scratch;
  for (std::size_t i = 0; i < std::size(bodies); ++i) {
    SCOPED_TRACE(i);
    OneOp net(bodies[i]);
    expect_same(net, {2, 8, 9}, false, scratch);
  }
}

TEST(OnnxExport, WhatHasNoFormIsOneErrorWithOpAndPlace) {
  const auto message = [](OneOp::Body body) {
    Sequential net;
    net.append("layer3", OneOp(body));
    return test::message_of<Unsupported>([&] { onnx_of(net, {{2, 8, 9}, false}); });
  };
  EXPECT_EQ(message([](const Tensor& x) { return cumsum(pixels(x), 1); }),
            "export: layer3: cumsum has no form in ONNX: only ops of classification nets are written");
  EXPECT_EQ(message([](const Tensor& x) { return dropout(pixels(x), 0.5); }),
            "export: layer3: dropout has no form in ONNX: dropout belongs to training");
  EXPECT_EQ(message([](const Tensor& x) { return softplus(pixels(x), 2); }),
            "export: layer3: softplus has no form in ONNX: Softplus has no beta and no threshold");
  Sequential small;  // a small constant becomes an initialiser
  small.append("layer3", OneOp([](const Tensor& x) {
                 return pixels(x + zeros({2, 8, 9, 1}).expand({2, 8, 9, 100}).slice(3, 0, 1).squeeze(3));
               }));
  EXPECT_NO_THROW(onnx_of(small, {{2, 8, 9}, false}));
  EXPECT_EQ(
      message([](const Tensor& x) {
        return x.unsqueeze(4).expand({x.size(0), 2, 8, 9, 9}).flatten(1) + zeros({1296});
      }),
      "export: layer3: add has no form in ONNX: input 1 is a large tensor that is no parameter; make it one");
  EXPECT_EQ(message([](const Tensor& x) { return pixels(x).slice(0, 0, x.size(0)); }),
            "export: layer3: slice depends on the size of the batch, which ONNX leaves open");
  EXPECT_EQ(message([](const Tensor& x) { return x.size(0) == 2 ? pixels(x) : pixels(relu(x)); }),
            "export: 2 images take 1 ops and 3 take 2; a net must not depend on the size of the batch");
  EXPECT_EQ(message([](const Tensor& x) { return relu(x); }),
            "export: the result for 2 images is [2, 2, 8, 9], not [2, classes]; only classifiers and "
            "detectors can leave as ONNX");
  OneOp net([](const Tensor& x) { return x; });
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              onnx_of(net, {{8, 9}, false});
            }),
            "export: input [8, 9] is not [C, H, W]");
  Linear wide(3, 2);
  wide.to(DType::fp64);
  EXPECT_EQ(test::message_of<Unsupported>([&] {
              onnx_of(wide, {{3, 1, 1}, false});
            }),
            "export: weight is fp64 on cpu; ONNX is written from fp32 on the cpu");
}

TEST(OnnxFile, TooLargeOrOfAnotherTypeIsRefusedBeforeAnythingIsWritten) {
  const Scratch scratch;
  OnnxModel model;
  model.initializers["big"] = zeros({1}).expand({std::int64_t{600} << 20});  // no memory behind it
  EXPECT_EQ(test::message_of<Unsupported>([&] { save_onnx(scratch / "a.onnx", model); }),
            "onnx: " + scratch / "a.onnx" +
                " would have 2.3 GiB, but the format ends at 2 GiB; export .safetensors instead");
  model.initializers = {{"mask", zeros({2}, DType::uint8)}};
  EXPECT_EQ(test::message_of<DTypeError>([&] { save_onnx(scratch / "a.onnx", model); }),
            "onnx: initialiser mask is uint8; convert with .to(DType::fp32)");
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(OnnxExport, FilesSayWhatARuntimeHasToKnow) {
  const Scratch scratch;
  const ClassificationTask c("resnet18", {{"num_classes", 2.0}, {"width", 4.0}, {"input_channels", 1.0}},
                             {"AP", "PA \"quoted\""}, true, Pipeline("grey,resize:40x32,normalize:0.5:0.25"));
  Checkpoint checkpoint;
  for (const Parameter& p : c.net().state()) checkpoint.tensors["model." + p.name] = p.tensor.detach();
  c.describe(checkpoint);
  save_checkpoint(scratch / "net.gdck", checkpoint);
  const std::string in = scratch / "net.gdck", out = scratch / "net.onnx";
  ASSERT_EQ(test::run_here({"export", in, out}).code, 0);
  const test::OnnxFile file = test::describe_onnx(out);
  EXPECT_EQ(file.ir_version, 8);
  EXPECT_EQ(file.opset, 17);
  EXPECT_EQ(file.inputs, std::vector<std::string>{"input"});
  EXPECT_EQ(file.outputs, std::vector<std::string>{"logits"});
  EXPECT_EQ(file.sizes.at("input"), (std::vector<std::int64_t>{-1, 1, 32, 40}));
  EXPECT_EQ(file.sizes.at("logits"), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(file.metadata.at("classes"), "[\"AP\",\"PA \\\"quoted\\\"\"]");
  EXPECT_EQ(file.metadata.at("activation"), "sigmoid");
  EXPECT_EQ(file.metadata.at("pipeline"), c.pipeline().text());
  EXPECT_EQ(file.metadata.at("input_size"), "1x32x40");
  EXPECT_EQ(file.metadata.at("channel_order"), "grey");
  EXPECT_EQ(file.metadata.at("mean"), "0.5");
  EXPECT_EQ(file.metadata.at("std"), "0.25");
  EXPECT_NE(file.metadata.at("disclaimer").find("not a medical device"), std::string::npos);
  EXPECT_EQ(test::last_line(test::run_here({"export", in, out, "--input", "3x32x32"}), scratch.path()),
            "export: --input 3x32x32 has 3 channels, but resnet18 takes 1 [GD-USAGE-001]");
  EXPECT_EQ(test::last_line(test::run_here({"export", in, scratch / "net.pth", "--fold"}), scratch.path()),
            "export: .pth takes neither --input nor --fold; they belong to .onnx [GD-USAGE-001]");
  const ClassificationTask open("resnet18", c.options(), c.classes(), true, Pipeline("grey,resize:40"));
  EXPECT_EQ(test::message_of<UsageError>([&] { onnx_input(open, open.options(), net_info("resnet18"), ""); }),
            "export: the pipeline grey,resize:40 does not fix the size of an image; pass --input 1x224x224 "
            "or what fits");
}

}  // namespace
}  // namespace gadolin
