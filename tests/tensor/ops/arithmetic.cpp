// Specs of arithmetic with broadcasting.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

// Same shape, broadcasting from each side and from both, channels of images, scalars.
std::vector<OpCase> broadcasting(const Input& a, const Input& b) {
  const auto sized = [](Input input, const Shape& shape) {
    input.shape = shape;
    return input;
  };
  return {
      {.inputs = {sized(a, {2, 3, 5, 7}), sized(b, {2, 3, 5, 7})}},
      {.what = "broadcast both ways", .inputs = {sized(a, {4, 1, 3}), sized(b, {2, 1})}, .batch_one = false},
      {.what = "channels", .inputs = {sized(a, {2, 3, 4, 5}), sized(b, {3, 1, 1})}, .batch_one = false},
      {.what = "rows", .inputs = {sized(a, {3}), sized(b, {4, 3})}, .empty = false, .batch_one = false},
      {.what = "with a scalar", .inputs = {sized(a, {3, 4}), sized(b, {})}},
      {.what = "of scalars", .inputs = {sized(a, {}), sized(b, {})}}};
}

std::vector<ErrorCase> two_input_errors(const std::string& name) {
  return {{.inputs = {shaped({2, 3}), shaped({2, 4})},
           .message = name + ": [2, 3] and [2, 4] differ in dimension 1 (3 and 4) and neither is 1",
           .code = "GD-SHAPE-002"},
          {.inputs = {shaped({3}), shaped({3}, DType::fp64)},
           .message = name + ": input 0 is fp32 but input 1 is fp64; convert one with .to(DType::...)",
           .code = "GD-DTYPE-001"},
          {.inputs = {shaped({3}, DType::boolean), shaped({3}, DType::boolean)},
           .message = name + ": bool is not supported; convert with .to(DType::fp32)",
           .code = "GD-DTYPE-002"}};
}
std::vector<ErrorCase> division_errors() {
  std::vector<ErrorCase> errors = two_input_errors("div");
  errors.pop_back();
  return errors;
}

const Input any = shaped({}), nonzero = shaped({}).between(0.6, 2);

const bool add_added = add_spec({
    .name = "add",
    .f = [](const Inputs& in) { return in[0] + in[1]; },
    .reference = [](double a, double b) { return a + b; },
    .cases = broadcasting(any, any),
    .errors = two_input_errors("add"),
    .integers = true,
    .twice = true,
});
const bool sub_added = add_spec({
    .name = "sub",
    .f = [](const Inputs& in) { return in[0] - in[1]; },
    .reference = [](double a, double b) { return a - b; },
    .cases = broadcasting(any, any),
    .errors = two_input_errors("sub"),
    .integers = true,
    .twice = true,
});
const bool mul_added = add_spec({
    .name = "mul",
    .f = [](const Inputs& in) { return in[0] * in[1]; },
    .reference = [](double a, double b) { return a * b; },
    .cases = broadcasting(any, any),
    .errors = two_input_errors("mul"),
    .integers = true,
    .twice = true,
});
const bool div_added = add_spec({
    .name = "div",
    .f = [](const Inputs& in) { return in[0] / in[1]; },
    .reference = [](double a, double b) { return a / b; },
    .cases = broadcasting(any, nonzero),
    .errors = division_errors(),
    .integers = true,
    .twice = true,
});
// Negative powers of integers are refused, so those have a case of their own.
std::vector<OpCase> powers() {
  std::vector<OpCase> cases = broadcasting(nonzero, any);
  for (OpCase& c : cases) c.integers = false;
  cases.push_back({.what = "whole",
                   .inputs = {shaped({5, 4}).between(-0.9, 0.9), values({0, 1, 2, 7})},
                   .gradients = false,
                   .may_be_nan = true,
                   .batch_one = false});
  return cases;
}
const bool pow_added = add_spec({
    .name = "pow",
    .f = [](const Inputs& in) { return pow(in[0], in[1]); },
    .reference = [](double a, double b) { return std::pow(a, b); },
    .cases = powers(),
    .errors = two_input_errors("pow"),
    .integers = true,
    .twice = true,
});

