#include "layers/winograd.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "layers/winograd_kernels.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::detail {
namespace {

// Of a block. Six rounds of 14 rows of registers, or fourteen of 6.
constexpr std::int64_t most_tiles = 84;

std::atomic<int> tile_limit{4};

std::int64_t up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

template <class S, class E> const WinogradKernels<S, E>& kernels_of(WinogradChoice how) {
  require<Unsupported>(how.lane_bytes > 0 && how.lane_bytes <= winograd_lanes(), "conv2d: no vectors of ",
                       how.lane_bytes, " bytes here; use tile 0");
#if defined(__x86_64__)
  return *(how.lane_bytes == 64 ? winograd_kernels<64, S, E>(how.tile)
                                : winograd_kernels<32, S, E>(how.tile));
#endif
}

template <class E> PixelView<E> pixels(const Tensor& t) {
  const Strides& s = t.strides();
  return {static_cast<E*>(t.raw()), t.size(2), t.size(3), t.size(1), s[0], s[2], s[3]};
}
// With channels side by side.
Tensor with_channels_last(const Tensor& t) {
  return t.size(1) == 1 || t.strides()[1] == 1 ? t : t.contiguous(MemoryFormat::channels_last);
}

TileGrid tiles_of(std::int64_t h, std::int64_t w, int tile, int top, int left) {
  return {(h + tile - 1) / tile, (w + tile - 1) / tile, top, left};
}

// The filters as they are, or turned round and with inputs and outputs exchanged.
template <class S> FilterView<S> filter_view(const Tensor& w, bool turned, const Tensor& scale = {}) {
  const Strides& s = w.strides();
  if (turned) return {w.data<S>() + 2 * (s[2] + s[3]), w.size(1), w.size(0), s[1], s[0], -s[2], -s[3]};
  return {w.data<S>(), w.size(0), w.size(1), s[0],
          s[1],        s[2],      s[3],      scale.defined() ? scale.data<S>() : nullptr};
}

// Elements from one point's part of a buffer to the next: a vector more than it has, for parts at multiples
// of a power of two would push one another out of the cache.
template <class S, class E> std::int64_t apart(const WinogradKernels<S, E>& k, std::int64_t n) {
  return n + k.panel / 2;
}

// y = convolution of x with filters. Threads share out blocks of tiles; where there are few blocks, also the
// panels of each. Transformed filters are four times as many numbers, so none are kept: a thread makes a
// panel when it comes to it, which takes no longer than reading it, or all are made first, for many blocks.
template <class S, class E>
void run_forward(const WinogradKernels<S, E>& k, const Tensor& x_any, const FilterView<S>& w, TileGrid grid,
                 const TileEnd<S, E>& end, Tensor& y) {
  const Tensor x = with_channels_last(x_any);
  const PixelView<const E> in = pixels<const E>(x);
  const PixelView<E> out = pixels<E>(y);
  const std::int64_t panels = up(w.out, k.panel) / k.panel, points = (k.tile + 2) * (k.tile + 2),
                     threads = num_threads();
  const std::int64_t tiles = y.size(0) * grid.rows * grid.cols, channels = up(in.channels, k.panel / 2);
  // Where tiles are few, a thread's own filters cost more than its own tiles: one block, then.
  const std::int64_t parts = tiles <= std::min(most_tiles, w.out) ? (threads + panels - 1) / panels : threads;
  const std::int64_t rounds = (tiles + parts * most_tiles - 1) / (parts * most_tiles);
  const std::int64_t each = (tiles + parts * rounds - 1) / (parts * rounds);
  const std::int64_t blocks = (tiles + each - 1) / each,
                     shares = std::clamp<std::int64_t>(threads / blocks, 1, panels);
  // Memory does not depend on the batch: tasks/training_memory foresees it.
  const TileRows rows{apart(k, most_tiles * channels), 0, channels};
  const std::int64_t m_point = apart(k, most_tiles * k.panel), u_point = apart(k, w.in * k.panel),
                     of_thread = points * (rows.point + m_point);
  const Tensor nothing = zeros({in.channels}, x.dtype());
  Tensor scratch = empty({threads, of_thread}, dtype_of<S>);
  const bool first_all = blocks > threads;
  Tensor filters = empty({first_all ? panels : threads, points * u_point}, dtype_of<S>);
  const auto panel_at = [&](std::int64_t i) { return filters.data<S>() + i * points * u_point; };
  if (first_all) {
    parallel_for(panels, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t p = from; p < to; ++p) k.filters(w, p, u_point, panel_at(p));
    });
  }
  const E* const zero = static_cast<const E*>(nothing.raw());
  parallel_for(threads, 1, [&](std::int64_t thread, std::int64_t end_thread) {
    S *const v = scratch.data<S>() + thread * of_thread, *const m = v + points * rows.point;
    const std::int64_t items = blocks * shares;
    for (std::int64_t item = items * thread / threads; item < items * end_thread / threads; ++item) {
      const std::int64_t first = item / shares * each, count = std::min(each, tiles - first);
      const std::int64_t share = item % shares;
      k.gather(in, grid, first, count, false, zero, rows, v);
      for (std::int64_t p = panels * share / shares; p < panels * (share + 1) / shares; ++p) {
        S* const u = panel_at(first_all ? p : thread);
        if (!first_all) k.filters(w, p, u_point, u);
        for (std::int64_t t = 0; t < points; ++t)
          k.product(v + t * rows.point, channels, 1, u + t * u_point, m + t * m_point, count, in.channels,
                    false);
        k.scatter(m, m_point, grid, first, count, p, end, out);
      }
    }
  });
}

