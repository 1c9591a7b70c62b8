// Winograd's convolution on each kind of vectors that this processor has: values and gradients against plain
// sums in fp64, errors in fp32, slices, tails, bits that do not depend on the batch or the threads.
#include "layers/winograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <string>

#include "layers/winograd_kernels.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

using namespace detail;

struct WinogradCase {
  std::int64_t n, c, h, w, k;
  Pair padding;
};
// Tiles cut at every side, one pixel, channels that fill no vector and no panel, more tiles than a block has.
const WinogradCase winograd_cases[] = {{2, 16, 9, 7, 16, 1},      {1, 5, 4, 4, 3, 1},    {1, 1, 1, 1, 1, 1},
                                       {3, 37, 5, 11, 70, 1},     {1, 20, 6, 6, 33, 0},  {2, 8, 3, 5, 17, 2},
                                       {1, 16, 8, 9, 16, {2, 0}}, {1, 19, 61, 47, 18, 1}};

std::vector<WinogradChoice> winograd_choices() {
  std::vector<WinogradChoice> all;
  for (const int bytes : {32, 64}) {
    for (const int tile : {2, 4}) {
      if (bytes <= winograd_lanes()) all.push_back({tile, bytes});
    }
  }
  return all;
}

// Of dense tensors of one shape, whatever their order in memory.
bool same_bits(const Tensor& a_any, const Tensor& b_any) {
  const Tensor a = a_any.contiguous(), b = b_any.contiguous();
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.nbytes())) == 0;
}

// Largest difference as a share of the reference's root mean square; NaN stays NaN.
double worst_share(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(DType::fp64), y = b.to(DType::fp64);
  return max(abs(x - y)).item() / std::sqrt(mean(y * y).item());
}

struct Pixels {
  Tensor x, w, b, dy;
  ConvSizes z;
};
Pixels pixels_of(const WinogradCase& c, DType dtype) {
  manual_seed(7);
  Pixels p;
  p.x = randn({c.n, c.c, c.h, c.w}).to(dtype).contiguous(MemoryFormat::channels_last);
  p.w = randn({c.k, c.c, 3, 3}).to(dtype);
  p.b = randn({c.k}).to(dtype);
  p.z = conv_sizes(p.x, p.w, {.padding = c.padding});
  p.dy = randn({c.n, c.k, p.z.p, p.z.q}).to(dtype).contiguous(MemoryFormat::channels_last);
  return p;
}

TEST(Winograd, AllPassesAgreeWithPlainSums) {
  const NoGrad guard;
  ASSERT_TRUE(winograd_lanes() == 0 || winograd_choices().size() >= 2);
  for (const WinogradChoice how : winograd_choices()) {
    for (const DType dtype : {DType::fp64, DType::fp32}) {
      for (const WinogradCase& c : winograd_cases) {
        SCOPED_TRACE(testing::Message() << how.tile << " " << how.lane_bytes << " " << name_of(dtype) << ": "
                                        << c.n << " " << c.c << " " << c.h << " " << c.w << " " << c.k);
        const Pixels p = pixels_of(c, dtype);
        const Tensor x = p.x.to(DType::fp64), w = p.w.to(DType::fp64), dy = p.dy.to(DType::fp64);
        const double allowed = dtype == DType::fp64 ? 1e-13 : 2e-5;
        Tensor expected = empty(p.dy.shape(), DType::fp64);
        conv_forward_reference(p.z, x, w, expected);
        expected = relu(expected + p.b.to(DType::fp64).reshape({1, c.k, 1, 1}) + dy);
        Tensor y = empty_like(p.dy);
        y.fill_(std::numeric_limits<double>::quiet_NaN());
        conv_forward_winograd(how, p.z, p.x, p.w, {}, p.b, {.addend = p.dy, .relu = true}, y);
        EXPECT_LT(worst_share(y, expected), allowed);
        EXPECT_LT(worst_share(conv_data_gradient_winograd(how, p.z, p.dy, p.w, p.x),
                              conv_data_gradient_reference(p.z, dy, w, x)),
                  allowed);
        EXPECT_LT(worst_share(conv_filter_gradient_winograd(how, p.z, p.dy, p.x, p.w),
                              conv_filter_gradient_reference(p.z, dy, x, w)),
                  allowed);
      }
    }
  }
}