std::vector<OpCase> choice_cases() {
  // Equal elements are kinks: the two ranges interleave, distinct in each and between them.
  const Input a = shaped({2, 3, 4, 5}).distinct(), b = shaped({2, 3, 4, 5}).between(-1.506, 1.494).distinct();
  return {{.inputs = {a, b}},
          {.what = "channels", .inputs = {a, values({-0.731, 0.003, 0.737}, {3, 1, 1})}, .batch_one = false},
          {.what = "ties, infinity and NaN",
           .inputs = {values({1, 2, nan, 3, inf, nan}), values({1, 3, 3, nan, -inf, nan})},
           .gradients = false}};
}
const bool maximum_added = add_spec({
    .name = "maximum",
    .f = [](const Inputs& in) { return maximum(in[0], in[1]); },
    .reference = [](double a, double b) { return std::isnan(a) || std::isnan(b) ? nan : std::max(a, b); },
    .cases = choice_cases(),
    .errors = two_input_errors("maximum"),
    .integers = true,
});
const bool minimum_added = add_spec({
    .name = "minimum",
    .f = [](const Inputs& in) { return minimum(in[0], in[1]); },
    .reference = [](double a, double b) { return std::isnan(a) || std::isnan(b) ? nan : std::min(a, b); },
    .cases = choice_cases(),
    .errors = two_input_errors("minimum"),
    .integers = true,
});

TEST(Maximum, TiesShareTheGradient) {
  Tensor a = tensor({1, 2, 3}, {3}, DType::fp64), b = tensor({1, 5, 0}, {3}, DType::fp64);
  a.requires_grad_();
  b.requires_grad_();
  sum(maximum(a, b) + minimum(a, b) * 10.0).backward();
  EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{5.5, 10, 1}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{5.5, 1, 10}));
}

// --- with a number -----------------------------------------------------------------------------------------

OpSpec with_number(const char* name, Call f, double (*reference)(double)) {
  return {.name = name,
          .f = std::move(f),
          .reference = reference,
          .cases = {{.inputs = {shaped({2, 3, 5, 7})}}, {.what = "of a scalar", .inputs = {shaped({})}}},
          .integers = true,
          .twice = true};
}
const bool add_number_added = add_spec(with_number(
    "add_number", [](const Inputs& in) { return 2.0 + (in[0] - 0.25); }, [](double x) { return x + 1.75; }));
const bool mul_number_added = add_spec(with_number(
    "mul_number", [](const Inputs& in) { return 3.0 * (in[0] / 2.0); }, [](double x) { return 1.5 * x; }));
const bool neg_added = add_spec(with_number(
    "neg", [](const Inputs& in) { return 1.0 - (-in[0]); }, [](double x) { return 1 + x; }));

const bool add_whole_added = add_spec(with_number(
    "add_whole_number", [](const Inputs& in) { return 7.0 - (2.0 + (in[0] - 5.0)) * 3.0; },
    [](double x) { return 16 - 3 * x; }));
const bool div_number_added = add_spec(with_number(
    "div_number", [](const Inputs& in) { return in[0] / 3.0; }, [](double x) { return x / 3; }));
const bool number_div_added = add_spec({
    .name = "number_div",
    .f = [](const Inputs& in) { return 2.0 / in[0]; },
    .reference = [](double x) { return 2 / x; },
    .cases = {{.inputs = {shaped({2, 3, 5, 7}).between(0.6, 2)}},
              {.what = "by 0, infinity and NaN", .inputs = {values({0, -0.0, inf, nan})}, .gradients = false},
              {.what = "by whole numbers and 0", .inputs = {values({0, 1, 4})}, .gradients = false}},
    .integers = true,
    .twice = true,
});

const bool pow_number_added = add_spec({
    .name = "pow_number",
    .f = [](const Inputs& in) { return pow(in[0], 3); },
    .reference = [](double x) { return x * x * x; },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "a root",
               .inputs = {shaped({3, 5}).between(0.5, 2)},
               .f = [](const Inputs& in) { return pow(in[0], 0.5); },
               .reference = [](double x) { return std::sqrt(x); }},
              {.what = "square of 0 and of negatives",
               .inputs = {values({-2, -0.5, 0, 1})},
               .f = [](const Inputs& in) { return pow(in[0], 2); },
               .reference = [](double x) { return x * x; },
               .expanded = false}},
    .integers = true,
    .twice = true,
});

TEST(Pow, GradientOfTheExponentIsZeroAtBaseZero) {
  Tensor b = tensor({2, 0.5}, {2}, DType::fp64);
  b.requires_grad_();
  sum(pow(tensor({0, 0}, {2}, DType::fp64), b)).backward();
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{0, 0}));
}

const bool sum_to_added = add_spec({
    .name = "sum_to",
    .f =
        [](const Inputs& in) {
          return sum_to(in[0], {3, 1});
        },
    .reference =
        [](const Inputs& in) {
          return tabulate({3, 1}, [&](const Index& i) {
            double total = 0;
            for (std::int64_t n = 0; n < in[0].size(0); ++n) {
              for (std::int64_t w = 0; w < in[0].size(2); ++w) total += at(in[0], {n, i[0], w});
            }
            return total;
          });
        },
    .cases = {{.inputs = {shaped({2, 3, 5})}}},
    .integers = true,
    .twice = true,
});

}  // namespace
}  // namespace gadolin
