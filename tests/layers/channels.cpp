// Buffers of channels, activations that are computed again, merged siblings: the same numbers and gradients
// as the plain ops, in fp64, and no copies.
#include "layers/channels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tests/layers/random_numbers.h"

namespace gadolin {
namespace {

// Three dense layers in miniature: norm, ReLU and 1x1 of everything so far.
struct Dense : Layer {
  std::vector<BatchNorm2d*> norms;
  std::vector<Conv2d*> convs;
  Dense() {
    for (int i = 0; i < 3; ++i) {
      norms.push_back(&add("norm" + std::to_string(i), BatchNorm2d(3 + 2 * i)));
      convs.push_back(&add("conv" + std::to_string(i), Conv2d(3 + 2 * i, 2, i == 1 ? 3 : 1,
                                                              {.padding = i == 1 ? 1 : 0, .bias = i == 2})));
    }
    std::uint64_t stream = 100;
    for (Parameter& p : parameters()) p.tensor.set_data(numbers(p.tensor.shape(), ++stream, DType::fp32));
    to(DType::fp64);
  }
  Tensor forward(const Tensor& x) override {  // without buffers
    Tensor all = x;
    for (std::size_t i = 0; i < 3; ++i) all = concat({all, (*convs[i])(gadolin::relu((*norms[i])(all)))}, 1);
    return all;
  }
  Tensor buffered(const Tensor& x) {
    ChannelBuffer features(x, 9, x.size(2), x.size(3), training());
    features.append(x);
    for (std::size_t i = 0; i < 3; ++i) {
      const Tensor before = features.all();
      features.append(norm_relu_conv(before, *norms[i], *convs[i], features.statistics()));
    }
    return features.all();
  }
  const char* kind() const override { return "Dense"; }
};

void compare_dense(bool training, Shape shape) {
  Dense plain, buffered;
  plain.train(training);
  buffered.train(training);
  Tensor x = numbers(shape, 1).requires_grad_(), z = numbers(shape, 1).requires_grad_();
  shape[1] = 9;
  const Tensor cotangent = numbers(shape, 2);
  const Tensor expected = plain(x), got = buffered.buffered(z);
  EXPECT_LE(worst(got, expected), 1e-13);
  expected.backward(cotangent);
  got.backward(cotangent);
  EXPECT_LE(worst(z.grad(), x.grad()), 1e-12);
  const auto a = plain.parameters(), b = buffered.parameters();
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_LE(worst(b[i].tensor.grad(), a[i].tensor.grad()), 1e-12) << a[i].name;
  const auto c = plain.buffers(), d = buffered.buffers();
  for (std::size_t i = 0; i < c.size(); ++i) EXPECT_LE(worst(d[i].tensor, c[i].tensor), 1e-13) << c[i].name;
}
TEST(ChannelBuffer, TrainsLikeConcatenation) { compare_dense(true, {2, 3, 4, 5}); }
TEST(ChannelBuffer, EvaluatesLikeConcatenation) { compare_dense(false, {2, 3, 4, 5}); }
TEST(ChannelBuffer, TakesOnePixelAndOneImage) {
  compare_dense(true, {2, 3, 1, 1});
  compare_dense(true, {1, 3, 1, 7});
  compare_dense(false, {1, 3, 1, 1});
}
TEST(ChannelBuffer, GradientsMaySurviveTheWalk) {
  Dense net;
  Tensor x = numbers({2, 3, 4, 4}, 1).requires_grad_();
  const Tensor y = net.buffered(x), cotangent = numbers(y.shape(), 2), held = cotangent.clone();
  y.backward(cotangent, {.keep_graph = true});
  const Tensor first = x.grad().clone();
  EXPECT_EQ(worst(cotangent, held), 0) << "the seed is the caller's: nothing may be added to it";
  y.backward(cotangent);
  EXPECT_LE(worst(x.grad(), mul(first, 2.0)), 1e-13);
}

TEST(ChannelBuffer, NothingIsCopiedThatStandsInItsPlace) {
  const Tensor like = zeros({2, 1, 3, 3});
  ChannelBuffer buffer(like, 5, 3, 3);
  const Tensor first = buffer.slot(2);
  Tensor(first).fill_(1);
  buffer.append(first);
  BatchNorm2d norm(3);
  norm.eval();
  const Tensor second = norm.relu(full({2, 3, 3, 3}, 2), {}, buffer.slot(3));
  buffer.append(second);
  const Tensor all = buffer.all();
  EXPECT_EQ(all.raw(), first.raw());
  EXPECT_EQ(all.shape(), (Shape{2, 5, 3, 3}));
  const std::vector<double> values = all.to_vector<double>();
  EXPECT_EQ(values[0], 1);
  EXPECT_NEAR(values[2 * 9], 2 / std::sqrt(1 + 1e-5), 1e-6);
}

TEST(ChannelBuffer, SaysWhatDoesNotFit) {
  ChannelBuffer buffer(zeros({2, 1, 3, 3}), 4, 3, 3);
  const auto message = [&](const Tensor& y) {
    try {
      buffer.append(y);
    } catch (const ShapeError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message(zeros({2, 5, 3, 3})),
            "channels: 5 more than the 0 there are do not fit into a buffer of 4");
  EXPECT_EQ(message(zeros({2, 4, 3, 2})),
            "channels: fp32 [2, 4, 3, 2] does not stand beside fp32 [2, 4, 3, 3]");
  EXPECT_EQ(message(zeros({2, 4})), "channels: fp32 [2, 4] does not stand beside fp32 [2, 4, 3, 3]");
  EXPECT_EQ(message(zeros({2, 4, 3, 3}, DType::fp64)),
            "channels: fp64 [2, 4, 3, 3] does not stand beside fp32 [2, 4, 3, 3]");
  BatchNorm2d norm(3);
  try {
    norm.relu(zeros({2, 3, 2, 2}), {}, zeros({2, 3, 2, 3}));
    FAIL() << "accepted";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(),
                 "batch_norm: a result of fp32 [2, 3, 2, 2] cannot be written into fp32 [2, 3, 2, 3]; it "
                 "must be channels-last");
  }
}

TEST(NormReluConv, ComputesInTheTypeOfItsScope) {
  BatchNorm2d norm(4);
  Conv2d conv(4, 3, 3, {.padding = 1, .bias = false});
  const ComputeScope scope(DType::bf16);
  const Tensor y = norm_relu_conv(numbers({2, 4, 5, 5}, 3, DType::fp32), norm, conv);
  EXPECT_EQ(y.dtype(), DType::bf16);
  sum(y.to(DType::fp32)).backward();
  EXPECT_EQ(conv.weight().grad().dtype(), DType::fp32);
}

TEST(NormReluConv, ShowsItsModulesWhenUnfused) {
  BatchNorm2d norm(4);
  Conv2d conv(4, 3, 1, {.bias = false});
  std::vector<std::string> kinds;
  const CallObserver observer(
      [&](const Module& module, const std::string&, auto&&...) { kinds.push_back(module.kind()); });
  const Tensor x = numbers({2, 4, 5, 5}, 3, DType::fp32), fused = norm_relu_conv(x, norm, conv);
  EXPECT_TRUE(kinds.empty()) << "an observer alone changes nothing";
  const Unfused apart;
  EXPECT_LE(worst(norm_relu_conv(x, norm, conv), fused), 1e-6);
  sibling_convs(x, {&conv, &conv});
  EXPECT_EQ(kinds, (std::vector<std::string>{"BatchNorm2d", "Conv2d", "Conv2d", "Conv2d"}));
}

TEST(SiblingConvs, EqualSeparateOnes) {
  Conv2d a(5, 3, 1, {.bias = false}), b(5, 4, 1, {.bias = false});
  a.to(DType::fp64);
  b.to(DType::fp64);
  Tensor x = numbers({2, 5, 3, 4}, 1).requires_grad_(), z = x.detach().clone().requires_grad_();
  const std::vector<Tensor> y = sibling_convs(x, {&a, &b});
  const std::vector<Tensor> expected{a(z), b(z)};
  for (std::size_t i = 0; i < 2; ++i) EXPECT_LE(worst(y[i], expected[i]), 1e-14);
  const auto loss = [](const std::vector<Tensor>& t) {
    return add(sum(mul(t[0], t[0])), sum(mul(t[1], 3.0)));
  };
  loss(y).backward();
  const Tensor of_a = a.weight().grad().clone(), of_b = b.weight().grad().clone();
  a.weight().zero_grad();
  b.weight().zero_grad();
  loss(expected).backward();
  EXPECT_LE(worst(of_a, a.weight().grad()), 1e-13);
  EXPECT_LE(worst(of_b, b.weight().grad()), 1e-13);
  EXPECT_LE(worst(x.grad(), z.grad()), 1e-13);
}
TEST(SiblingConvs, RefuseStrangers) {
  Conv2d a(5, 3, 1, {.bias = false}), b(5, 4, 1, {.stride = 2, .bias = false});
  try {
    sibling_convs(zeros({1, 5, 4, 4}), {&a, &b});
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "sibling_convs: convolutions with other options or with biases cannot be one");
  }
}

}  // namespace
}  // namespace gadolin
