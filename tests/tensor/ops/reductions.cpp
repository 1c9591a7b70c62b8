// Specs of sums, means, variances and extremes over any dimensions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using Fold = double (*)(const std::vector<double>&);
using Op = Tensor (*)(const Tensor&, const Dims&, bool);

// The elements that fall together go to `fold` in row-major order.
Reference over(const Dims& dims, bool keep, Fold fold) {
  return [=](const Inputs& in) {
    const Shape& from = in[0].shape();
    Shape kept = from, result;
    for (int d = 0; d < from.dim(); ++d) {
      const bool reduced = dims.empty() || std::any_of(dims.begin(), dims.end(), [&](int r) {
                             return (r < 0 ? r + from.dim() : r) == d;
                           });
      if (reduced) kept[d] = 1;
      if (!reduced || keep) result.push_back(kept[d]);
    }
    std::vector<std::vector<double>> groups(static_cast<std::size_t>(kept.numel()));
    tabulate(from, [&](const Index& i) {
      std::int64_t group = 0;
      for (int d = 0; d < from.dim(); ++d)
        group = group * kept[d] + (kept[d] == 1 ? 0 : i[static_cast<std::size_t>(d)]);
      groups[static_cast<std::size_t>(group)].push_back(at(in[0], i));
      return 0.0;
    });
    std::vector<double> y;
    for (const auto& group : groups) y.push_back(fold(group));
    return tensor(y, result, DType::fp64);
  };
}

double sum_of(const std::vector<double>& x) {
  long double total = 0;
  for (double v : x) total += static_cast<long double>(v);
  return static_cast<double>(total);
}
double mean_of(const std::vector<double>& x) { return sum_of(x) / static_cast<double>(x.size()); }
double variance(const std::vector<double>& x, int correction) {
  const double m = mean_of(x);
  double total = 0;
  for (double v : x) total += (v - m) * (v - m);
  return total / std::max(static_cast<double>(x.size()) - correction, 0.0);
}
double unbiased(const std::vector<double>& x) { return variance(x, 1); }
double of_population(const std::vector<double>& x) { return variance(x, 0); }
double largest(const std::vector<double>& x) {
  double best = x.at(0);
  for (double v : x) best = std::isnan(v) || v > best ? v : best;
  return best;
}
double smallest(const std::vector<double>& x) {
  double best = x.at(0);
  for (double v : x) best = std::isnan(v) || v < best ? v : best;
  return best;
}

// Outer, inner, middle, several and all dimensions, with and without keeping them, of odd sizes.
std::vector<OpCase> cases(Op op, Fold fold, const Input& like, bool empty = true) {
  struct Choice {
    Dims dims;
    bool keep;
  };
  const Choice choices[] = {{{}, false}, {{}, true},         {{-1}, false},  {{0}, false},
                            {{1}, true}, {{0, 2, 3}, false}, {{1, 3}, true}, {{3, 0}, false}};
  std::vector<OpCase> all;
  for (const Choice& choice : choices) {
    const bool first =
        choice.dims.empty() || std::find(choice.dims.begin(), choice.dims.end(), 0) != choice.dims.end();
    Input input = like;
    input.shape = {2, 3, 5, 7};
    all.push_back(
        {.what =
             cat("over ", to_string(Shape(std::vector<std::int64_t>(choice.dims.begin(), choice.dims.end()))),
                 choice.keep ? " kept" : ""),
         .inputs = {input},
         .f = [op, choice](const Inputs& in) { return op(in[0], choice.dims, choice.keep); },
         .reference = over(choice.dims, choice.keep, fold),
         .expanded = like.kind != Input::Kind::distinct,
         .empty = empty || !first});
  }
  Input wide = like, tall = like, scalar = like;
  wide.shape = {3, 4099};
  tall.shape = {4099, 3};
  scalar.shape = {};
  const auto large = [&](const char* what, const Input& input, const Dims& dims, bool may_be_empty) {
    all.push_back({.what = what,
                   .inputs = {input},
                   .f = [op, dims](const Inputs& in) { return op(in[0], dims, false); },
                   .reference = over(dims, false, fold),
                   .gradients = false,
                   .empty = may_be_empty});
  };
  large("wide rows", wide, {1}, true);
  large("tall columns", tall, {0}, empty);
  large("everything of many", wide, {}, empty);
  large("of a scalar", scalar, {}, empty);
  return all;
}

