// One row of softmax losses, shared by `lanes` threads: each reads its part, the parts are merged, each
// writes its part of the gradient. One formula for both devices. For loss.cu and its tests.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "layers/pixels.h"

namespace gadolin::detail {

// Of the logits of a row, or of some of them. `total` and `below` refer to the largest logit so far.
template <class M> struct RowSums {
  M largest, total;  // total: sum of exp(x - largest)
  M below, weights;  // sums of w (x - largest) and w; kept for label smoothing only
  static GADOLIN_HD RowSums none() { return {std::numeric_limits<M>::lowest(), M(0), M(0), M(0)}; }
  GADOLIN_HD void raise(M to) {
    total *= static_cast<M>(std::exp(largest - to));
    below += weights * (largest - to);
    largest = to;
  }
  GADOLIN_HD void take(M x) {  // a NaN is not larger than anything and ends in the total
    if (x > largest) raise(x);
    total += static_cast<M>(std::exp(x - largest));
  }
  GADOLIN_HD RowSums merged(RowSums other) const {
    RowSums mine = *this;
    mine.raise(largest > other.largest ? largest : other.largest);
    other.raise(mine.largest);
    return {mine.largest, mine.total + other.total, mine.below + other.below, mine.weights + other.weights};
  }
};

// Threads that share a row of `packs` accesses: a part of a warp, a warp, or (above 32) a block.
inline int lanes_for(std::int64_t packs) {
  int lanes = 1;
  while (lanes < 32 && lanes < packs) lanes *= 2;
  return packs <= 64 ? lanes : packs <= 4096 ? 128 : 512;
}

// A row's loss before the mean: ((1 - s) l_t w_t + s / C sum_k l_k w_k) (1 - p_t)^gamma, with l = -log
// softmax.
template <class T> struct SoftmaxRow {
  using M = math_type<T>;
  // The loss scale comes afterwards: in fp16 the probabilities below 3e-8 would be gone by then.
  using G = std::conditional_t<std::is_same_v<T, float16>, float, T>;
  std::int64_t classes, ignore;
  M smoothing, gamma;          // one of them is 0
  const T* logits;             // [N, C]
  const std::int64_t* target;  // [N]
  const M* weight;             // [C] or nullptr
  G* gradient;                 // [N, C] of the sum of all rows' losses, or nullptr
  M* loss;                     // [N]
  M* row_weight;               // [N]: what the mean divides by

  GADOLIN_HD M weight_of(std::int64_t c) const { return weight ? weight[c] : M(1); }
  // V classes with one access: V divides the classes and rows begin on the size of V logits, or V is 1.
  template <int V> GADOLIN_HD RowSums<M> read(std::int64_t n, int lane, int lanes) const {
    RowSums<M> sums = RowSums<M>::none();
    for (std::int64_t c = lane * V; c < classes; c += lanes * V) {
      const Channels<V, T> x(logits + n * classes + c);
      for (int j = 0; j < V; ++j) {
        sums.take(x[j]);
        if (!(smoothing > M(0))) continue;
        sums.below += weight_of(c + j) * (x[j] - sums.largest);
        sums.weights += weight_of(c + j);
      }
    }
    return sums;
  }
  template <int V> GADOLIN_HD void write(std::int64_t n, const RowSums<M>& sums, int lane, int lanes) const {
    const std::int64_t t = target[n];
    const bool ignored = t == ignore;
    M value = 0, w = 0, all = 0, hit = 0;  // d value / d x_c = all p_c - (c == t) hit - each w_c
    const M each = smoothing / static_cast<M>(classes), log_total = static_cast<M>(std::log(sums.total));
    if (!ignored && (t < 0 || t >= classes)) {  // the CPU has refused it before
      value = w = all = std::numeric_limits<M>::quiet_NaN();
    } else if (!ignored) {
      w = weight_of(t);
      const M ce = log_total - (convert<M>(logits[n * classes + t]) - sums.largest);
      all = (M(1) - smoothing) * w + each * sums.weights;
      hit = (M(1) - smoothing) * w;
      value = hit * ce;
      if (smoothing > M(0)) value += each * (sums.weights * log_total - sums.below);
      if (gamma > M(0)) {
        // w (1 - p)^g (-log p): d / dx_c = d / dp p (1[c = t] - p_c)
        const M p = static_cast<M>(std::exp(-ce)), rest = M(1) - p,
                power = static_cast<M>(std::pow(rest, gamma));
        value *= power;
        const M slope =
            rest > M(0) && p > M(0) ? gamma * static_cast<M>(std::pow(rest, gamma - M(1))) * p * ce : M(0);
        all = hit = w * (power + slope);
      }
    }
    if (lane == 0) {
      loss[n] = value;
      row_weight[n] = w;
    }
    if (!gradient) return;
    for (std::int64_t c = lane * V; c < classes; c += lanes * V) {
      const Channels<V, T> x(logits + n * classes + c);
      put<V>(gradient + n * classes + c, V, [&](int j) {
        const M p = static_cast<M>(std::exp(x[j] - sums.largest)) / sums.total;
        return ignored ? M(0)
                       : all * p - (c + j == t ? hit : M(0)) -
                             (smoothing > M(0) ? each * weight_of(c + j) : M(0));
      });
    }
  }
};

}  // namespace gadolin::detail
