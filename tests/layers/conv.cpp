// Convolution: specs against plain loops, whatever the stride, padding, dilation and groups; the module.
#include "layers/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "layers/conv_function.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

// The definition. in: x, weight and perhaps bias.
Reference conv_loops(const Conv2dOptions& o) {
  return [o](const Inputs& in) {
    const Tensor &x = in[0], &w = in[1];
    const bool biased = in.size() > 2 && in[2].defined();
    const std::int64_t group_out = w.size(0) / o.groups, group_in = w.size(1);
    std::int64_t p = (x.size(2) + 2 * o.padding.h - o.dilation.h * (w.size(2) - 1) - 1) / o.stride.h + 1;
    std::int64_t q = (x.size(3) + 2 * o.padding.w - o.dilation.w * (w.size(3) - 1) - 1) / o.stride.w + 1;
    std::int64_t above = o.padding.h, left = o.padding.w;
    if (o.same) {  // as TensorFlow's documentation has it
      const auto before = [](std::int64_t size, std::int64_t k, std::int64_t step) {
        return std::max<std::int64_t>(size % step == 0 ? k - step : k - size % step, 0) / 2;
      };
      p = (x.size(2) + o.stride.h - 1) / o.stride.h;
      q = (x.size(3) + o.stride.w - 1) / o.stride.w;
      above = before(x.size(2), o.dilation.h * (w.size(2) - 1) + 1, o.stride.h);
      left = before(x.size(3), o.dilation.w * (w.size(3) - 1) + 1, o.stride.w);
    }
    return tabulate({x.size(0), w.size(0), p, q}, [&](const Index& i) {
      double sum = biased ? at(in[2], {i[1]}) : 0;
      for (std::int64_t c = 0; c < group_in; ++c) {
        for (std::int64_t r = 0; r < w.size(2); ++r) {
          for (std::int64_t s = 0; s < w.size(3); ++s) {
            const std::int64_t h = i[2] * o.stride.h - above + r * o.dilation.h;
            const std::int64_t v = i[3] * o.stride.w - left + s * o.dilation.w;
            if (h < 0 || v < 0 || h >= x.size(2) || v >= x.size(3)) continue;
            sum += at(x, {i[0], i[1] / group_out * group_in + c, h, v}) * at(w, {i[1], c, r, s});
          }
        }
      }
      return sum;
    });
  };
}

OpCase convolution(const std::string& what, const Shape& x, const Shape& weight, const Conv2dOptions& options,
                   bool bias = false) {
  OpCase c;
  c.what = what;
  c.inputs = {shaped(x), shaped(weight)};
  if (bias) c.inputs.push_back(shaped({weight[0]}));
  c.f = [options](const Inputs& in) {
    return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), options);
  };
  c.reference = conv_loops(options);
  c.products = static_cast<int>(weight[1] * weight[2] * weight[3]);
  return c;
}

const bool conv2d_added = add_spec({
    .name = "conv2d",
    .f = [](const Inputs& in) { return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); },
    .cases = {convolution("3x3", {2, 3, 5, 4}, {4, 3, 3, 3}, {}),
              convolution("3x3 with padding and bias", {2, 2, 4, 3}, {3, 2, 3, 3}, {.padding = 1}, true),
              convolution("3x3, stride 2", {2, 3, 5, 6}, {4, 3, 3, 3}, {.stride = 2, .padding = 1}),
              convolution("1x1 with bias", {2, 5, 3, 4}, {7, 5, 1, 1}, {}, true),
              convolution("1x1, stride 2", {2, 4, 5, 6}, {3, 4, 1, 1}, {.stride = 2}),
              convolution("7x7 on three channels, stride 2", {1, 3, 6, 7}, {1, 3, 7, 7},
                          {.stride = 2, .padding = 3}),
              convolution("everything different in height and width", {1, 2, 7, 6}, {3, 2, 3, 2},
                          {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 3}}, true),
              convolution("dilated", {1, 2, 6, 5}, {3, 2, 3, 3}, {.padding = 2, .dilation = 2}),
              convolution("two groups", {1, 4, 4, 3}, {6, 2, 3, 3}, {.padding = 1, .groups = 2}, true),
              convolution("depthwise", {1, 8, 5, 4}, {8, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 8}),
              convolution("depthwise, two filters a channel", {2, 3, 4, 4}, {6, 1, 3, 3},
                          {.padding = 1, .groups = 3}),
              convolution("filter as large as the image", {2, 3, 3, 4}, {4, 3, 3, 4}, {}),
              convolution("SAME, stride 2, even", {2, 3, 6, 4}, {4, 3, 3, 3}, {.stride = 2, .same = true}),
              convolution("SAME, stride 2, odd and even", {1, 2, 5, 8}, {3, 2, 3, 2},
                          {.stride = 2, .same = true}, true),
              convolution("SAME, dilated", {1, 2, 6, 5}, {3, 2, 3, 3}, {.dilation = 2, .same = true}),
              convolution("SAME, 1x1, stride 2", {2, 4, 5, 6}, {3, 4, 1, 1}, {.stride = 2, .same = true}),
              convolution("more padding than image", {2, 1, 1, 1}, {3, 1, 3, 3}, {.padding = 1})},
    .errors =
        {{.inputs = {shaped({8, 1, 224, 224}), shaped({64, 3, 7, 7})},
          .message =
              "conv2d: input [8, 1, 224, 224] has C=1, but weight [64, 3, 7, 7] with groups=1 takes C=3",
          .code = "GD-SHAPE-012"},
         {.inputs = {shaped({3, 8, 8}), shaped({4, 3, 3, 3})},
          .message = "conv2d: input [3, 8, 8] is not [N, C, H, W]",
          .code = "GD-SHAPE-010"},
         {.inputs = {shaped({1, 3, 8, 8}), shaped({4, 27})},
          .message = "conv2d: weight [4, 27] is not [K, C / groups, R, S]",
          .code = "GD-SHAPE-011"},
         {.inputs = {shaped({1, 4, 8, 8}), shaped({3, 2, 3, 3})},
          .message = "conv2d: weight [3, 2, 3, 3] has K=3, which groups=2 do not divide",
          .code = "GD-SHAPE-013",
          .f = [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.groups = 2}); }},
         {.inputs = {shaped({1, 3, 4, 4}), shaped({4, 3, 7, 7})},
          .message = "conv2d: weight [4, 3, 7, 7] is larger than the padded input [1, 3, 4, 4]; use a larger "
                     "image or fewer "
                     "strides before this layer",
          .code = "GD-SHAPE-014"},
         {.inputs = {shaped({1, 3, 4, 4}), shaped({4, 3, 3, 3}), shaped({3})},
          .message = "conv2d: bias [3] is not [4]",
          .code = "GD-SHAPE-015"},
         {.inputs = {shaped({1, 3, 4, 4}), shaped({4, 3, 3, 3})},
          .message = "conv2d: stride, dilation and groups must be positive and padding not negative",
          .code = "GD-VALUE-010",
          .f = [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.stride = 0}); }},
         {.inputs = {shaped({1, 3, 4, 4}), shaped({4, 3, 3, 3})},
          .message = "conv2d: same decides the padding; leave padding at 0",
          .code = "GD-VALUE-011",
          .f = [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.padding = 1, .same = true}); }},
         {.inputs = {shaped({1, 3, 4, 4}), shaped({4, 3, 3, 3}, DType::fp64)},
          .message = "conv2d: input 0 is fp32 but input 1 is fp64; convert one with .to(DType::...)"}},
});

