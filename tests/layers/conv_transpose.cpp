// Transposed convolution against its definition: every input pixel adds its filters to the result.
#include "layers/conv_transpose.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/op_spec.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

Reference scattered(const ConvTranspose2dOptions& o) {
  return [o](const Inputs& in) {
    const Tensor &x = in[0], &w = in[1];
    const std::int64_t group_in = x.size(1) / o.groups, group_out = w.size(1), k = group_out * o.groups;
    const std::int64_t p = (x.size(2) - 1) * o.stride.h - 2 * o.padding.h + o.dilation.h * (w.size(2) - 1) +
                           o.output_padding.h + 1;
    const std::int64_t q = (x.size(3) - 1) * o.stride.w - 2 * o.padding.w + o.dilation.w * (w.size(3) - 1) +
                           o.output_padding.w + 1;
    std::vector<double> y(static_cast<std::size_t>(x.size(0) * k * p * q));
    Shape all = x.shape();
    for (std::int64_t size : {group_out, w.size(2), w.size(3)}) all.push_back(size);
    tabulate(all, [&](const Index& i) {
      const std::int64_t row = i[2] * o.stride.h - o.padding.h + i[5] * o.dilation.h;
      const std::int64_t column = i[3] * o.stride.w - o.padding.w + i[6] * o.dilation.w;
      if (row < 0 || column < 0 || row >= p || column >= q) return 0.0;
      const std::int64_t channel = i[1] / group_in * group_out + i[4];
      y[static_cast<std::size_t>(((i[0] * k + channel) * p + row) * q + column)] +=
          at(x, {i[0], i[1], i[2], i[3]}) * at(w, {i[1], i[4], i[5], i[6]});
      return 0.0;
    });
    return tabulate({x.size(0), k, p, q}, [&](const Index& i) {
      const double sum = y[static_cast<std::size_t>(((i[0] * k + i[1]) * p + i[2]) * q + i[3])];
      return in.size() > 2 ? sum + at(in[2], {i[1]}) : sum;
    });
  };
}

OpCase enlarging(const std::string& what, const Shape& x, const Shape& weight,
                 const ConvTranspose2dOptions& options, bool bias = false) {
  OpCase c;
  c.what = what;
  c.inputs = {shaped(x), shaped(weight)};
  if (bias) c.inputs.push_back(shaped({weight[1] * options.groups}));
  c.f = [options](const Inputs& in) {
    return conv_transpose2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), options);
  };
  c.reference = scattered(options);
  c.products = static_cast<int>(weight[0] * weight[2] * weight[3]);
  c.slack = 2;  // the reference rounds what each place of a filter adds, and fp16 shows it
  c.empty = c.batch_one = x[0] != weight[0];
  return c;
}
ErrorCase wrong(const Shape& x, const Shape& weight, const ConvTranspose2dOptions& o,
                const std::string& message) {
  return {.inputs = {shaped(x), shaped(weight)}, .message = message, .f = [o](const Inputs& in) {
            return conv_transpose2d(in[0], in[1], {}, o);
          }};
}

