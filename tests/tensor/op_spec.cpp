// The tests of the op tests: ops with seeded faults, each of which its check must report.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tensor/function.h"
#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/op_spec_compare.h"

namespace gadolin {
namespace {

enum class Fault {
  none,
  value,
  gradient_scale,
  gradient_sign,
  gradient_dropped,
  gradient_input_only,
  ignores_strides,
  past_the_end,
  unwritten,
  random,
  all_slots,
  no_error
};

// y = a b for equal shapes, with plain loops and one fault.
struct Product {
  static constexpr auto name = "product";
  Fault fault;
  Saved a, b;
  Shape shape(const Tensor& x, const Tensor& z) const {
    require<ShapeError>(fault == Fault::no_error || x.shape() == z.shape(), "product: ", x.shape(), " and ",
                        z.shape(), " differ");
    return x.shape();
  }
  void save(const Tensor& x, const Tensor& z, const Tensor&) {
    a = x;
    b = z;
  }
  void forward(Cpu, const Tensor& x, const Tensor& z, Tensor& y) const {
    const bool wild = fault == Fault::ignores_strides;
    y.copy_(mul(wild && x.numel() > 0 ? x.view(x.shape(), strides_for(x.shape()), 0) : x, z));
    if (y.dtype() != DType::fp64 || y.numel() == 0) return;
    double* out = y.data<double>();
    static int calls = 0;
    if (fault == Fault::value) out[0] += 1e-9;
    if (fault == Fault::random) out[0] += 1e-15 * ++calls;
    if (fault == Fault::past_the_end) out[y.numel()] = 0;
    if (fault == Fault::unwritten) {
      Tensor fresh = empty(y.shape(), y.dtype());
      std::memcpy(out, fresh.raw(), sizeof(double));
    }
  }
  Grads backward(Cpu, const Tensor& dy, Need need) const {
    Tensor da = mul(dy, b), db = mul(dy, a);
    if (fault == Fault::gradient_scale) da.mul_(1.01);
    if (fault == Fault::gradient_sign) db.mul_(-1);
    if (fault == Fault::gradient_dropped && da.numel() > 0 && da.is_contiguous())
      da.flatten().slice(0, -1, da.numel()).zero_();
    if (fault == Fault::gradient_input_only && !need[1]) da.mul_(2);
    const bool all = fault == Fault::all_slots;
    return {need[0] || all ? da : Tensor(), need[1] || all ? db : Tensor()};
  }
};

OpSpec product(Fault fault) {
  return {.name = "product",
          .f =
              [fault](const Inputs& in) {
                return apply(Product{fault, {}, {}}, in[0], in[1]);
              },
          .reference = [](double a, double b) { return a * b; },
          .cases = {{.inputs = {shaped({2, 3, 4, 5}), shaped({2, 3, 4, 5})}}},
          .errors = {{.inputs = {shaped({3}), shaped({4})},
                      .message = "product: [3] and [4] differ",
                      .code = "GD-SHAPE-001"}}};
}

void expect_caught(Fault fault, Check check, const std::string& part) {
  const std::vector<std::string> failures = run_check(product(fault), check);
  ASSERT_FALSE(failures.empty());
  EXPECT_NE(failures[0].find(part), std::string::npos) << failures[0];
}

TEST(OpSpec, ARightOpPassesEveryCheck) {
  const OpSpec spec = product(Fault::none);
  for (Check check :
       {Check::values, Check::gradients, Check::wrong_gradients, Check::second_order, Check::need,
        Check::views, Check::bounds, Check::repeat, Check::backends, Check::messages}) {
    for (const std::string& text : run_check(spec, check)) ADD_FAILURE() << text;
  }
}
TEST(OpSpec, WrongValue) { expect_caught(Fault::value, Check::values, "product, fp64: y[0, 0, 0, 0] is "); }
TEST(OpSpec, WrongScaleOfGradient) {
  expect_caught(Fault::gradient_scale, Check::gradients, "product: gradient of input 0 [");
  expect_caught(Fault::gradient_scale, Check::gradients, "central difference says ");
  expect_caught(Fault::gradient_scale, Check::gradients, "; x there is ");
}
TEST(OpSpec, WrongSignOfGradient) {
  expect_caught(Fault::gradient_sign, Check::gradients, "gradient of input 1 [");
}
TEST(OpSpec, DroppedElementOfGradient) {
  expect_caught(Fault::gradient_dropped, Check::gradients, "gradient of input 0 [1, 2, 3, 4] is 0");
}
TEST(OpSpec, GradientThatDependsOnWhoWantsIt) {
  expect_caught(Fault::gradient_input_only, Check::need, "together with others says ");
}
TEST(OpSpec, GradientNobodyAskedFor) {
  expect_caught(Fault::all_slots, Check::need, "although only slot 0 was needed");
}
TEST(OpSpec, IgnoredStrides) {
  expect_caught(Fault::ignores_strides, Check::views, "product, transposed view as input 0: y[");
}
TEST(OpSpec, WritePastTheEnd) {
  expect_caught(Fault::past_the_end, Check::bounds, "was written out of bounds after its end");
}
TEST(OpSpec, ElementLeftUnwritten) {
  expect_caught(Fault::unwritten, Check::bounds, "guarded memory, fp64: y[0, 0, 0, 0] is ");
}
TEST(OpSpec, ResultThatVaries) {
  expect_caught(Fault::random, Check::repeat, "run twice, fp64: y[0, 0, 0, 0] is ");
}
TEST(OpSpec, MissingError) {
  expect_caught(Fault::no_error, Check::messages, "wanted\n  product: [3] and [4] differ");
}

TEST(OpSpec, IntegersThatNobodySpokeOf) {
  expect_caught(Fault::none, Check::integers, "product: takes int64; the spec must say .integers = true");
  OpSpec cut = product(Fault::none);
  cut.f = [](const Inputs& in) { return (in[0] * 1.5).to(in[0].dtype()) * in[1]; };
  cut.reference = [](double a, double b) { return 1.5 * a * b; };
  EXPECT_TRUE(run_check(cut, Check::values).empty());
  cut.dtypes = {DType::int32};
  EXPECT_EQ(run_check(cut, Check::values).size(), 2u) << "the whole, and a batch of 1";
}

TEST(OpSpec, WrongTextOrCodeOfAnError) {
  OpSpec spec = product(Fault::none);
  spec.errors[0].message = "product: [3] and [4] differ; transpose one";
  EXPECT_EQ(run_check(spec, Check::messages).size(), 1u);
  spec = product(Fault::none);
  spec.errors[0].code = "GD-SHAPE-002";
  EXPECT_EQ(run_check(spec, Check::messages).size(), 1u);
}

TEST(OpSpec, GradientsTooSmallToTellAreReported) {
  OpSpec spec = product(Fault::none);
  spec.cases = {{.inputs = {shaped({3}).between(0, 1e-5), shaped({3}).between(0, 1e-5)}}};
  EXPECT_EQ(run_check(spec, Check::wrong_gradients).size(), 1u);
}

TEST(OpSpec, SpecMustSayWhetherTwice) {
  OpSpec spec = product(Fault::none);
  spec.twice = true;
  EXPECT_FALSE(run_check(spec, Check::second_order).empty());
  spec.f = [](const Inputs& in) { return mul(in[0], in[1]); };
  EXPECT_TRUE(run_check(spec, Check::second_order).empty());
  spec.twice = false;
  EXPECT_FALSE(run_check(spec, Check::second_order).empty());
}

TEST(OpSpec, ComparisonFailsOnNanAndShape) {
  const Comparison how{"y", "the reference", {1, 1, 1}};
  const Tensor good = tensor({1, 2}, {2}, DType::fp64), bad = tensor({1, std::nan("")}, {2}, DType::fp64);
  EXPECT_EQ(mismatch(good, good, how), "");
  EXPECT_NE(mismatch(bad, good, how), "");
  EXPECT_NE(mismatch(good, bad, how), "");
  EXPECT_NE(mismatch(bad, bad, how), "");
  EXPECT_EQ(mismatch(good, good.unsqueeze(0), how), "y has shape [2], the reference has shape [1, 2]");
  const Tensor infinite = tensor({1, INFINITY}, {2}, DType::fp64);
  EXPECT_EQ(mismatch(infinite, infinite, how), "");
  EXPECT_NE(mismatch(infinite, good, how), "");
  EXPECT_NE(mismatch(good, infinite, how), "");
}

TEST(OpSpec, FailureTextNamesElementAndLimit) {
  const Comparison how{"gradient dx", "central difference", numeric_gradient_limit};
  EXPECT_EQ(mismatch(tensor({0, 0, 0, 0.7310586}, {2, 2}, DType::fp64),
                     tensor({0, 0, 0, 0.9276705}, {2, 2}, DType::fp64), how),
            "gradient dx[1, 1] is 0.7310586, central difference says 0.9276705 (relative error 2.1e-01, "
            "limit 1e-06)");
}

}  // namespace
}  // namespace gadolin
