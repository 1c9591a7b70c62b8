// The gates of recurrent layers: what one unit does at one step, for both devices. The formulas stand in
// layers/recurrent.h.
#pragma once

#include "course/todo.h"
#include "layers/recurrent.h"
#include "tensor/logistic.h"

// yours: includes and helpers may stand here
// end of yours

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

// x(gate), z(gate): the parts of input and state; keep(i, value) and kept(i): what backward needs; h, c: the
// state before the step, then after. Backward: dh, of the output, becomes what goes straight to the state
// before; dc, of c, that of c before; put(gate, dx, dz).
template <class M> struct LstmCell {
  static constexpr int gates = 4, keeps = 4;
  M forget;
  template <class X, class Z, class K> GADOLIN_HD void forward(X x, Z z, K keep, M& h, M& c) const {
    course::todo("6B.1", "LstmCell::forward");
  }
  template <class K, class P>
  GADOLIN_HD void backward(K kept, M /*h_before*/, M c_before, M& dh, M& dc, P put) const {
    course::todo("6B.2", "LstmCell::backward");
  }
};
template <class M> struct GruCell {
  static constexpr int gates = 3, keeps = 4;
  template <class X, class Z, class K> GADOLIN_HD void forward(X x, Z z, K keep, M& h, M& /*c*/) const {
    const M r = logistic(x(0) + z(0)), u = logistic(x(1) + z(1)), s = z(2), n = tanh_of(x(2) + r * s);
    keep(0, r), keep(1, u), keep(2, n), keep(3, s);
    h = n + u * (h - n);
  }
  template <class K, class P>
  GADOLIN_HD void backward(K kept, M h_before, M /*c_before*/, M& dh, M& /*dc*/, P put) const {
    const M r = kept(0), u = kept(1), n = kept(2), s = kept(3), dn = dh * (1 - u) * (1 - n * n);
    const M dr = dn * s * r * (1 - r), du = dh * (h_before - n) * u * (1 - u);
    put(0, dr, dr), put(1, du, du), put(2, dn, dn * r);
    dh *= u;
  }
};
template <class M, bool rectified> struct PlainCell {
  static constexpr int gates = 1, keeps = 1;
  template <class X, class Z, class K> GADOLIN_HD void forward(X x, Z z, K keep, M& h, M& /*c*/) const {
    const M a = x(0) + z(0);
    h = rectified ? (a < 0 ? M(0) : a) : tanh_of(a);
    keep(0, h);
  }
  template <class K, class P>
  GADOLIN_HD void backward(K kept, M /*h_before*/, M /*c_before*/, M& dh, M& /*dc*/, P put) const {
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

}  // namespace gadolin::detail