const bool added = add_spec({
    .name = "conv_transpose2d",
    .f = [](const Inputs& in) { return conv_transpose2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); },
    .cases = {enlarging("3x3", {2, 3, 4, 5}, {3, 4, 3, 3}, {}),
              enlarging("2x2, stride 2, bias", {2, 3, 3, 4}, {3, 5, 2, 2}, {.stride = 2}, true),
              enlarging("4x4, stride 2, padding", {2, 3, 3, 2}, {3, 2, 4, 4}, {.stride = 2, .padding = 1}),
              enlarging("output padding", {1, 2, 3, 4}, {2, 3, 3, 3},
                        {.stride = 2, .padding = 1, .output_padding = 1}, true),
              enlarging("everything different in height and width", {1, 2, 3, 4}, {2, 3, 3, 2},
                        {.stride = {3, 2}, .padding = {1, 0}, .dilation = {1, 2}, .output_padding = {2, 1}},
                        true),
              enlarging("dilated", {2, 3, 3, 3}, {3, 2, 3, 3}, {.padding = 1, .dilation = 2}),
              enlarging("two groups", {1, 4, 3, 4}, {4, 3, 3, 3}, {.stride = 2, .padding = 1, .groups = 2},
                        true),
              enlarging("depthwise", {2, 4, 3, 3}, {4, 1, 2, 2}, {.stride = 2, .groups = 4}),
              enlarging("one pixel", {2, 3, 1, 1}, {3, 4, 3, 2}, {}, true),
              enlarging("1x1, stride 2", {2, 3, 3, 2}, {3, 4, 1, 1}, {.stride = 2, .output_padding = 1})},
    .errors =
        {wrong({3, 4, 4}, {4, 2, 3, 3}, {},
               "conv_transpose2d: input [3, 4, 4] and weight [4, 2, 3, 3] are not [N, C, H, W] and [C, K / "
               "groups, R, S]"),
         wrong({1, 3, 4, 4}, {4, 2, 3, 3}, {},
               "conv_transpose2d: input [1, 3, 4, 4] has C=3, weight [4, 2, 3, 3] takes C=4 in groups=1"),
         wrong({1, 3, 4, 4}, {3, 2, 3, 3}, {.groups = 2},
               "conv_transpose2d: input [1, 3, 4, 4] has C=3, weight [3, 2, 3, 3] takes C=3 in groups=2"),
         wrong({1, 3, 4, 4}, {3, 2, 3, 3}, {.stride = 0},
               "conv_transpose2d: stride, dilation and groups must be positive and padding not negative"),
         wrong({1, 3, 4, 4}, {3, 2, 3, 3}, {.stride = 2, .output_padding = 2},
               "conv_transpose2d: output_padding must be at least 0 and below the stride"),
         wrong({1, 3, 1, 1}, {3, 2, 3, 3}, {.padding = 2},
               "conv_transpose2d: of input [1, 3, 1, 1] nothing is left, the result would be [1, 2, -1, -1]; "
               "use less padding"),
         {.inputs = {shaped({1, 3, 4, 4}), shaped({3, 2, 3, 3}), shaped({3})},
          .message = "conv_transpose2d: bias [3] is not [2]"},
         {.inputs = {shaped({1, 3, 4, 4}, DType::int64), shaped({3, 2, 3, 3}, DType::int64)},
          .message = "conv_transpose2d: int64 is not supported; convert with .to(DType::fp32)"}},
});

// <conv(x), y> = <x, conv_transpose(y)>: what makes it the transposed one.
TEST(ConvTranspose2d, IsTheAdjointOfTheConvolution) {
  const Tensor x = rand({2, 4, 7, 9}, 1, 1, DType::fp64), w = rand({6, 4, 3, 3}, 1, 2, DType::fp64);
  const Tensor up = conv2d(x, w, {}, {.stride = 2, .padding = 1}), y = rand(up.shape(), 1, 3, DType::fp64);
  const Tensor down = conv_transpose2d(y, w, {}, {.stride = 2, .padding = 1});
  ASSERT_EQ(down.shape(), x.shape());
  const double left = sum(up * y).item(), right = sum(x * down).item();
  EXPECT_NEAR(left, right, 1e-10 * std::abs(left));
}

TEST(ConvTranspose2d, Module) {
  manual_seed(3);
  ConvTranspose2d conv(32, 16, 4, {.stride = 2, .padding = 1});
  EXPECT_EQ(conv.weight().shape(), (Shape{32, 16, 4, 4}));
  const double deviation = std::sqrt(mean(mul(conv.weight(), conv.weight())).item());
  EXPECT_NEAR(deviation, std::sqrt(2.0 / (32 * 16)), 0.03 * std::sqrt(2.0 / (32 * 16)));
  const Tensor x = randn({2, 32, 5, 6}), y = conv(x);
  EXPECT_EQ(y.shape(), (Shape{2, 16, 10, 12}));
  EXPECT_EQ(conv.macs(tensors_of(x), tensors_of(y)), 2 * 32 * 5 * 6 * 16 * 16);
  sum(y).backward();
  for (const Parameter& p : conv.parameters()) EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
  EXPECT_EQ(conv.parameters().size(), 2u);
  EXPECT_EQ(test::message_of<ValueError>([] { ConvTranspose2d(6, 8, 3, {.groups = 4}); }),
            "ConvTranspose2d: groups=4 must divide the 6 input and 8 output channels");
}

}  // namespace
}  // namespace gadolin
