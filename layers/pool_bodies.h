// What pooling computes for one pixel, for both devices (see pixels.h). Backward gathers: every input pixel
// looks at the windows that hold it, so no two threads write the same place. For pool.cu and its tests.
#pragma once

#include <limits>

#include "layers/pixels.h"

namespace gadolin::detail {

// Windows along one dimension. Sides are below 2^30, so 32 bits are enough except for products.
struct Windows {
  int in, out, kernel, stride, padding;
  bool adaptive, include_padding;

  GADOLIN_HD int start(int i) const { return adaptive ? share(i, in, 0, out) : i * stride - padding; }
  GADOLIN_HD int stop(int i) const {
    return adaptive ? share(i + 1, in, out - 1, out) : i * stride - padding + kernel;
  }
  GADOLIN_HD int begin(int i) const { return start(i) < 0 ? 0 : start(i); }
  GADOLIN_HD int end(int i) const { return stop(i) > in ? in : stop(i); }
  // What a mean divides by.
  GADOLIN_HD int count(int i) const {
    if (adaptive || !include_padding) return end(i) - begin(i);
    return (stop(i) > in + padding ? in + padding : stop(i)) - start(i);
  }
  // Windows that hold place h: [first(h), last(h)].
  GADOLIN_HD int first(int h) const {
    const int after = h + padding - kernel;
    return adaptive ? share(h, out, 0, in) : after < 0 ? 0 : after / stride + 1;
  }
  GADOLIN_HD int last(int h) const {
    const int i = adaptive ? share(h + 1, out, in - 1, in) - 1 : (h + padding) / stride;
    return i < out ? i : out - 1;
  }
  // (a b + c) / d
  static GADOLIN_HD int share(Int a, Int b, Int c, Int d) { return static_cast<int>(quotient(a * b + c, d)); }
};

struct Geometry {
  Int n, c;
  Windows h, w;
  // Elements before channel c0 of a pixel.
  GADOLIN_HD Int input(Int i, Int y, Int x, Int c0) const { return ((i * h.in + y) * w.in + x) * c + c0; }
  GADOLIN_HD Int output(Int i, Int y, Int x, Int c0) const { return ((i * h.out + y) * w.out + x) * c + c0; }
  // Input pixel (y, x)'s place in window (p, q).
  GADOLIN_HD std::uint8_t place(int y, int x, int p, int q) const {
    return static_cast<std::uint8_t>((y - h.start(p)) * w.kernel + (x - w.start(q)));
  }
};

// The largest or the mean of every window.
template <class T, bool largest> struct PoolForward {
  using M = math_type<T>;
  Geometry g;
  const T* in;
  T* out;
  std::uint8_t* places;  // of the largest; a mean has none
  GADOLIN_HD Frame frame() const { return {g.n, g.h.out, g.w.out, g.c}; }
  template <int V> GADOLIN_HD void pixel(Int n, int p, int q, Int from, Int to) const {
    const int h0 = g.h.begin(p), h1 = g.h.end(p), w0 = g.w.begin(q), w1 = g.w.end(q);
    const M share = largest ? M(1) : M(1) / (static_cast<M>(g.h.count(p)) * static_cast<M>(g.w.count(q)));
    const std::uint8_t first = g.place(h0, w0, p, q);
    for (Int c0 = from; c0 < to; c0 += V) {
      const int count = span<V>(to - c0);
      M y[V];
      std::uint8_t at[V];
      for (int c = 0; c < count; ++c) {
        y[c] = largest ? -std::numeric_limits<M>::infinity() : M(0);
        at[c] = first;
      }
      for (int h = h0; h < h1; ++h) {
        const T* next = in + g.input(n, h, w0, c0);
        std::uint8_t here = g.place(h, w0, p, q);
        for (int w = w0; w < w1; ++w, next += g.c, ++here) {
          const Channels<V, T> x(next);
          GADOLIN_IVDEP
          for (int c = 0; c < count; ++c) {
            const bool better = x[c] > y[c] || x[c] != x[c];  // a NaN wins
            at[c] = better ? here : at[c];
            y[c] = largest ? (better ? x[c] : y[c]) : y[c] + x[c];
          }
        }
      }
      if (largest) put<V>(places + g.output(n, p, q, c0), count, [&](int c) { return at[c]; });
      put<V>(out + g.output(n, p, q, c0), count, [&](int c) { return largest ? y[c] : y[c] * share; });
    }
  }
};

template <class T, bool largest> struct PoolBackward {
  using M = math_type<T>;
  Geometry g;
  const T* in;  // dy
  T* out;       // dx
  const std::uint8_t* places;
  GADOLIN_HD Frame frame() const { return {g.n, g.h.in, g.w.in, g.c}; }
  template <int V> GADOLIN_HD void pixel(Int n, int h, int w, Int from, Int to) const {
    const int p0 = g.h.first(h), p1 = g.h.last(h), q0 = g.w.first(w), q1 = g.w.last(w);
    for (Int c0 = from; c0 < to; c0 += V) {
      const int count = span<V>(to - c0);
      M sums[V] = {};
      for (int p = p0; p <= p1; ++p) {
        for (int q = q0; q <= q1; ++q) {
          const Channels<V, T> dy(in + g.output(n, p, q, c0));
          if constexpr (largest) {
            const Channels<V, std::uint8_t> at(places + g.output(n, p, q, c0));
            const std::uint8_t here = g.place(h, w, p, q);
            GADOLIN_IVDEP
            for (int c = 0; c < count; ++c) {
              const M value = dy[c];  // loaded in any case: the loop vectorises
              sums[c] += at[c] == here ? value : M(0);
            }
          } else {
            const M share = M(1) / (static_cast<M>(g.h.count(p)) * static_cast<M>(g.w.count(q)));
            for (int c = 0; c < count; ++c) sums[c] += dy[c] * share;
          }
        }
      }
      put<V>(out + g.input(n, h, w, c0), count, [&](int c) { return sums[c]; });
    }
  }
};

}  // namespace gadolin::detail