// The sums over all tiles of products of transformed inputs and transformed gradients, block by block: the
// order does not depend on the threads, which share out the tiles of a block and then the sums.
template <class S, class E>
Tensor run_filter_gradient(const WinogradKernels<S, E>& k, const ConvSizes& z, const Tensor& dy_any,
                           const Tensor& x_any, const Tensor& weight) {
  const Tensor x = with_channels_last(x_any), dy = with_channels_last(dy_any);
  const PixelView<const E> in = pixels<const E>(x), gradient = pixels<const E>(dy);
  const TileGrid grid = tiles_of(z.p, z.q, k.tile, z.before.h, z.before.w),
                 of_gradient = {grid.rows, grid.cols, 0, 0};
  const std::int64_t points = (k.tile + 2) * (k.tile + 2), tiles = z.n * grid.rows * grid.cols;
  const std::int64_t channels = up(z.c, k.panel / 2), panels = up(z.k, k.panel) / k.panel,
                     sums = up(z.c, k.rows);
  const std::int64_t room = (8 << 20) / (points * (channels + panels * k.panel) * std::int64_t(sizeof(S)));
  const std::int64_t each = std::clamp<std::int64_t>(room, 48, 256);
  const TileRows rows{apart(k, each * channels), 0, channels},
      columns{apart(k, panels * each * k.panel), each * k.panel, k.panel};
  const std::int64_t u_point = apart(k, sums * k.panel);
  const Tensor nothing = zeros({std::max(z.c, z.k)}, x.dtype());
  // Products read up to a row of registers beyond the last tile.
  Tensor v_all = empty({points * rows.point + k.panel}, dtype_of<S>),
         g_all = empty({points * columns.point}, dtype_of<S>),
         u_all = empty({panels, points, u_point}, dtype_of<S>), dw = empty_like(weight, dtype_of<S>);
  S *const v = v_all.template data<S>(), *const g = g_all.template data<S>(),
           *const u = u_all.template data<S>();
  const E* const zero = static_cast<const E*>(nothing.raw());
  for (std::int64_t first = 0; first < tiles; first += each) {
    const std::int64_t count = std::min(each, tiles - first);
    parallel_for(count, 1, [&](std::int64_t from, std::int64_t to) {
      k.gather(in, grid, first + from, to - from, false, zero, rows, v + from * channels);
      k.gather(gradient, of_gradient, first + from, to - from, true, zero, columns, g + from * k.panel);
    });
    parallel_for(points * panels, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        const std::int64_t t = i % points, p = i / points;
        k.product(v + t * rows.point, 1, channels, g + t * columns.point + p * columns.panel, u + i * u_point,
                  z.c, count, first > 0);
      }
    });
  }
  const FilterView<S> w = filter_view<S>(dw, false);
  parallel_for(panels, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t p = from; p < to; ++p)
      k.filter_gradient(u + p * points * u_point, u_point, w, p, dw.data<S>());
  });
  return dw;
}

template <class F> auto with_kernels(WinogradChoice how, DType dtype, F&& f) {
  if (dtype == DType::bf16) return f(kernels_of<float, Bf16Bits>(how));
  return dtype == DType::fp64 ? f(kernels_of<double, double>(how)) : f(kernels_of<float, float>(how));
}

}  // namespace