std::vector<ErrorCase> dim_errors(const char* name, Op op) {
  return {{.inputs = {shaped({2, 3})},
           .message = cat(name, ": dimension 2 is outside a tensor of 2 dimensions"),
           .code = "GD-SHAPE-003",
           .f = [op](const Inputs& in) { return op(in[0], {2}, false); }}};
}
std::vector<ErrorCase> errors(const char* name, Op op) {
  std::vector<ErrorCase> all = dim_errors(name, op);
  all.push_back({.inputs = {shaped({2, 3}, DType::boolean)},
                 .message = cat(name, ": bool is not supported; convert with .to(DType::fp32)"),
                 .code = "GD-DTYPE-002",
                 .f = [op](const Inputs& in) { return op(in[0], {}, false); }});
  return all;
}

Tensor unbiased_var(const Tensor& x, const Dims& dims, bool keep) { return var(x, dims, 1, keep); }
Tensor population_var(const Tensor& x, const Dims& dims, bool keep) { return var(x, dims, 0, keep); }

const Input plain = shaped({});
const bool sum_added = add_spec({.name = "sum",
                                 .cases = cases(sum, sum_of, plain),
                                 .errors = dim_errors("sum", sum),
                                 .integers = true,
                                 .twice = true});
const bool mean_added = add_spec({.name = "mean",
                                  .cases = cases(mean, mean_of, shaped({}).between(-9, 30), false),
                                  .errors = errors("mean", mean),
                                  .twice = true});
// One element has no unbiased variance: NaN on both sides.
std::vector<OpCase> variances() {
  std::vector<OpCase> all = cases(unbiased_var, unbiased, shaped({}).between(-3, 9), false);
  for (OpCase& c : all) c.may_be_nan = true;
  return all;
}
const bool var_added =
    add_spec({.name = "var", .cases = variances(), .errors = errors("var", unbiased_var), .twice = true});
const bool population_added =
    add_spec({.name = "var_of_population",
              .cases = cases(population_var, of_population, shaped({}).between(-3, 9), false),
              .twice = true});

const Input apart = shaped({}).between(-3, 3).distinct();
const bool max_added = add_spec({.name = "max",
                                 .cases = cases(max, largest, apart, false),
                                 .errors = dim_errors("max", max),
                                 .integers = true,
                                 .twice = true});
const bool min_added = add_spec({.name = "min",
                                 .cases = cases(min, smallest, apart, false),
                                 .errors = dim_errors("min", min),
                                 .integers = true,
                                 .twice = true});

double first_largest(const std::vector<double>& x) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < x.size() && !std::isnan(x[best]); ++i) {
    if (std::isnan(x[i]) || x[i] > x[best]) best = i;
  }
  return static_cast<double>(best);
}
double first_smallest(const std::vector<double>& x) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < x.size() && !std::isnan(x[best]); ++i) {
    if (std::isnan(x[i]) || x[i] < x[best]) best = i;
  }
  return static_cast<double>(best);
}

