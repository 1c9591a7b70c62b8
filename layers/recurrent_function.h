// The Function behind recurrent layers: all steps of one layer, in one or two directions, from the part of
// its input (W_ih x + b, made by `linear` for all steps at once). For others: layers/recurrent.h.
#pragma once

#include "layers/recurrent.h"
#include "tensor/function.h"
#include "tensor/logistic.h"
#include "tensor/loops.h"

namespace gadolin::detail {

// Of a float in plain arithmetic, so that loops become vectors: by exp, near 0 by Taylor's series.
template <class M> GADOLIN_HD M tanh_of(M x) {
#ifndef __CUDA_ARCH__
  if constexpr (std::is_same_v<M, float>) {
    const float a = x < 0 ? -x : x, e = exp_of_minus(2 * a), q = x * x, t = (1 - e) / (1 + e);
    const float near = x + x * q * (-1.0f / 3 + q * (2.0f / 15 + q * (-17.0f / 315 + q * (62.0f / 2835))));
    return a < 0.25f ? near : x < 0 ? -t : t;
  }
#endif
  return static_cast<M>(std::tanh(x));
}

// A step of one unit. x(gate), z(gate): the parts of input and state; keep(i, value) and kept(i): what
// backward needs; h, c: the state before, then after. Backward: dh, of the output, becomes what goes straight
// to the state before; dc, of c, that of c before; put(gate, dx, dz).
template <class M> struct LstmCell {
  static constexpr int gates = 4, keeps = 4;
  M forget;
  template <class X, class Z, class K> GADOLIN_HD void forward(X x, Z z, K keep, M& h, M& c) const {
    const M i = logistic(x(0) + z(0)), f = logistic(x(1) + z(1) + forget), g = tanh_of(x(2) + z(2)),
            o = logistic(x(3) + z(3));
    keep(0, i), keep(1, f), keep(2, g), keep(3, o);
    c = f * c + i * g;
    h = o * tanh_of(c);
  }
  template <class K, class P>
  GADOLIN_HD void backward(K kept, M, M c_before, M c, M& dh, M& dc, P put) const {
    const M i = kept(0), f = kept(1), g = kept(2), o = kept(3), t = tanh_of(c), d = dc + dh * o * (1 - t * t);
    const M di = d * g * i * (1 - i), df = d * c_before * f * (1 - f), dg = d * i * (1 - g * g),
            d_o = dh * t * o * (1 - o);
    put(0, di, di), put(1, df, df), put(2, dg, dg), put(3, d_o, d_o);
    dc = d * f, dh = 0;
  }
};
template <class M> struct GruCell {
  static constexpr int gates = 3, keeps = 4;
  template <class X, class Z, class K> GADOLIN_HD void forward(X x, Z z, K keep, M& h, M&) const {
    const M r = logistic(x(0) + z(0)), u = logistic(x(1) + z(1)), s = z(2), n = tanh_of(x(2) + r * s);
    keep(0, r), keep(1, u), keep(2, n), keep(3, s);
    h = n + u * (h - n);
  }
  template <class K, class P> GADOLIN_HD void backward(K kept, M h, M, M, M& dh, M&, P put) const {
    const M r = kept(0), u = kept(1), n = kept(2), s = kept(3), dn = dh * (1 - u) * (1 - n * n);
    const M dr = dn * s * r * (1 - r), du = dh * (h - n) * u * (1 - u);
    put(0, dr, dr), put(1, du, du), put(2, dn, dn * r);
    dh *= u;
  }
};
template <class M, bool rectified> struct PlainCell {
  static constexpr int gates = 1, keeps = 1;
  template <class X, class Z, class K> GADOLIN_HD void forward(X x, Z z, K keep, M& h, M&) const {
    const M a = x(0) + z(0);
    h = rectified ? (a < 0 ? M(0) : a) : tanh_of(a);
    keep(0, h);
  }
  template <class K, class P> GADOLIN_HD void backward(K kept, M, M, M, M& dh, M&, P put) const {
    const M y = kept(0), d = rectified ? (y <= 0 ? M(0) : dh) : dh * (1 - y * y);
    put(0, d, d);
    dh = 0;
  }
};
template <class M, class F> void by_cell(Cell cell, double forget_bias, F&& f) {
  switch (cell) {
    case Cell::lstm: return f(LstmCell<M>{static_cast<M>(forget_bias)});
    case Cell::gru: return f(GruCell<M>{});
    case Cell::tanh: return f(PlainCell<M, false>{});
    case Cell::relu: return f(PlainCell<M, true>{});
  }
}
inline int gates_of(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

// Sequences as rows of matrices. Packed: the steps that count, side by side; sequence s has `count[s]` rows
// from `start[s]` on. As a grid: every step of every sequence, [N, T], with a mask.
struct SequenceRows {
  std::int64_t n = 0, t = 0, rows = 0;
  bool packed = false;
  std::vector<std::int64_t> start = {}, count = {},
                            order = {};  // order: sequences from the longest to the shortest
  Tensor index = {};                     // of packed rows, in the grid; undefined: it is the same
  Tensor mask = {};                      // of the grid, bool [N, T]; undefined: all count
};

// The rest of a layer. All tensors are dense, rows as in SequenceRows, directions d < sides.
struct RecurrentSide {
  Tensor x, hh, bias, hr;  // [rows, G H], [G H, P], [G H] (of a GRU), [P, H]; the last two may be undefined
  Tensor kept, cells,
      before;            // kept for backward: [rows, kept H], c in fp32 or fp64 [rows, H], h before [rows, P]
  Tensor dx, dz, dh, m;  // gradients of x and of W_hh h [rows, G H]; with hr: of h [rows, P], and o tanh(c)
};
struct RecurrentLayer {
  SequenceRows rows;
  Cell cell = Cell::lstm;
  double forget_bias = 0;
  std::int64_t hidden = 0, state = 0;  // H, P
  int sides = 1;
  bool keeps = true;
  RecurrentSide side[2] = {};
  Tensor h0 = {}, c0 = {};  // [sides, N, P], [sides, N, H]; undefined: zeros
  // y [rows, sides P], h [sides, N, P] and c [sides, N, H] after the last step, one behind the other.
  Tensor out = {}, dout = {}, dh0 = {}, dc0 = {};
  std::int64_t states() const { return sides * rows.n * state; }
  std::int64_t cells() const { return cell == Cell::lstm ? sides * rows.n * hidden : 0; }
  template <class T> T* y(const Tensor& all) const { return all.data<T>(); }
  template <class T> T* last_h(const Tensor& all, int d) const {
    return y<T>(all) + rows.rows * sides * state + d * rows.n * state;
  }
  template <class T> T* last_c(const Tensor& all, int d) const {
    return last_h<T>(all, sides) + d * rows.n * hidden;
  }
};

void packed_forward(const RecurrentLayer& layer);
void packed_backward(const RecurrentLayer& layer);
template <class D> void grid_forward(D device, const RecurrentLayer& layer);
template <class D> void grid_backward(D device, const RecurrentLayer& layer);

}  // namespace gadolin::detail