// With a ReLU in the same pass.
OpCase rectified(OpCase c, const Conv2dOptions& options) {
  c.f = [options](const Inputs& in) {
    return apply(detail::Conv2dFunction{.options = options, .relu = true}, in[0], in[1],
                 in.size() > 2 ? in[2] : Tensor());
  };
  c.reference = [loops = conv_loops(options)](const Inputs& in) {
    const Tensor y = loops(in);
    return where(compare(Compare::less, y, 0.0), zeros({}, y.dtype()), y);
  };
  return c;
}
const bool conv2d_relu_added = add_spec({
    .name = "conv2d with relu",
    .cases = {rectified(convolution("3x3 with bias", {2, 2, 4, 3}, {3, 2, 3, 3}, {}, true), {.padding = 1}),
              rectified(convolution("1x1", {2, 5, 3, 4}, {7, 5, 1, 1}, {}), {}),
              rectified(convolution("groups, stride 2", {1, 4, 4, 3}, {6, 2, 3, 3}, {}, true),
                        {.stride = 2, .padding = 1, .groups = 2})},
});

// The first picture of the batch is NaN.
void expect_nan_through_relu(Device device) {
  Conv2d conv(3, 4, 3, {.padding = 1});
  conv.to(device);
  Tensor bad = randn({2, 3, 5, 5});
  bad.slice(0, 0, 1).fill_(std::nan(""));
  const Tensor y = conv.recorded(bad.to(device), {.relu = true}).to(cpu);
  EXPECT_TRUE(std::isnan(sum(y.slice(0, 0, 1)).item()));
  EXPECT_TRUE(std::isfinite(sum(y.slice(0, 1, 2)).item()));
}
TEST(Conv2dModule, WithReluKeepsNanAndIsSeenAsOneCall) {
  Conv2d conv(3, 4, 3, {.padding = 1});
  const Tensor x = randn({2, 3, 5, 5});
  EXPECT_EQ(conv.recorded(x, {.relu = true}).to_vector<double>(), relu(conv(x)).to_vector<double>());
  expect_nan_through_relu(cpu);
}
TEST(Conv2dModule, WithReluKeepsNanOnCuda) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  expect_nan_through_relu(cuda);
}

TEST(Conv2dModule, HasTorchvisionsStartAndCountsItsProducts) {
  manual_seed(3);
  Conv2d conv(16, 32, 3, {.stride = 2, .padding = 1, .bias = false});
  EXPECT_EQ(conv.weight().shape(), (Shape{32, 16, 3, 3}));
  EXPECT_FALSE(conv.bias().defined());
  const double deviation = std::sqrt(mean(mul(conv.weight(), conv.weight())).item());
  EXPECT_NEAR(deviation, std::sqrt(2.0 / (32 * 9)), 0.03 * std::sqrt(2.0 / (32 * 9)));
  const Tensor x = randn({2, 16, 9, 9}), y = conv(x);
  EXPECT_EQ(y.shape(), (Shape{2, 32, 5, 5}));
  EXPECT_EQ(conv.macs(tensors_of(x), tensors_of(y)), 2 * 32 * 5 * 5 * 16 * 9);
  EXPECT_EQ(conv.parameters().size(), 1u);
  EXPECT_EQ(conv.parameters()[0].name, "weight");
}

TEST(Conv2dModule, RefusesGroupsThatDoNotDivide) {
  try {
    Conv2d(6, 8, 3, {.groups = 4});
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "Conv2d: groups=4 must divide the 6 input and 8 output channels");
  }
}

// A weight that an optimiser has changed in place must not be taken from a cache of reordered weights.
TEST(Conv2dModule, SeesChangedWeights) {
  Tensor weight = ones({8, 8, 3, 3}), x = ones({1, 8, 6, 6});
  const double before = sum(conv2d(x, weight)).item();
  weight.mul_(2);
  EXPECT_DOUBLE_EQ(sum(conv2d(x, weight)).item(), 2 * before);
}

}  // namespace
}  // namespace gadolin
