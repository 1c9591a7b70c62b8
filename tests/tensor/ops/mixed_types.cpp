// Tensors of different types, and integer tensors with numbers: types and values of results as PyTorch's, and
// nothing that is cut in silence.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tests/scratch.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using test::message_of;
using Values = std::vector<double>;

void expect(const Tensor& t, DType dtype, const Values& want) {
  EXPECT_EQ(t.dtype(), dtype) << t.str();
  EXPECT_EQ(t.to_vector<double>(), want) << t.str();
}

TEST(MixedTypes, IntegersAndFractions) {
  expect(arange(4) / 2, DType::fp32, {0, 0.5, 1, 1.5});
  expect(arange(4) + 0.5, DType::fp32, {0.5, 1.5, 2.5, 3.5});
  expect(arange(4) * 2.5, DType::fp32, {0, 2.5, 5, 7.5});
  expect(arange(4) - 0.5, DType::fp32, {-0.5, 0.5, 1.5, 2.5});
  expect(0.5 - arange(3), DType::fp32, {0.5, -0.5, -1.5});
  expect(arange(4, DType::uint8) * 0.5, DType::fp32, {0, 0.5, 1, 1.5});
  expect(pow(arange(5), 0.5), DType::fp32, pow(arange(5, DType::fp32), 0.5).to_vector<double>());
  expect(pow(arange(3) + 1, -1), DType::fp32, {1, 0.5, static_cast<double>(1.0f / 3)});
  EXPECT_EQ((arange(50) / 49)[49].item(), 1);  // 49 times the reciprocal of 49 is less in fp32
}

TEST(MixedTypes, IntegersAndWholeNumbersStayIntegers) {
  for (DType t : {DType::int64, DType::int32, DType::uint8}) {
    expect(arange(4, t) + 2, t, {2, 3, 4, 5});
    expect(arange(4, t) * 3, t, {0, 3, 6, 9});
    expect((arange(4, t) + 4) - 3, t, {1, 2, 3, 4});
    expect(9 - arange(4, t), t, {9, 8, 7, 6});
    expect(pow(arange(4, t), 2), t, {0, 1, 4, 9});
    expect(clamp(arange(5, t), 1, 3), t, {1, 1, 2, 3, 3});
  }
  expect(clamp(arange(5), 0.5, INFINITY), DType::fp32, {0.5, 1, 2, 3, 4});
  const Tensor mask = arange(3) > 0;
  expect(mask * 2, DType::int64, {0, 2, 2});
  expect(1 - mask, DType::int64, {1, 0, 0});
  expect(mask * 0.5, DType::fp32, {0, 0.5, 0.5});
  expect(arange(2, DType::uint8) - 1, DType::uint8, {255, 0});  // wraps around
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  EXPECT_EQ((from_vector<std::int64_t>({large}, {1}) + 2).item<std::int64_t>(), large + 2);
  EXPECT_EQ(pow(from_vector<std::int64_t>({3}, {1}), 39).item<std::int64_t>(), 4052555153018976267);
}

TEST(MixedTypes, DivisionByZeroOfIntegers) {
  const std::vector<double> y =
      (tensor({-1, 0, 1}, {3}, DType::int64) / zeros({3}, DType::int64)).to_vector<double>();
  EXPECT_EQ(y[0], -INFINITY);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], INFINITY);
  EXPECT_EQ((arange(2) / 0).to_vector<double>()[1], INFINITY);
  EXPECT_EQ((1 / arange(2)).to_vector<double>()[0], INFINITY);
  expect((arange(2) > 0) / (arange(2) > -1), DType::fp32, {0, 1});
}

TEST(MixedTypes, TheFloatingOrTheWiderTypeDecides) {
  const Values x = {0, 1, 3}, y = {2, 1, 1};
  for (DType a : all_types) {
    for (DType b : all_types) {
      if (a == b || (is_floating(a) && is_floating(b))) continue;
      const Tensor p = tensor(x, {3}, a), q = tensor(y, {3}, b);
      const DType want = is_floating(a) || (!is_floating(b) && size_of(a) > size_of(b))     ? a
                         : is_floating(b) || size_of(b) > size_of(a) || a == DType::boolean ? b
                                                                                            : a;
      const bool ones = a == DType::boolean, other_ones = b == DType::boolean;
      const auto number = [](double v, bool one) { return one && v != 0 ? 1 : v; };
      Values sums, products, largest, chosen;
      for (std::size_t i = 0; i < 3; ++i) {
        const double u = number(x[i], ones), v = number(y[i], other_ones);
        sums.push_back(u + v);
        products.push_back(u * v);
        largest.push_back(std::max(u, v));
        chosen.push_back(i == 0 ? u : v);
      }
      const std::string what = std::string(name_of(a)) + " and " + name_of(b);
      SCOPED_TRACE(what);
      expect(p + q, want, sums);
      expect(p * q, want, products);
      expect(maximum(p, q), want, largest);
      expect(where(arange(3) < 1, p, q), want, chosen);
      EXPECT_EQ((p / q).dtype(), is_floating(want) ? want : DType::fp32);
      EXPECT_EQ((p < q).to_vector<double>(), (Values{1, x[1] < y[1] ? 1.0 : 0.0, 0}));
    }
  }
}

TEST(MixedTypes, GradientsReachTheFloatingSide) {
  Tensor x = tensor({1, 2, 3}, {3}, DType::fp32).requires_grad_();
  sum(x * arange(3) + arange(3) / x).backward();
  const Values dx = x.grad().to_vector<double>(), want{0, 0.75, 2 - 2.0 / 9};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(dx[i], want[i], 1e-6);
}

