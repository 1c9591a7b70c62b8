// Specs of comparisons, where and clamp.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

// Few different values, so that all three outcomes happen; NaN and infinities; broadcasting; a number.
OpSpec comparison(const char* name, Compare how, double (*reference)(double, double)) {
  const auto with = [how](double b) { return [how, b](const Inputs& in) { return compare(how, in[0], b); }; };
  const auto against = [reference](double b) { return [reference, b](double a) { return reference(a, b); }; };
  const Input numbers = values({4, 0, 1, 2, 3, 1}, {2, 3});
  return {.name = name,
          .f = [how](const Inputs& in) { return compare(how, in[0], in[1]); },
          .reference = reference,
          .cases =
              {{.inputs = {values({0, 1, 1, 0, 2, 2}, {2, 3}), values({0, 0, 1, 1, 2, 3}, {2, 3})}},
               {.what = "broadcast",
                .inputs = {values({0, 1}, {2, 1}), values({0, 1, 2}, {3})},
                .batch_one = false},
               {.what = "of images", .inputs = {shaped({2, 3, 5, 7}), shaped({3, 1, 1})}, .batch_one = false},
               {.what = "with NaN",
                .inputs = {values({nan, 1, nan, inf}, DType::fp32), values({1, nan, nan, inf}, DType::fp32)}},
               {.what = "with a number", .inputs = {numbers}, .f = with(1), .reference = against(1)},
               {.what = "with a fraction", .inputs = {numbers}, .f = with(1.5), .reference = against(1.5)}},
          .dtypes = all_types,
          .differentiable = false};
}

const bool equal_added =
    add_spec(comparison("equal", Compare::equal, [](double a, double b) { return a == b ? 1.0 : 0.0; }));
const bool not_equal_added = add_spec(
    comparison("not_equal", Compare::not_equal, [](double a, double b) { return a == b ? 0.0 : 1.0; }));
const bool less_added =
    add_spec(comparison("less", Compare::less, [](double a, double b) { return a < b ? 1.0 : 0.0; }));
const bool less_equal_added = add_spec(
    comparison("less_equal", Compare::less_equal, [](double a, double b) { return a <= b ? 1.0 : 0.0; }));
const bool greater_added =
    add_spec(comparison("greater", Compare::greater, [](double a, double b) { return a > b ? 1.0 : 0.0; }));
const bool greater_equal_added = add_spec(comparison("greater_equal", Compare::greater_equal,
                                                     [](double a, double b) { return a >= b ? 1.0 : 0.0; }));

const bool errors_added = add_spec({
    .name = "compare",
    .f = [](const Inputs& in) { return in[0] < in[1]; },
    .reference = [](double a, double b) { return a < b ? 1.0 : 0.0; },
    .cases = {{.inputs = {shaped({3}), shaped({3})}}},
    .errors = {{.inputs = {shaped({2, 3}), shaped({4})},
                .message = "compare: [2, 3] and [4] differ in dimension 1 (3 and 4) and neither is 1",
                .code = "GD-SHAPE-002"},
               {.inputs = {shaped({3}), shaped({3}, DType::fp64)},
                .message = "compare: input 0 is fp32 but input 1 is fp64; convert one with .to(DType::...)",
                .code = "GD-DTYPE-001"}},
    .integers = true,
    .differentiable = false,
});

TEST(Compare, ResultIsBoolAndOffTheTape) {
  Tensor x = tensor({1, 2}, {2});
  x.requires_grad_();
  for (const Tensor& y : {x<x, eq(x, 1), x> 1}) {
    EXPECT_EQ(y.dtype(), DType::boolean);
    EXPECT_FALSE(y.requires_grad());
  }
}

TEST(Compare, NumberIsRoundedToTheTensorsType) {
  for (DType dtype : {DType::fp64, DType::fp32, DType::bf16, DType::fp16}) {
    EXPECT_EQ(eq(full({1}, 0.1, dtype), 0.1).item(), 1) << name_of(dtype);
  }
}

