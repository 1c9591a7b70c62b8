// The logistic function and its logarithm in fp32 against fp64: everywhere, at the limits, for Inf and NaN.
#include "tensor/logistic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gadolin {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

TEST(Logistic, Fp32IsWithin3e7OfFp64) {
  double worst_logistic = 0, worst_softplus = 0;
  for (float x = -86; x < 120; x += 0.000731f) {
    const double e = std::exp(-std::abs(static_cast<double>(x))), s = (x < 0 ? e : 1) / (1 + e),
                 p = std::max<double>(x, 0) + std::log1p(e);
    worst_logistic = std::max(worst_logistic, std::abs(detail::logistic(x) - s) / s);
    worst_softplus = std::max(worst_softplus, std::abs(detail::softplus_of(x) - p) / p);
  }
  EXPECT_LT(worst_logistic, 3e-7);
  EXPECT_LT(worst_softplus, 3e-7);
}

TEST(Logistic, AtTheLimits) {
  EXPECT_EQ(detail::logistic(0.0f), 0.5f);
  EXPECT_EQ(detail::logistic(infinite), 1.0f);
  EXPECT_EQ(detail::logistic(-infinite), 0.0f);
  EXPECT_EQ(detail::logistic(-87.0f), 0.0f);
  EXPECT_EQ(detail::softplus_of(infinite), infinite);
  EXPECT_EQ(detail::softplus_of(-infinite), 0.0f);
  EXPECT_EQ(detail::softplus_of(1e30f), 1e30f);
  EXPECT_TRUE(std::isnan(detail::logistic(std::nanf(""))));
  EXPECT_TRUE(std::isnan(detail::softplus_of(std::nanf(""))));
}

}  // namespace
}  // namespace gadolin