OpSpec arg_spec(const char* name, Tensor (*op)(const Tensor&, int, bool), Fold fold) {
  const auto along = [op](int dim, bool keep) {
    return [=](const Inputs& in) { return op(in[0], dim, keep); };
  };
  return {
      .name = name,
      .cases = {{.inputs = {shaped({2, 3, 5, 7})}, .f = along(1, false), .reference = over({1}, false, fold)},
                {.what = "rows",
                 .inputs = {shaped({33, 65})},
                 .f = along(-1, true),
                 .reference = over({-1}, true, fold)},
                {.what = "columns",
                 .inputs = {shaped({65, 33})},
                 .f = along(0, false),
                 .reference = over({0}, false, fold),
                 .empty = false},
                {.what = "ties",
                 .inputs = {values({2, 3, 3, 1, 1, 1, 3, 0, 0}, {3, 3})},
                 .f = along(1, false),
                 .reference = over({1}, false, fold)},
                {.what = "NaN",
                 .inputs = {values({2, nan, nan, 1, -INFINITY, INFINITY}, {2, 3}, DType::fp32)},
                 .f = along(1, false),
                 .reference = over({1}, false, fold)},
                {.what = "many",
                 .inputs = {shaped({3, 20011})},
                 .f = along(1, false),
                 .reference = over({1}, false, fold)},
                {.what = "columns in pieces",
                 .inputs = {shaped({4097, 16})},
                 .f = along(0, false),
                 .reference = over({0}, false, fold),
                 .empty = false},
                {.what = "short rows",
                 .inputs = {shaped({301, 7})},
                 .f = along(1, false),
                 .reference = over({1}, false, fold)}},
      .errors = {{.inputs = {shaped({2, 0})},
                  .message = cat(name, ": dimension 1 of [2, 0] is empty; there is nothing to choose from"),
                  .code = "GD-SHAPE-001",
                  .f = along(1, false)},
                 {.inputs = {shaped({2, 3})},
                  .message = cat(name, ": dimension -3 is outside a tensor of 2 dimensions"),
                  .code = "GD-SHAPE-003",
                  .f = along(-3, false)}},
      .dtypes = all_types,
      .differentiable = false};
}
const bool argmax_added = add_spec(arg_spec("argmax", argmax, first_largest));
const bool argmin_added = add_spec(arg_spec("argmin", argmin, first_smallest));

TEST(Reductions, ExtremesGiveTheirGradientToTheFirstOfEquals) {
  Tensor x = tensor({1, 3, 3, 2, 2, 2}, {2, 3}, DType::fp64);
  x.requires_grad_();
  sum(max(x, {1})).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 1, 0, 1, 0, 0}));
}

TEST(Reductions, SumsOfIntegersAndBoolsAreInt64) {
  for (DType t : {DType::int64, DType::int32, DType::uint8, DType::boolean}) {
    const Tensor x = full({300}, 1, t);
    EXPECT_EQ(sum(x).dtype(), DType::int64);
    EXPECT_EQ(sum(x).item<std::int64_t>(), 300);
    EXPECT_EQ(cumsum(x, 0)[-1].item<std::int64_t>(), 300);
    EXPECT_EQ(max(x).dtype(), t);
  }
  EXPECT_EQ(max(arange(3) > 1).item(), 1);
}

TEST(Reductions, NanWins) {
  const Tensor x = tensor({1, NAN, 3}, {3});
  for (const Tensor& y : {max(x), min(x), sum(x), mean(x), var(x)}) EXPECT_TRUE(std::isnan(y.item()));
}

TEST(Reductions, NothingToReduce) {
  const Tensor none = empty({0, 3});
  EXPECT_EQ(sum(none, {0}).to_vector<float>(), (std::vector<float>{0, 0, 0}));
  EXPECT_TRUE(std::isnan(mean(none).item()));
  EXPECT_THROW(max(none, {0}), ShapeError);
  EXPECT_EQ(max(none, {1}).shape(), Shape({0}));
}

// 1e8 + small numbers: sums kept in float would lose them.
TEST(Reductions, SumsOfFloatsAreKeptInDouble) {
  std::vector<float> x(10001, 0.25f);
  x[0] = 1e8f;
  EXPECT_EQ(sum(from_vector(x, {10001})).item<float>(), 100002500.0f);
}

TEST(Reductions, MeanOfIntegersIsRefused) { EXPECT_THROW(mean(arange(3)), DTypeError); }

TEST(Reductions, VarianceOfLargeMeansKeepsItsDigits) {
  const Tensor x = tensor({10000.1, 10000.2, 10000.3}, {3}, DType::fp64);
  EXPECT_NEAR(var(x).item(), 0.01, 1e-12);
}

TEST(Reductions, ResultDoesNotDependOnTheNumberOfThreads) {
  const Tensor x = rand({257, 1031}, 3, 0);
  for (const Dims& dims : {Dims{}, Dims{0}, Dims{1}}) {
    set_num_threads(1);
    const auto one = sum(x, dims).to_vector<float>();
    set_num_threads(3);
    EXPECT_EQ(sum(x, dims).to_vector<float>(), one);
  }
  set_num_threads(0);
}

}  // namespace
}  // namespace gadolin
