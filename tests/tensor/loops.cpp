// Loops of a GPU over any strides: positions of 32 bits, divisions by multiplication, packs, and parts of
// what is too large for 32 bits.
#include "tensor/loops.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tensor/ops.h"

using namespace gadolin;

namespace {

TEST(SmallLoops, DivisionsAreExact) {
  const std::uint32_t most = (1u << 31) - 1;
  std::vector<std::uint32_t> divisors{
      1,    2,     3,     5,     7,       10,       11,           641,      1023, 1024,
      1025, 65535, 65536, 65537, 6700417, most / 2, most / 2 + 1, most - 1, most};
  for (std::uint32_t d = 1; d < 400; ++d) divisors.push_back(d);
  for (const std::uint32_t d : divisors) {
    const detail::Divisor by(d);
    std::vector<std::uint32_t> numbers{0, 1, most, most - 1};
    for (const std::uint64_t times :
         {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{1000}, std::uint64_t{most} / d})
      for (const int near : {-1, 0, 1}) {
        const std::int64_t n = static_cast<std::int64_t>(times * d) + near;
        if (n >= 0 && n <= most) numbers.push_back(static_cast<std::uint32_t>(n));
      }
    for (std::uint32_t n = 0; n < 1000; ++n) numbers.push_back(n * 2147483u);
    for (const std::uint32_t n : numbers) ASSERT_EQ(by.divide(n), n / d) << n << " / " << d;
  }
}

// Every element is in one part, at the place that the whole loop gives it.
TEST(SmallLoops, WhatIsTooLargeFallsIntoParts) {
  const Tensor x = arange(7 * 5 * 6).reshape({7, 5, 6}).transpose(0, 2), bias = arange(5).reshape({5, 1});
  const Tensor y = empty({6, 5, 7}, x.dtype());
  const auto plan = plan_loop(y, x, bias);
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> found;  // place in y -> those in x and bias
  int parts = 0;
  const std::int64_t most = 60;
  detail::each_small_loop(
      plan,
      [&](const LoopPlan<3>& part, const std::int64_t* from) {
        ++parts;
        EXPECT_LT(part.numel, most);
        for (std::int64_t i = 0; i < part.numel; ++i) {
          std::int64_t at[3] = {from[0], from[1], from[2]}, rest = i;
          for (int d = part.dim - 1; d >= 0; --d) {
            for (int k = 0; k < 3; ++k) at[k] += rest % part.sizes[d] * part.strides[k][d];
            rest /= part.sizes[d];
          }
          EXPECT_TRUE(found.emplace(at[0], std::pair(at[1], at[2])).second) << at[0];
        }
      },
      {}, most);
  EXPECT_GT(parts, 3);
  EXPECT_EQ(found.size(), 210u);
  for (std::int64_t a = 0; a < 6; ++a)
    for (std::int64_t b = 0; b < 5; ++b)
      for (std::int64_t c = 0; c < 7; ++c) {
        const auto at = found.at(a * y.stride(0) + b * y.stride(1) + c * y.stride(2));
        EXPECT_EQ(at.first, a * x.stride(0) + b * x.stride(1) + c * x.stride(2));
        EXPECT_EQ(at.second, b * bias.stride(0));
      }
}

TEST(SmallLoops, PacksWantNeighboursInEveryTensor) {
  const auto packs = [](const Tensor& y, const Tensor& x, const Tensor& other, int width) {
    const std::int64_t from[3] = {};
    return detail::packs_innermost(plan_loop(y, x, other), from, width);
  };
  const Tensor y = empty({4, 6, 8}), channels = empty({8}), rows = empty({6, 1}), wide = empty({4, 6, 10});
  EXPECT_TRUE(packs(y, y, channels, 8));
  EXPECT_TRUE(packs(y, y, rows, 4));                     // one number along the innermost dimension
  EXPECT_FALSE(packs(y, y, channels, 16));               // longer than the dimension
  EXPECT_FALSE(packs(y, wide.slice(2, 0, 8), rows, 8));  // rows that begin between packs
  EXPECT_TRUE(packs(y, wide.slice(2, 0, 8), rows, 2));
  EXPECT_FALSE(packs(y, empty({4, 8, 6}).transpose(1, 2), rows, 2));
}

}  // namespace