int winograd_lanes() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return 64;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 32;
#endif
  return 0;
}

void set_largest_tile(int tile) { tile_limit = tile; }
int largest_tile() { return tile_limit; }

// Measured on a Zen 5 and a Zen 4 with AVX-512: of a picture, or, where a training's filters are transformed
// at every step, of eight.
double convolution_cost(int tile, ConvPass pass, const ConvSizes& z, DType dtype, bool inference) {
  const Conv2dOptions& o = z.options;
  const bool back = pass == ConvPass::data_gradient, sums = pass == ConvPass::filter_gradient;
  const double lanes = winograd_lanes() / 4, rate = 2 * lanes, n = inference ? 1 : 8,
               c = static_cast<double>(z.c), k = static_cast<double>(z.k),
               h = static_cast<double>(back ? z.h : z.p), w = static_cast<double>(back ? z.w : z.q);
  const auto reaches = [](Pair padding) { return padding.h <= 2 && padding.w <= 2; };
  if (tile == 0) return n * h * w * static_cast<double>(z.r * z.s) / (0.75 * rate * onednn_speed(dtype));
  if (lanes == 0 || dtype == DType::fp64 || z.r != 3 || z.s != 3 || o.stride != Pair(1) ||
      o.dilation != Pair(1) || z.groups != 1 || !reaches(z.before) || !reaches(z.after) || z.c < 16 ||
      z.k < 16)
    return std::numeric_limits<double>::infinity();
  const double points = (tile + 2) * (tile + 2), tiles = n * std::ceil(h / tile) * std::ceil(w / tile);
  const bool cached = points * c * k * 4 < (16 << 20);  // the transformed filters, or their sums
  const double of_filters = (sums ? tiles / 80 + 0.8 : inference ? 0.3 : 0.6) * (cached ? 1 : sums ? 5 : 1.5);
  return points * ((tiles + 2) / (0.8 * rate) + tiles * (1 / c + 1 / k) / lanes * 10 + of_filters);
}

WinogradChoice winograd_choice(ConvPass pass, const ConvSizes& z, DType dtype, bool inference) {
  int tile = 0;
  for (const int other : {2, 4}) {
    const auto cost = [&](int of) { return convolution_cost(of, pass, z, dtype, inference); };
    if (other <= tile_limit && cost(other) < cost(tile)) tile = other;
  }
  return {tile, tile ? winograd_lanes() : 0};
}

void conv_forward_winograd(WinogradChoice how, const ConvSizes& z, const Tensor& x, const Tensor& weight,
                           const Tensor& scale, const Tensor& bias_any, const ConvTail& tail, Tensor& y) {
  with_kernels(how, x.dtype(), [&]<class S, class E>(const WinogradKernels<S, E>& k) {
    const Tensor w = weight.to(dtype_of<S>);
    const Tensor bias = bias_any.defined() ? bias_any.to(dtype_of<S>).contiguous() : bias_any,
                 addend = tail.addend.defined() ? with_channels_last(tail.addend) : tail.addend;
    PixelView<const E> add{};
    if (addend.defined()) add = pixels<const E>(addend);
    run_forward<S, E>(
        k, x, filter_view<S>(w, false, scale), tiles_of(z.p, z.q, how.tile, z.before.h, z.before.w),
        {bias.defined() ? bias.template data<S>() : nullptr, addend.defined() ? &add : nullptr, tail.relu},
        y);
  });
}

Tensor conv_data_gradient_winograd(WinogradChoice how, const ConvSizes& z, const Tensor& dy,
                                   const Tensor& weight, const Tensor& x) {
  Tensor dx = empty(x.shape(), dy.dtype(), cpu, MemoryFormat::channels_last);
  with_kernels(how, dy.dtype(), [&]<class S, class E>(const WinogradKernels<S, E>& k) {
    const Tensor w = weight.to(dtype_of<S>);
    run_forward<S, E>(k, dy, filter_view<S>(w, true),
                      tiles_of(z.h, z.w, how.tile, 2 - z.before.h, 2 - z.before.w), {nullptr, nullptr, false},
                      dx);
  });
  return dx;
}

Tensor conv_filter_gradient_winograd(WinogradChoice how, const ConvSizes& z, const Tensor& dy,
                                     const Tensor& x, const Tensor& weight) {
  return with_kernels(how, dy.dtype(),
                      [&](const auto& k) { return run_filter_gradient(k, z, dy, x, weight); });
}

}  // namespace gadolin::detail
