// What resampling computes for one pixel, for both devices (see pixels.h). Places are fractions of whole
// numbers, so both find the same ones. Backward gathers: every input pixel looks at the outputs that read it,
// so no two threads write the same place. For upsample.cu and its tests.
#pragma once

#include "layers/pixels.h"

namespace gadolin::detail {

// Where outputs read along one dimension: output i at (a i + b) / den, not below 0.
struct Axis {
  Int in, out, a, b, den;
  bool blends;  // between that pixel and the next; otherwise the pixel alone

  GADOLIN_HD Int numerator(Int i) const { return a * i + b < 0 ? 0 : a * i + b; }
  GADOLIN_HD Int low(Int i) const { return quotient(numerator(i), den); }
  GADOLIN_HD Int after(Int place) const { return blends && place + 1 < in ? place + 1 : place; }
  template <class M> GADOLIN_HD M share_of_high(Int i) const {
    return blends ? static_cast<M>(numerator(i) - low(i) * den) / static_cast<M>(den) : M(0);
  }
  // Share of input h in output i.
  template <class M> GADOLIN_HD M share(Int i, Int h) const {
    const Int place = low(i);
    const M t = share_of_high<M>(i);
    return (place == h ? M(1) - t : M(0)) + (after(place) == h ? t : M(0));
  }
  // Outputs that read input h: [first(h), last(h)].
  GADOLIN_HD Int first(Int h) const {
    const Int from = (blends ? h - 1 : h) * den - b;
    return h == 0 || from <= 0 ? 0 : quotient(from + a - 1, a);
  }
  GADOLIN_HD Int last(Int h) const {
    const Int i = h == in - 1 ? out : quotient((h + 1) * den - 1 - b, a);
    return i < out ? i : out - 1;
  }
};
struct Grid {
  Int n, c;
  Axis h, w;
};

template <class T> struct ResampleForward {
  using M = math_type<T>;
  Grid g;
  const T* in;
  T* out;
  GADOLIN_HD Frame frame() const { return {g.n, g.h.out, g.w.out, g.c}; }
  template <int V> GADOLIN_HD void pixel(Int n, int p, int q, Int from, Int to) const {
    const Int h = g.h.low(p), w = g.w.low(q);
    const T* top = in + (n * g.h.in + h) * g.w.in * g.c;
    const T* bottom = in + (n * g.h.in + g.h.after(h)) * g.w.in * g.c;
    const Int left = w * g.c, right = g.w.after(w) * g.c;
    const M v = g.h.template share_of_high<M>(p), u = g.w.template share_of_high<M>(q);
    T* made = out + ((n * g.h.out + p) * g.w.out + q) * g.c;
    for (Int c0 = from; c0 < to; c0 += V) {
      const int count = span<V>(to - c0);
      const Channels<V, T> a(top + left + c0);
      if (!g.h.blends) {
        put<V>(made + c0, count, [&](int c) { return a[c]; });
        continue;
      }
      const Channels<V, T> b(top + right + c0), d(bottom + left + c0), e(bottom + right + c0);
      put<V>(made + c0, count, [&](int c) {
        return (M(1) - v) * ((M(1) - u) * a[c] + u * b[c]) + v * ((M(1) - u) * d[c] + u * e[c]);
      });
    }
  }
};

template <class T> struct ResampleBackward {
  using M = math_type<T>;
  Grid g;
  const T* in;  // dy
  T* out;       // dx
  GADOLIN_HD Frame frame() const { return {g.n, g.h.in, g.w.in, g.c}; }
  template <int V> GADOLIN_HD void pixel(Int n, int h, int w, Int from, Int to) const {
    const Int p0 = g.h.first(h), p1 = g.h.last(h), q0 = g.w.first(w), q1 = g.w.last(w);
    for (Int c0 = from; c0 < to; c0 += V) {
      const int count = span<V>(to - c0);
      M sums[V] = {};
      for (Int p = p0; p <= p1; ++p) {
        const M tall = g.h.template share<M>(p, h);
        for (Int q = q0; q <= q1; ++q) {
          const M share = tall * g.w.template share<M>(q, w);
          const Channels<V, T> up(in + ((n * g.h.out + p) * g.w.out + q) * g.c + c0);
          for (int c = 0; c < count; ++c) sums[c] += share * up[c];
        }
      }
      put<V>(out + ((n * g.h.in + h) * g.w.in + w) * g.c + c0, count, [&](int c) { return sums[c]; });
    }
  }
};

}  // namespace gadolin::detail