Tensor where_reference(const Inputs& in) {
  const Shape shape = broadcast("where", in[0].shape(), broadcast("where", in[1].shape(), in[2].shape()));
  std::vector<Tensor> wide;
  for (const Tensor& t : in) {
    wide.push_back(t.view(shape, broadcast_strides(t.shape(), t.strides(), shape), t.offset()));
  }
  return tabulate(shape,
                  [&](const Index& i) { return at(wide[0], i) != 0 ? at(wide[1], i) : at(wide[2], i); });
}

const bool where_added = add_spec({
    .name = "where",
    .f = [](const Inputs& in) { return where(in[0], in[1], in[2]); },
    .reference = where_reference,
    .cases = {{.inputs = {mask({2, 3, 5, 7}), shaped({2, 3, 5, 7}), shaped({2, 3, 5, 7})}},
              {.what = "broadcast condition",
               .inputs = {mask({3, 1}), shaped({2, 3, 4}), shaped({4})},
               .empty = false,
               .batch_one = false},
              {.what = "scalars", .inputs = {mask({5, 3}), shaped({}), shaped({1})}},
              {.what = "NaN not taken",
               .inputs = {values({1, 0}, DType::boolean).fixed(), values({1, nan}), values({nan, 2})}}},
    .errors = {{.inputs = {shaped({3}), shaped({3}), shaped({3})},
                .message = "where: condition is fp32, not bool; compare it, e.g. x > 0",
                .code = "GD-DTYPE-001"},
               {.inputs = {mask({3}), shaped({3}), shaped({3}, DType::fp64)},
                .message = "where: a is fp32 but b is fp64; convert one with .to(DType::...)",
                .code = "GD-DTYPE-001"},
               {.inputs = {mask({3}), shaped({2}), shaped({1})},
                .message = "where: [2] and [3] differ in dimension 0 (2 and 3) and neither is 1",
                .code = "GD-SHAPE-002"}},
    .dtypes = all_types,
    .twice = true,
});

TEST(Where, NanOfTheOtherSideStaysOutOfTheGradient) {
  Tensor a = tensor({nan, 4}, {2}, DType::fp64), b = tensor({1, nan}, {2}, DType::fp64);
  a.requires_grad_();
  b.requires_grad_();
  const Tensor y = where(tensor({0, 1}, {2}, DType::boolean), a, b);
  y.backward(tensor({5, 7}, {2}, DType::fp64));
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{1, 4}));
  EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{0, 7}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{5, 0}));
}

const bool clamp_added = add_spec({
    .name = "clamp",
    .f = [](const Inputs& in) { return clamp(in[0], -0.5, 1); },
    .reference = [](double x) { return x < -0.5 ? -0.5
                                       : x > 1  ? 1
                                                : x; },
    .cases = {{.inputs = {shaped({2, 3, 5, 7}).away_from(-0.5).away_from(1)}},
              {.what = "at the limits and beyond",
               .inputs = {values({-inf, -0.5, 0, 1, inf, nan})},
               .gradients = false}},
    .errors = {{.inputs = {shaped({3})},
                .message = "clamp: low 2 is above high 1",
                .code = "GD-VALUE-001",
                .f = [](const Inputs& in) { return clamp(in[0], 2, 1); }}},
    .integers = true,
});

TEST(Clamp, GradientIsOneAtTheLimits) {
  Tensor x = tensor({-2, -1, 0, 1, 2}, {5}, DType::fp64);
  x.requires_grad_();
  sum(clamp(x, -1, 1)).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 1, 1, 1, 0}));
}

TEST(Kinks, GradientIsZeroAtZero) {
  Tensor x = tensor({-1, 0, 2}, {3}, DType::fp64);
  x.requires_grad_();
  sum(relu(x) + abs(x)).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{-1, 0, 2}));
}

}  // namespace
}  // namespace gadolin
