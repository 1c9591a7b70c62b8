// Bodies of layers/winograd_kernels.h. A file that includes this one is compiled for processors with vectors
// of GADOLIN_LANE_BYTES. Nothing here may become a function that other files share: it would run elsewhere.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "layers/winograd_kernels.h"

#define GADOLIN_INLINE inline __attribute__((always_inline))

namespace gadolin::detail {
namespace {

template <class S> struct Lanes {
  static constexpr std::int64_t count = GADOLIN_LANE_BYTES / sizeof(S);
  typedef S type __attribute__((vector_size(GADOLIN_LANE_BYTES)));
};
template <class S> using Lane = typename Lanes<S>::type;

template <class S> GADOLIN_INLINE Lane<S> load(const S* from) {
  Lane<S> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class S> GADOLIN_INLINE void store(S* to, Lane<S> v) { std::memcpy(to, &v, sizeof v); }

typedef Bf16Bits HalfLane __attribute__((vector_size(GADOLIN_LANE_BYTES / 2)));
typedef std::uint32_t BitLane __attribute__((vector_size(GADOLIN_LANE_BYTES)));
GADOLIN_INLINE Lane<float> load(const Bf16Bits* from) {
  HalfLane half;
  std::memcpy(&half, from, sizeof half);
  const BitLane bits = __builtin_convertvector(half, BitLane) << 16;
  return __builtin_bit_cast(Lane<float>, bits);
}
// To the nearest, to even of two; NaN stays NaN.
GADOLIN_INLINE void store(Bf16Bits* to, Lane<float> v) {
  const BitLane bits = __builtin_bit_cast(BitLane, v), rounded = bits + 0x7fff + ((bits >> 16) & 1);
  const BitLane kept = v != v ? bits | 0x400000 : rounded;
  const HalfLane half = __builtin_convertvector(kept >> 16, HalfLane);
  std::memcpy(to, &half, sizeof half);
}
// As many elements E as make lanes of arithmetic.
template <class E> constexpr std::int64_t lanes_of = GADOLIN_LANE_BYTES / (sizeof(E) == 2 ? 4 : sizeof(E));

// Of `n` elements, which may be none or more than there are lanes; the others are 0.
template <class E> GADOLIN_INLINE auto load_some(const E* from, std::int64_t n) {
  if (n >= lanes_of<E>) return load(from);
  E some[lanes_of<E>] = {};
  if (n > 0) std::memcpy(some, from, static_cast<std::size_t>(n) * sizeof(E));
  return load(static_cast<const E*>(some));
}
template <class E, class V> GADOLIN_INLINE void store_some(E* to, V v, std::int64_t n) {
  if (n >= lanes_of<E>) return store(to, v);
  E some[lanes_of<E>];
  store(static_cast<E*>(some), v);
  std::memcpy(to, some, static_cast<std::size_t>(n) * sizeof(E));
}

// F(4 x 4, 3 x 3) on the points 0, 3/4, -3/4, 3/2, -3/2 and infinity. Points decide the rounding errors
// (Barabasz et al. 2018, "Error analysis and improving the accuracy of Winograd convolution"): these have
// half those of 0, 1, -1, 2, -2, and their powers are exact in binary. Pairs of opposite points share sums.
struct Tile4 {
  static constexpr int tile = 4, side = 6;
  template <class S> struct At { static constexpr S a = S(0.75), b = S(1.5), a2 = a * a, b2 = b * b; };
  // B^T d, of what is convolved.
  template <class S> static GADOLIN_INLINE void input(const Lane<S>* d, Lane<S>* v) {
    using P = At<S>;
    const Lane<S> even_a = d[4] - d[2] * P::b2, odd_a = (d[3] - d[1] * P::b2) * P::a,
                  even_b = d[4] - d[2] * P::a2, odd_b = (d[3] - d[1] * P::a2) * P::b;
    v[0] = d[4] - d[2] * (P::a2 + P::b2) + d[0] * (P::a2 * P::b2);
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = d[5] - d[3] * (P::a2 + P::b2) + d[1] * (P::a2 * P::b2);
  }
  // A^T m, results from products.
  template <class S> static GADOLIN_INLINE void output(const Lane<S>* m, Lane<S>* y) {
    using P = At<S>;
    const Lane<S> sum_a = m[1] + m[2], less_a = m[1] - m[2], sum_b = m[3] + m[4], less_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = less_a * P::a + less_b * P::b;
    y[2] = sum_a * P::a2 + sum_b * P::b2;
    y[3] = less_a * (P::a * P::a2) + less_b * (P::b * P::b2) + m[5];
  }
  // A y, of a gradient.
  template <class S> static GADOLIN_INLINE void spread(const Lane<S>* y, Lane<S>* v) {
    using P = At<S>;
    const Lane<S> even_a = y[0] + y[2] * P::a2, odd_a = (y[1] + y[3] * P::a2) * P::a,
                  even_b = y[0] + y[2] * P::b2, odd_b = (y[1] + y[3] * P::b2) * P::b;
    v[0] = y[0];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = y[3];
  }
  // What the points -a and a, -b and b have below their fractions.
  template <class S> struct Under {
    using P = At<S>;
    static constexpr S zero = 1 / (P::a2 * P::b2), a = 1 / (2 * P::a2 * (P::a2 - P::b2)),
                       b = 1 / (2 * P::b2 * (P::b2 - P::a2));
  };
  // G g, of filters.
  template <class S> static GADOLIN_INLINE void filter(const Lane<S>* g, Lane<S>* u) {
    using P = At<S>;
    using F = Under<S>;
    const Lane<S> even_a = (g[0] + g[2] * P::a2) * F::a, odd_a = g[1] * (P::a * F::a),
                  even_b = (g[0] + g[2] * P::b2) * F::b, odd_b = g[1] * (P::b * F::b);
    u[0] = g[0] * F::zero;
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
  }
  // G^T u, of the filters' gradient.
  template <class S> static GADOLIN_INLINE void gradient(const Lane<S>* u, Lane<S>* g) {
    using P = At<S>;
    using F = Under<S>;
    const Lane<S> sum_a = (u[1] + u[2]) * F::a, sum_b = (u[3] + u[4]) * F::b;
    g[0] = u[0] * F::zero + sum_a + sum_b;
    g[1] = (u[1] - u[2]) * (P::a * F::a) + (u[3] - u[4]) * (P::b * F::b);
    g[2] = sum_a * P::a2 + sum_b * P::b2 + u[5];
  }
};

// F(2 x 2, 3 x 3) on 0, 1, -1 and infinity, as in Lavin and Gray 2016.
struct Tile2 {
  static constexpr int tile = 2, side = 4;
  template <class S> static GADOLIN_INLINE void input(const Lane<S>* d, Lane<S>* v) {
    v[0] = d[0] - d[2];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
  template <class S> static GADOLIN_INLINE void output(const Lane<S>* m, Lane<S>* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] + m[3];
  }
  template <class S> static GADOLIN_INLINE void spread(const Lane<S>* y, Lane<S>* v) {
    v[0] = y[0];
    v[1] = y[0] + y[1];
    v[2] = y[0] - y[1];
    v[3] = y[1];
  }
  template <class S> static GADOLIN_INLINE void filter(const Lane<S>* g, Lane<S>* u) {
    const Lane<S> even = (g[0] + g[2]) * S(0.5), odd = g[1] * S(0.5);
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
  }
  template <class S> static GADOLIN_INLINE void gradient(const Lane<S>* u, Lane<S>* g) {
    const Lane<S> sum = (u[1] + u[2]) * S(0.5);
    g[0] = u[0] + sum;
    g[1] = (u[1] - u[2]) * S(0.5);
    g[2] = sum + u[3];
  }
};

// S: of arithmetic, E: of images, T: tiles.
template <class S, class E, class T> struct Bodies {
  using V = Lane<S>;
  static constexpr std::int64_t lanes = Lanes<S>::count, width = 2 * lanes;
  static constexpr int side = T::side, rows = GADOLIN_LANE_BYTES == 64 ? 14 : 6;  // with 32 or 16 registers

  // f(r, s) for all places of a square.
  template <int n, class F> static GADOLIN_INLINE void square(const F& f) {
    for (int r = 0; r < n; ++r)
      for (int s = 0; s < n; ++s) f(r, s);
  }
  // f on the columns of `in`, then on the rows: out = f f(in)^T. in [from][from], out [to][to].
  template <int from, int to, class F, class Put>
  static GADOLIN_INLINE void both(const V (&in)[from][from], const F& f, const Put& put) {
    V half[from][to], line[from], out[to];
    for (int s = 0; s < from; ++s) {
      for (int r = 0; r < from; ++r) line[r] = in[r][s];
      f(line, half[s]);
    }
    for (int r = 0; r < to; ++r) {
      for (int s = 0; s < from; ++s) line[s] = half[s][r];
      f(line, out);
      for (int s = 0; s < to; ++s) put(r, s, out[s]);
    }
  }

  // Rows and columns exchanged: in each round, the blocks off the diagonal of squares twice as large.
  template <std::size_t step = 1, std::size_t... l>
  static GADOLIN_INLINE void transpose(V* v, std::index_sequence<l...> all) {
    for (std::size_t i = 0; i < sizeof...(l); ++i) {
      if (i & step) continue;
      const V a = v[i], b = v[i + step];
      v[i] = __builtin_shufflevector(a, b, (l & step ? sizeof...(l) + l - step : l)...);
      v[i + step] = __builtin_shufflevector(a, b, (l & step ? sizeof...(l) + l : l + step)...);
    }
    if constexpr (2 * step < sizeof...(l)) transpose<2 * step>(v, all);
  }

  // Of `lanes` filters from k, the taps of as many input channels from c: taps [c][r][s][filter].
  static GADOLIN_INLINE void take_taps(const FilterView<S>& w, std::int64_t k, std::int64_t c, S* taps) {
    const bool inside = k + lanes <= w.out && c + lanes <= w.in;
    square<3>([&](int r, int s) {
      const S* const from = w.data + k * w.step_out + c * w.step_in + r * w.step_r + s * w.step_s;
      S* const to = taps + (r * 3 + s) * lanes;
      if (inside && w.step_in == 1) {
        V v[lanes];
        for (std::int64_t l = 0; l < lanes; ++l) v[l] = load(from + l * w.step_out);
        transpose(v, std::make_index_sequence<lanes>());
        for (std::int64_t l = 0; l < lanes; ++l) store(to + l * 9 * lanes, v[l]);
      } else if (inside && w.step_out == 1) {
        for (std::int64_t l = 0; l < lanes; ++l) store(to + l * 9 * lanes, load(from + l * w.step_in));
      } else {
        for (std::int64_t l = 0; l < lanes; ++l) {
          for (std::int64_t i = 0; i < lanes && c + i < w.in; ++i)
            to[i * 9 * lanes + l] = k + l < w.out ? from[l * w.step_out + i * w.step_in] : S(0);
        }
      }
    });
  }

  static void filters(const FilterView<S>& w, std::int64_t panel, std::int64_t point, S* u) {
    S taps[lanes * 9 * lanes];
    for (std::int64_t c0 = 0; c0 < w.in; c0 += lanes) {
      for (std::int64_t k = panel * width; k < (panel + 1) * width; k += lanes) {
        take_taps(w, k, c0, taps);
        const V scale = w.scale ? load_some(w.scale + k, w.out - k) : V{} + 1;
        for (std::int64_t c = c0; c < w.in && c < c0 + lanes; ++c) {
          V g[3][3];
          const S* const at = taps + (c - c0) * 9 * lanes;
          square<3>([&](int r, int s) { g[r][s] = load(at + (r * 3 + s) * lanes) * scale; });
          both<3, side>(g, T::template filter<S>, [&](int r, int s, V value) {
            store(u + (r * side + s) * point + c * width + k % width, value);
          });
        }
      }
    }
  }

  template <int size, class F>
  static void gather_from(const PixelView<const E>& x, const TileGrid& g, std::int64_t first,
                          std::int64_t count, const E* zeros, const TileRows& to, S* v, const F& f) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = first + i, n = at / (g.rows * g.cols),
                         y0 = at / g.cols % g.rows * T::tile - g.top, x0 = at % g.cols * T::tile - g.left;
      const E* pixels[size][size];
      square<size>([&](int r, int s) {
        const bool inside = y0 + r >= 0 && y0 + r < x.h && x0 + s >= 0 && x0 + s < x.w;
        pixels[r][s] = inside ? x.at(n, y0 + r, x0 + s) : zeros;
      });
      const std::int64_t all = (x.channels + to.width - 1) / to.width * to.width;
      for (std::int64_t c = 0; c < all; c += lanes) {
        V d[size][size];
        square<size>([&](int r, int s) { d[r][s] = load_some(pixels[r][s] + c, x.channels - c); });
        S* const out = v + c / to.width * to.panel + i * to.width + c % to.width;
        both<size, side>(d, f, [&](int r, int s, V value) { store(out + (r * side + s) * to.point, value); });
      }
    }
  }
  static void gather(const PixelView<const E>& x, const TileGrid& g, std::int64_t first, std::int64_t count,
                     bool spread, const E* zeros, const TileRows& to, S* v) {
    if (spread) return gather_from<T::tile>(x, g, first, count, zeros, to, v, T::template spread<S>);
    gather_from<side>(x, g, first, count, zeros, to, v, T::template input<S>);
  }