TEST(MixedTypes, ComparisonsKeepEveryDigit) {
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  const Tensor big = from_vector<std::int64_t>({large, 16777217}, {2});
  EXPECT_EQ(eq(big, 9007199254740992.0).to_vector<double>(), (Values{0, 0}));
  EXPECT_EQ((big > 9007199254740992.0).to_vector<double>(), (Values{1, 0}));
  EXPECT_EQ(eq(big, full({2}, 16777216)).to_vector<double>(), (Values{0, 0}));
  EXPECT_EQ((big >= 1e300).to_vector<double>(), (Values{0, 0}));
  EXPECT_EQ((arange(3) < 1.5).to_vector<double>(), (Values{1, 1, 0}));
  EXPECT_EQ((arange(3) <= tensor({0.5, 1, NAN}, {3})).to_vector<double>(), (Values{1, 1, 0}));
}

TEST(MixedTypes, Messages) {
  EXPECT_EQ(message_of<ValueError>([] { arange(3, DType::int32) + 3e9; }),
            "add: the number 3e+09 is outside int32; convert the tensor with .to(DType::fp64)");
  EXPECT_EQ(message_of<ValueError>([] { arange(3) * 1e19; }),
            "mul: the number 1e+19 is outside int64; convert the tensor with .to(DType::fp64)");
  EXPECT_EQ(message_of<ValueError>([] { clamp(arange(3, DType::uint8), -1, 1); }),
            "clamp: the number -1 is outside uint8; convert the tensor with .to(DType::fp64)");
  EXPECT_EQ(message_of<DTypeError>([] { -(arange(3) > 1); }),
            "neg: bool is not supported; use !x, or convert with .to(DType::int64)");
  EXPECT_EQ(message_of<ValueError>([] { pow(arange(3), arange(3) - 1); }),
            "pow: integers to negative powers are fractions; convert one with .to(DType::fp32)");
  EXPECT_EQ(message_of<ValueError>([] { full({2}, 0.5, DType::int64); }),
            "fill_: int64 cannot hold 0.5; use a floating type, or round the number first");
  for (double v : {256.0, -1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)})
    EXPECT_THROW(full({2}, v, DType::uint8), ValueError) << v;
  EXPECT_EQ(full({1}, 255, DType::uint8).item(), 255);
  EXPECT_EQ(full({1}, -0x1p63, DType::int64).item<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
}

// --- in place ----------------------------------------------------------------------------------------------

TEST(InPlace, WritesIntoTheMemoryThatOthersSee) {
  Tensor x = arange(6, DType::fp32).reshape({2, 3}), other = x;
  x += 1;
  x *= tensor({1, 0, 2}, {3});
  x[1] -= 4;
  x.select(1, 2) /= 2;
  EXPECT_EQ(other.to_vector<double>(), (Values{1, 0, 3, 0, -4, 4}));
  Tensor i = arange(3, DType::int32);
  i += arange(3);
  i -= 1;
  i *= 2;
  expect(i, DType::int32, {-2, 2, 6});
  Tensor f = ones({3}, DType::fp16);
  f += arange(3);
  f /= 2;
  expect(f, DType::fp16, {0.5, 1, 1.5});
}

TEST(InPlace, Messages) {
  Tensor i = arange(3);
  EXPECT_EQ(message_of<DTypeError>([&] { i += 0.5; }),
            "+=: the result is fp32, which int64 cannot hold; convert with .to(DType::fp32) first");
  EXPECT_EQ(message_of<DTypeError>([&] { i /= 2; }),
            "/=: the result is fp32, which int64 cannot hold; convert with .to(DType::fp32) first");
  EXPECT_EQ(message_of<DTypeError>([&] { (i > 1) += arange(3); }),
            "+=: the result is int64, which bool cannot hold; convert with .to(DType::int64) first");
  EXPECT_EQ(message_of<ShapeError>([&] {
              i *= ones({2, 3}, DType::int64);
            }),
            "*=: the result has shape [2, 3], not [3]");
  expect(i, DType::int64, {0, 1, 2});
  Tensor total = zeros({});
  const Tensor loss = sum(ones({2}).requires_grad_());
  EXPECT_EQ(
      message_of<AutogradError>([&] { total += loss; }),
      "+=: the result would be recorded, and what is on the tape is not changed in place; write t = t + x, "
      "or work under NoGrad");
  Tensor leaf = ones({2}).requires_grad_();
  EXPECT_THROW(leaf += 1, AutogradError);
  const NoGrad guard;
  leaf -= 0.5;
  EXPECT_EQ(leaf.to_vector<double>(), (Values{0.5, 0.5}));
}

// --- truth values ------------------------------------------------------------------------------------------

TEST(Logic, TruthTables) {
  const Tensor a = tensor({0, 0, 1, 1}, {4}, DType::boolean), b = tensor({0, 1, 0, 1}, {4}, DType::boolean);
  expect(a && b, DType::boolean, {0, 0, 0, 1});
  expect(a || b, DType::boolean, {0, 1, 1, 1});
  expect(!a, DType::boolean, {1, 1, 0, 0});
  expect(!tensor({0, -0.0, 0.25, NAN, INFINITY}, {5}), DType::boolean, {1, 1, 0, 0, 0});
  expect(tensor({0, 0.25, NAN}, {3}) && arange(3), DType::boolean, {0, 1, 1});
  expect(arange(2).unsqueeze(1) || arange(2), DType::boolean, {0, 1, 1, 1});
  expect((arange(5) >= 1) && (arange(5) <= 3), DType::boolean, {0, 1, 1, 1, 0});
}

}  // namespace
}  // namespace gadolin
