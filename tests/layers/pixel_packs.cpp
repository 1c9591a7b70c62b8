// Pooling and resampling as the GPU runs them, thread by thread on the CPU: packs of channels and single ones
// against the library's tiles, every element written, ties and NaN included.
#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/pool.h"
#include "layers/pool_bodies.h"
#include "layers/upsample.h"
#include "layers/upsample_bodies.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"

namespace gadolin {
namespace {

using detail::Geometry;

// Small whole numbers, so that windows have ties.
Tensor random_image(DType dtype, const Shape& shape, std::uint64_t seed) {
  return (rand(shape, seed, 1) * 9.0).to(DType::int64).to(dtype).contiguous(MemoryFormat::channels_last);
}
Tensor unwritten(const Tensor& like) {
  Tensor t = empty(like.shape(), like.dtype(), like.device(), MemoryFormat::channels_last);
  t.fill_(NAN);
  return t;
}
template <int V, class Body> void run_threads(const Body& body) {
  const detail::Frame f = body.frame();
  ASSERT_TRUE(V == 1 || detail::packs_fit(f.channels, V, body.in, body.out));
  const std::int64_t work = f.images * f.rows * f.columns * f.channels / V;
  for (std::int64_t i = work - 1; i >= 0; --i) detail::run_pack<V>(body, f, i);  // any order will do
}
void expect_same(const Tensor& got, const Tensor& want, double limit, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  const std::vector<double> g = got.to_vector<double>(), w = want.to_vector<double>();
  for (std::size_t i = 0; i < g.size(); ++i) {
    const bool same = std::isnan(w[i])
                          ? std::isnan(g[i])
                          : g[i] == w[i] || std::abs(g[i] - w[i]) <= limit * (1 + std::abs(w[i]));
    ASSERT_TRUE(same) << what << ", element " << i << ": " << g[i] << " for " << w[i];
  }
}
// Sums are taken in one order everywhere, but compilers may fuse them.
template <class T> double rounding() { return sizeof(T) == 8 ? 1e-14 : sizeof(T) == 4 ? 1e-6 : 1.0 / 128; }

template <class T, int V, bool largest>
void compare_pool(const Geometry& g, const Tensor& x, const std::string& what,
                  const std::function<Tensor(const Tensor&)>& pool) {
  Tensor leaf = x.detach();
  leaf.requires_grad_();
  const Tensor want = pool(leaf);
  ASSERT_EQ(want.shape(), (Shape{g.n, g.c, g.h.out, g.w.out})) << what;
  const Tensor y = unwritten(want),
               places = empty(y.shape(), DType::uint8, y.device(), MemoryFormat::channels_last);
  run_threads<V>(detail::PoolForward<T, largest>{g, x.data<T>(), y.data<T>(), places.data<std::uint8_t>()});
  expect_same(y, want.detach(), largest ? 0 : rounding<T>(), what);
  const Tensor dy = random_image(y.dtype(), y.shape(), 7), dx = unwritten(x);
  want.backward(dy);
  run_threads<V>(
      detail::PoolBackward<T, largest>{g, dy.data<T>(), dx.data<T>(), places.data<std::uint8_t>()});
  expect_same(dx, leaf.grad(), largest ? 0 : rounding<T>(), what + ", backward");
}

template <class T, int V> void compare_pools(std::int64_t channels, std::uint64_t seed) {
  const std::string type = cat(name_of(dtype_of<T>), ", ", V, " channels a thread");
  Tensor x = random_image(dtype_of<T>, {2, channels, 9, 6}, seed);
  for (int kernel : {2, 3}) {
    for (int padding : {0, 1}) {
      const auto windows = [&](int in) {
        return detail::Windows{in, (in + 2 * padding - kernel) / 2 + 1, kernel, 2, padding, false, true};
      };
      const Geometry g{2, channels, windows(9), windows(6)};
      const PoolOptions options(kernel, 2, padding);
      compare_pool<T, V, true>(g, x, "max, " + type, [&](const Tensor& t) { return max_pool2d(t, options); });
      compare_pool<T, V, false>(g, x, "mean, " + type,
                                [&](const Tensor& t) { return avg_pool2d(t, options); });
    }
  }
  const Geometry adaptive{2, channels, {9, 4, 0, 0, 0, true, false}, {6, 8, 0, 0, 0, true, false}};
  compare_pool<T, V, false>(adaptive, x, "adaptive, " + type, [](const Tensor& t) {
    return adaptive_avg_pool2d(t, {4, 8});
  });
  x.data<T>()[5 * channels] = T(NAN);
  const Geometry two{2, channels, {9, 4, 2, 2, 0, false, true}, {6, 3, 2, 2, 0, false, true}};
  compare_pool<T, V, true>(two, x, "NaN, " + type, [](const Tensor& t) { return max_pool2d(t, {2}); });
  x.fill_(-std::numeric_limits<double>::infinity());
  compare_pool<T, V, true>(two, x, "nothing above -inf, " + type,
                           [](const Tensor& t) { return max_pool2d(t, {2}); });
}
TEST(PixelPacks, PoolAsTheTilesDo) {
  compare_pools<bfloat16, 8>(24, 1);
  compare_pools<float16, 8>(8, 2);
  compare_pools<float, 4>(12, 3);
  compare_pools<double, 2>(6, 4);
  compare_pools<bfloat16, 1>(5, 5);
  compare_pools<float, 1>(67, 6);  // over the edge of a tile
}

template <class T, int V>
void compare_resampling(std::int64_t channels, bool bilinear, bool align, Pair size) {
  Tensor x = random_image(dtype_of<T>, {2, channels, 5, 4}, 11);
  x.requires_grad_();
  const Tensor want = upsample(x, size, {bilinear ? Interpolation::bilinear : Interpolation::nearest, align});
  const auto axis = [&](std::int64_t in,
                        std::int64_t out) {  // the header's formulas, over a common denominator
    if (!bilinear) return detail::Axis{in, out, in, 0, out, false};
    return align ? detail::Axis{in, out, in - 1, 0, out - 1, true}
                 : detail::Axis{in, out, 2 * in, in - out, 2 * out, true};
  };
  const detail::Grid g{2, channels, axis(5, size.h), axis(4, size.w)};
  const std::string what = cat(name_of(dtype_of<T>), ", ", V, " channels, bilinear ", bilinear, ", aligned ",
                               align, ", to ", size.h);
  const Tensor y = unwritten(want), dx = unwritten(x), dy = random_image(y.dtype(), y.shape(), 12);
  run_threads<V>(detail::ResampleForward<T>{g, x.data<T>(), y.data<T>()});
  expect_same(y, want.detach(), rounding<T>(), what);
  want.backward(dy);
  run_threads<V>(detail::ResampleBackward<T>{g, dy.data<T>(), dx.data<T>()});
  expect_same(dx, x.grad(), rounding<T>(), what + ", backward");
}
TEST(PixelPacks, ResampleAsTheTilesDo) {
  for (const Pair size : {Pair{10, 8}, Pair{3, 2}, Pair{7, 5}}) {
    for (int way = 0; way < 3; ++way) {
      compare_resampling<bfloat16, 8>(16, way > 0, way > 1, size);
      compare_resampling<float, 4>(12, way > 0, way > 1, size);
      compare_resampling<double, 2>(4, way > 0, way > 1, size);
      compare_resampling<float16, 1>(3, way > 0, way > 1, size);
    }
  }
}

TEST(GlobalAvgPool2d, IsTheMeanInEitherLayout) {
  for (const DType dtype : {DType::fp64, DType::fp32, DType::bf16}) {
    Tensor rows = (rand({3, 16, 5, 7}, 31, 1) - 0.5).to(dtype),
           pixels = rows.contiguous(MemoryFormat::channels_last);
    rows.requires_grad_();
    pixels.requires_grad_();
    const Tensor a = global_avg_pool2d(rows), b = global_avg_pool2d(pixels),
                 dy = rand(a.shape(), 32, 1).to(dtype);
    expect_same(b.detach(), mean(pixels.detach().to(DType::fp64), {2, 3}, true),
                dtype == DType::bf16 ? 0.004 : 1e-7, "pixels");
    a.backward(dy);
    b.backward(dy);
    expect_same(pixels.grad(), rows.grad(), 0, "gradient");
    EXPECT_TRUE(pixels.grad().is_contiguous(MemoryFormat::channels_last));
  }
  const Tensor none = empty({0, 16, 5, 7}, DType::fp32, Device(), MemoryFormat::channels_last);
  EXPECT_EQ(global_avg_pool2d(none).shape(), (Shape{0, 16, 1, 1}));
}

TEST(Pooling, RefusesSidesThat32BitsCannotWalk) {
  const Tensor wide = ones({1, 1, 1, 1}).expand({1, 1, 1, std::int64_t{1} << 30});
  try {
    max_pool2d(wide, {1});
    FAIL() << "accepted";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(),
                 "max_pool2d: input [1, 1, 1, 1073741824] has 2^30 pixels or more on a side; cut it");
  }
}
TEST(PixelPacks, DivideAlikeInEitherWidth) {
  const std::int64_t edge = std::int64_t{1} << 32;
  for (const std::int64_t a :
       {std::int64_t{0}, std::int64_t{1}, edge / 2, edge - 1, edge, edge + 1, 40 * edge + 7}) {
    for (const std::int64_t b : {std::int64_t{1}, std::int64_t{7}, edge / 2, edge - 1, edge, edge + 1}) {
      EXPECT_EQ(detail::quotient(a, b), a / b) << a << " / " << b;
    }
  }
}
TEST(PixelPacks, FitOnlyWholeAlignedPacks) {
  alignas(16) const char memory[32] = {};
  EXPECT_TRUE(detail::packs_fit(24, 8, memory, memory + 16));
  EXPECT_FALSE(detail::packs_fit(20, 8, memory, memory + 16));
  EXPECT_FALSE(detail::packs_fit(24, 8, memory + 2, memory));
  EXPECT_FALSE(detail::packs_fit(24, 8, memory, memory + 8));
}

}  // namespace
}  // namespace gadolin