// bfloat16 is arithmetic in fp32 between the same numbers, rounded once.
TEST(Winograd, OfBfloat16GivesTheBitsOfFp32Rounded) {
  const NoGrad guard;
  for (const WinogradChoice how : winograd_choices()) {
    for (const WinogradCase& c : winograd_cases) {
      const Pixels p = pixels_of(c, DType::bf16);
      const Tensor x = p.x.to(DType::fp32), w = p.w.to(DType::fp32), b = p.b.to(DType::fp32),
                   dy = p.dy.to(DType::fp32);
      Tensor y = empty_like(p.dy), wide = empty_like(dy);
      conv_forward_winograd(how, p.z, p.x, p.w, {}, p.b, {.addend = p.dy, .relu = true}, y);
      conv_forward_winograd(how, p.z, x, w, {}, b, {.addend = dy, .relu = true}, wide);
      EXPECT_TRUE(same_bits(y, wide.to(DType::bf16)));
      EXPECT_TRUE(same_bits(conv_data_gradient_winograd(how, p.z, p.dy, p.w, p.x),
                            conv_data_gradient_winograd(how, p.z, dy, w, x).to(DType::bf16)));
      EXPECT_TRUE(same_bits(conv_filter_gradient_winograd(how, p.z, p.dy, p.x, p.w),
                            conv_filter_gradient_winograd(how, p.z, dy, x, w)));
    }
  }
}

TEST(Winograd, ReadsAndWritesSlicesOfChannels) {
  const NoGrad guard;
  for (const WinogradChoice how : winograd_choices()) {
    const Pixels p = pixels_of({2, 21, 7, 6, 19, 1}, DType::fp32);
    Tensor wide = randn({2, 64, 7, 6}).contiguous(MemoryFormat::channels_last), out = wide.clone();
    Tensor x = wide.slice(1, 3, 24), y = out.slice(1, 30, 49);
    x.copy_(p.x);
    Tensor own = empty(p.dy.shape(), DType::fp32, cpu, MemoryFormat::channels_last);
    conv_forward_winograd(how, p.z, p.x, p.w, {}, p.b, {}, own);
    const Tensor before = out.slice(1, 0, 30).contiguous().clone(),
                 after = out.slice(1, 49, 64).contiguous().clone();
    conv_forward_winograd(how, p.z, x, p.w.contiguous(MemoryFormat::channels_last), {}, p.b, {}, y);
    EXPECT_TRUE(same_bits(y, own));
    EXPECT_TRUE(same_bits(out.slice(1, 0, 30), before));
    EXPECT_TRUE(same_bits(out.slice(1, 49, 64), after));
    conv_forward_winograd(how, p.z, p.x, p.w, {}, p.b, {.addend = own}, own);  // onto itself
    EXPECT_TRUE(same_bits(own.contiguous(), (y + y).contiguous()));
  }
}

TEST(Winograd, GivesThePictureTheSameBitsInAnyBatchByAnyNumberOfThreads) {
  const NoGrad guard;
  for (const WinogradChoice how : winograd_choices()) {
    const Pixels p = pixels_of({5, 24, 13, 10, 40, 1}, DType::fp32);
    const auto all = [&](const Tensor& x, const Tensor& dy) {
      const ConvSizes z = conv_sizes(x, p.w, {.padding = 1});
      Tensor y = empty(dy.shape(), DType::fp32, cpu, MemoryFormat::channels_last);
      conv_forward_winograd(how, z, x, p.w, {}, p.b, {}, y);
      return std::vector<Tensor>{y, conv_data_gradient_winograd(how, z, dy, p.w, x),
                                 conv_filter_gradient_winograd(how, z, dy, x, p.w)};
    };
    set_num_threads(1);
    const std::vector<Tensor> one = all(p.x, p.dy), alone = all(p.x.slice(0, 3, 4), p.dy.slice(0, 3, 4));
    set_num_threads(3);
    const std::vector<Tensor> three = all(p.x, p.dy), shared = all(p.x.slice(0, 3, 4), p.dy.slice(0, 3, 4));
    set_num_threads(0);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(same_bits(one[i], three[i])) << i;
      EXPECT_TRUE(same_bits(alone[i], shared[i])) << i << ", tiles so few that threads share panels";
    }
    for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(same_bits(one[i].slice(0, 3, 4), alone[i])) << i;
  }
}