  // One round of `product`, of n rows of registers.
  template <int n>
  static void round(const S* a, std::int64_t row, std::int64_t step, const S* b, S* c, std::int64_t depth,
                    bool adds) {
    V sums[n][2];
    for (int r = 0; r < n; ++r)
      for (int h = 0; h < 2; ++h) sums[r][h] = adds ? load(c + r * width + h * lanes) : V{};
    for (std::int64_t k = 0; k < depth; ++k, b += width, a += step) {
      const V left = load(b), right = load(b + lanes);
      for (int r = 0; r < n; ++r) {
        const S factor = a[r * row];
        sums[r][0] += left * factor;
        sums[r][1] += right * factor;
      }
    }
    for (int r = 0; r < n; ++r)
      for (int h = 0; h < 2; ++h) store(c + r * width + h * lanes, sums[r][h]);
  }
  // Rounds of equal length, for a short last one would take as long as a full one.
  static void product(const S* a, std::int64_t row, std::int64_t step, const S* b, S* c, std::int64_t count,
                      std::int64_t depth, bool adds) {
    const std::int64_t rounds = (count + rows - 1) / rows, each = (count + rounds - 1) / rounds;
    const auto run = [&]<std::size_t... n>(std::index_sequence<n...>) {
      static constexpr decltype(&round<1>) of[] = {round<n + 1>...};
      for (std::int64_t i = 0; i < rounds * each; i += each)
        of[each - 1](a + i * row, row, step, b, c + i * width, depth, adds);
    };
    run(std::make_index_sequence<rows>());
  }

