// Group normalisation against its definition.
#include "layers/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tests/layers/random_numbers.h"
#include "tests/op_spec.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

Reference group_definition(int groups, double eps) {
  return [=](const Inputs& in) {
    const Tensor& x = in[0];
    const std::int64_t each = x.size(1) / groups;
    std::vector<double> count(static_cast<std::size_t>(x.size(0) * groups)), mean(count), square(count);
    const auto of = [&](const Index& i) { return static_cast<std::size_t>(i[0] * groups + i[1] / each); };
    const auto walk = [&](const std::function<void(std::size_t, double)>& f) {
      tabulate(x.shape(), [&](const Index& i) {
        f(of(i), at(x, i));
        return 0.0;
      });
    };
    walk([&](std::size_t g, double v) {
      ++count[g];
      mean[g] += v;
    });
    for (std::size_t g = 0; g < mean.size(); ++g) mean[g] /= count[g];
    walk([&](std::size_t g, double v) { square[g] += (v - mean[g]) * (v - mean[g]); });
    return tabulate(x.shape(), [&](const Index& i) {
      const std::size_t g = of(i);
      const double y = (at(x, i) - mean[g]) / std::sqrt(square[g] / count[g] + eps);
      return in.size() > 1 ? y * at(in[1], {i[1]}) + at(in[2], {i[1]}) : y;
    });
  };
}

OpCase group_case(const std::string& what, const Shape& x, int groups, bool affine = true,
                  double eps = 1e-5) {
  OpCase c{.what = what, .inputs = {shaped(x)}, .products = 64};
  if (affine) c.inputs.insert(c.inputs.end(), {shaped({x[1]}).between(0.5, 1.5), shaped({x[1]})});
  c.f = [=](const Inputs& in) {
    if (in.size() == 1) return group_norm(in[0], groups, {}, {}, eps);
    return group_norm(in[0], groups, parameter_of(in[1], in[0]), parameter_of(in[2], in[0]), eps);
  };
  c.reference = group_definition(groups, eps);
  c.expanded = false;  // equal values have no variance
  c.empty = c.batch_one = x[0] != x[1];
  return c;
}
ErrorCase wrong(const std::vector<Input>& inputs, int groups, const std::string& message, double eps = 1e-5) {
  return {.inputs = inputs, .message = message, .f = [=](const Inputs& in) {
            return group_norm(in[0], groups, in.size() > 1 ? in[1] : Tensor(),
                              in.size() > 2 ? in[2] : Tensor(), eps);
          }};
}

const bool group_norm_added = add_spec({
    .name = "group_norm",
    .cases = {group_case("two groups", {3, 4, 3, 5}, 2), group_case("one group", {2, 6, 4, 3}, 1),
              group_case("a group a channel", {2, 3, 5, 4}, 3), group_case("vectors", {4, 6}, 2),
              group_case("volumes", {1, 4, 2, 3, 4}, 2),
              group_case("without weights", {2, 4, 3, 3}, 2, false),
              group_case("a large eps", {2, 4, 3, 3}, 2, true, 0.5)},
    .errors = {wrong({shaped({4})}, 1, "group_norm: input [4] is not [N, C, ...] of 2 to 7 dimensions"),
               wrong({shaped({2, 6, 3, 3})}, 4,
                     "group_norm: groups=4 must divide the 6 channels of [2, 6, 3, 3]"),
               wrong({shaped({2, 6, 3, 3})}, 2, "group_norm: eps -1 must not be negative", -1),
               wrong({shaped({2, 6}), shaped({6})}, 2,
                     "group_norm: weight and bias must both be [6], or both be left out"),
               wrong({shaped({2, 6}), shaped({4}), shaped({4})}, 2,
                     "group_norm: weight and bias must both be [6], or both be left out"),
               wrong({shaped({2, 6}, DType::int64)}, 2,
                     "group_norm: int64 is not supported; convert with .to(DType::fp32)")},
});

TEST(GroupNorm, TakesImagesOfLargeMeanAndKeepsChannelsLast) {
  const Tensor x = (randn({2, 4, 24, 20}) * 0.5 + 1000.0).contiguous(MemoryFormat::channels_last);
  GroupNorm norm(2, 4);
  const Tensor y = norm(x).detach();
  EXPECT_TRUE(y.is_channels_last());
  EXPECT_LT(std::abs(mean(y).item()), 1e-3);
  EXPECT_NEAR(var(y).item(), 1, 0.01);
}

TEST(GroupNorm, NanStaysInItsGroup) {
  Tensor x = randn({1, 4, 3, 3});
  x.select(1, 0).select(1, 0).fill_(NAN);
  const Tensor y = group_norm(x, 2);
  EXPECT_TRUE(std::isnan(sum(y.slice(1, 0, 2)).item()));
  EXPECT_TRUE(std::isfinite(sum(y.slice(1, 2, 4)).item()));
}

TEST(GroupNorm, Module) {
  EXPECT_EQ(GroupNorm(2, 4).parameters().size(), 2u);
  EXPECT_EQ(test::message_of<ValueError>([] { GroupNorm(3, 4); }),
            "GroupNorm: groups=3 must divide the 4 channels, and eps 1e-05 must not be negative");
}

}  // namespace
}  // namespace gadolin