TEST(Winograd, OfANaNMakesNaNsOfItsTile) {
  const NoGrad guard;
  struct Way {
    WinogradChoice how;
    DType dtype;
    double bad;
  };
  std::vector<Way> ways;
  for (const WinogradChoice how : winograd_choices())
    for (const DType dtype : {DType::fp32, DType::bf16})
      for (const double bad :
           {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        ways.push_back({how, dtype, bad});
  for (const auto& [how, dtype, bad] : ways) {
    Pixels p = pixels_of({1, 16, 12, 12, 16, 1}, dtype);
    p.x.select(0, 0).select(0, 2).select(0, 5).select(0, 5).fill_(bad);
    Tensor y = empty(p.dy.shape(), dtype, cpu, MemoryFormat::channels_last);
    conv_forward_winograd(how, p.z, p.x, p.w, {}, p.b, {.relu = std::isnan(bad)}, y);
    for (std::int64_t r = 4; r <= 6; ++r)
      for (std::int64_t s = 4; s <= 6; ++s)
        EXPECT_FALSE(std::isfinite(y.select(0, 0).select(0, 1).select(0, r).select(0, s).item()));
    EXPECT_TRUE(std::isfinite(y.select(0, 0).select(0, 1).select(0, 0).select(0, 0).item()));
    EXPECT_TRUE(std::isfinite(y.select(0, 0).select(0, 1).select(0, 11).select(0, 11).item()));
  }
}

// Against a sum in order in fp32: what docs/numerics.md says of the errors of each tile.
TEST(Winograd, ErrorsAreOfTheSizeOfASums) {
  const NoGrad guard;
  manual_seed(3);
  const Tensor x = relu(randn({1, 256, 16, 16})), w = randn({64, 256, 3, 3});
  const ConvSizes z = conv_sizes(x, w, {.padding = 1});
  Tensor exact = empty({1, 64, 16, 16}, DType::fp64);
  conv_forward_reference(z, x.to(DType::fp64), w.to(DType::fp64), exact);
  const auto share = [&](const Tensor& y) {
    const Tensor d = y.to(DType::fp64) - exact;
    return std::sqrt(mean(d * d).item() / mean(exact * exact).item());
  };
  for (const WinogradChoice how : winograd_choices()) {
    Tensor y = empty({1, 64, 16, 16}, DType::fp32, cpu, MemoryFormat::channels_last);
    conv_forward_winograd(how, z, x, w, {}, {}, {}, y);
    std::cout << "F(" << how.tile << "x" << how.tile << ") of " << how.lane_bytes << " bytes: " << share(y)
              << "\n";
    EXPECT_LT(share(y), how.tile == 2 ? 1e-6 : 2e-6);
  }
  Tensor direct = empty({1, 64, 16, 16});
  conv_forward_reference(z, x, w, direct);
  std::cout << "plain sums: " << share(direct) << "\n";
}

TEST(Winograd, RefusesVectorsThatAreNotThere) {
  const Pixels p = pixels_of(winograd_cases[1], DType::fp32);
  try {
    conv_filter_gradient_winograd({4, 128}, p.z, p.dy, p.x, p.w);
    FAIL() << "accepted";
  } catch (const Unsupported& error) {
    EXPECT_STREQ(error.what(), "conv2d: no vectors of 128 bytes here; use tile 0");
  }
}

TEST(Winograd, IsChosenBySizes) {
  if (!winograd_lanes()) GTEST_SKIP() << "no vectors of 32 bytes with fused multiply-add here";
  const auto tile = [](ConvPass pass, const Shape& x, std::int64_t k, const Conv2dOptions& o = {.padding = 1},
                       DType dtype = DType::fp32, std::int64_t size = 3) {
    const ConvSizes z = conv_sizes(empty(x), empty({k, x[1] / o.groups, size, size}), o);
    return winograd_choice(pass, z, dtype).tile;
  };
  for (const ConvPass pass : {ConvPass::forward, ConvPass::data_gradient, ConvPass::filter_gradient}) {
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256), 4);
    EXPECT_EQ(tile(pass, {4, 256, 2, 2}, 256), 0) << "transforming the filters costs more";
    EXPECT_EQ(tile(pass, {4, 3, 64, 64}, 64), 0);
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256, {.stride = 2, .padding = 1}), 0);
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256, {.padding = 2, .dilation = 2}), 0);
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256, {.padding = 1, .groups = 2}), 0);
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256, {.padding = 3}), 0);
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256, {.padding = 1}, DType::fp64), 0);
    EXPECT_EQ(tile(pass, {4, 256, 64, 64}, 256, {.padding = 2}, DType::fp32, 5), 0);
  }
}

// What --math sets: no tiles, small ones, all.
TEST(Winograd, IsChosenAmongTheTilesThatAreAllowed) {
  const ConvSizes z = conv_sizes(empty({4, 256, 64, 64}), empty({256, 256, 3, 3}), {.padding = 1});
  const auto tile = [&] { return winograd_choice(ConvPass::forward, z, DType::fp32).tile; };
  const int all = tile();
  EXPECT_EQ(all, winograd_lanes() ? 4 : 0);
  {
    const LargestTile none(0);
    EXPECT_EQ(tile(), 0);
    const LargestTile small(2);
    EXPECT_EQ(tile(), winograd_lanes() ? 2 : 0);
  }
  EXPECT_EQ(tile(), all);
}

}  // namespace
}  // namespace gadolin