  static void scatter(const S* m, std::int64_t point, const TileGrid& g, std::int64_t first,
                      std::int64_t count, std::int64_t panel, const TileEnd<S, E>& end,
                      const PixelView<E>& y) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = first + i, n = at / (g.rows * g.cols), y0 = at / g.cols % g.rows * T::tile,
                         x0 = at % g.cols * T::tile;
      for (std::int64_t k = panel * width; k < (panel + 1) * width && k < y.channels; k += lanes) {
        const std::int64_t left = y.channels - k;
        const V bias = end.bias ? load_some(end.bias + k, left) : V{};
        V d[side][side];
        square<side>(
            [&](int r, int s) { d[r][s] = load(m + (r * side + s) * point + i * width + k % width); });
        both<side, T::tile>(d, T::template output<S>, [&](int r, int s, V value) {
          if (y0 + r >= y.h || x0 + s >= y.w) return;
          value += bias;
          if (end.add) value += load_some(end.add->at(n, y0 + r, x0 + s) + k, left);
          if (end.relu) value = value < 0 ? V{} : value;
          store_some(y.at(n, y0 + r, x0 + s) + k, value, left);
        });
      }
    }
  }

  static void filter_gradient(const S* u, std::int64_t point, const FilterView<S>& w, std::int64_t panel,
                              S* dw) {
    for (std::int64_t c = 0; c < w.in; ++c) {
      for (std::int64_t k = panel * width; k < (panel + 1) * width && k < w.out; k += lanes) {
        V d[side][side];
        square<side>(
            [&](int r, int s) { d[r][s] = load(u + (r * side + s) * point + c * width + k % width); });
        both<side, 3>(d, T::template gradient<S>, [&](int r, int s, V value) {
          S taps[lanes];
          store(taps, value);
          for (std::int64_t l = 0; l < lanes && k + l < w.out; ++l)
            dw[(k + l) * w.step_out + c * w.step_in + r * w.step_r + s * w.step_s] = taps[l];
        });
      }
    }
  }

  static constexpr WinogradKernels<S, E> kernels{T::tile, width,   rows,    filters,
                                                 gather,  product, scatter, filter_gradient};
};

}  // namespace

template <int lane_bytes, class S, class E> const WinogradKernels<S, E>* winograd_kernels(int tile) {
  return tile == 4 ? &Bodies<S, E, Tile4>::kernels : &Bodies<S, E, Tile2>::kernels;
}
template const WinogradKernels<float, float>* winograd_kernels<GADOLIN_LANE_BYTES>(int);
template const WinogradKernels<double, double>* winograd_kernels<GADOLIN_LANE_BYTES>(int);
template const WinogradKernels<float, Bf16Bits>* winograd_kernels<GADOLIN_LANE_BYTES>(int);

}  // namespace gadolin::detail
