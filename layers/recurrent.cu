// Recurrent layers step by step over the grid [N, T], for the GPU and, with --backend reference, in plain
// form on the CPU: a product and a pass over units a step and direction. Nothing is read back, so a step with
// lengths can be recorded.
#include "layers/recurrent_function.h"
#include "tensor/ops.h"

namespace gadolin::detail {
namespace {

using Count = std::int64_t;

template <class B> void for_units(Cpu, Count n, const B& body) {
  parallel_for(n, map_grain / 8, [&](Count i, Count end) {
    for (; i < end; ++i) body(i);
  });
}
#ifdef __CUDACC__
template <class B> __global__ void recurrent_kernel(B body, Count n) {
  const Count step = static_cast<Count>(gridDim.x) * blockDim.x;
  for (Count i = static_cast<Count>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) body(i);
}
template <class B> void for_units(Cuda, Count n, const B& body) {
  if (n > 0) launch("recurrent", grid_stride(n), recurrent_kernel<B>, body, n);
}
#endif

// A step of one direction as kernels see it. Rows of the grid are sequence * t + at.
template <class T, class C, class M> struct GridStep {
  using Math = M;
  C cell;
  Count n, t, hidden, state, at, neighbour;  // neighbour: in the grid, of the step before this one; -1: none
  Count y_row, y_first;                      // elements of a row of y, and where this direction's begin
  const bool* mask;
  const T *x, *bias, *z, *projected, *c0;  // z [N, G H]: W_hh h; projected [N, P]
  T *kept, *before, *m;                    // m [N, H]: the output before the projection; nullptr without one
  M* cells;
  T *y, *next;  // next: the state after this step, next_row elements from one sequence to the next
  Count next_row;
  T* last_c;  // nullptr but at the last step
  // Backward. dh [N, P], dc [N, H] in M; through [N, P]: dz W_hh of the step after this one, nullptr at the
  // last.
  const T *through, *dm;
  M *dh, *dc;
  T *dx, *dz, *dh_rows, *m_rows;

  GADOLIN_HD Count row(Count s) const { return s * t + at; }
  GADOLIN_HD bool counts(Count s) const { return !mask || mask[row(s)]; }
  GADOLIN_HD M c_before(Count s, Count j) const {
    if (neighbour >= 0) return cells[(s * t + neighbour) * hidden + j];
    return c0 ? convert<M>(c0[s * hidden + j]) : M(0);
  }
  GADOLIN_HD void carry(Count s, Count j, M h) const {
    const bool on = counts(s);
    y[row(s) * y_row + y_first + j] = convert<T>(on ? h : M(0));
    next[s * next_row + j] = on ? convert<T>(h) : before[row(s) * state + j];
  }
  GADOLIN_HD void forward(Count i) const {
    const Count s = i / hidden, j = i % hidden, r = row(s);
    const bool lstm = cells != nullptr;
    M h = m ? M(0) : convert<M>(before[r * state + j]), c = lstm ? c_before(s, j) : M(0);
    const M held = c;
    cell.forward([&](int g) { return convert<M>(x[(r * C::gates + g) * hidden + j]); },
                 [&](int g) {
                   return convert<M>(z[(s * C::gates + g) * hidden + j]) +
                          (bias ? convert<M>(bias[g * hidden + j]) : M(0));
                 },
                 [&](int k, M v) { kept[(r * C::keeps + k) * hidden + j] = convert<T>(v); }, h, c);
    if (lstm) {
      cells[r * hidden + j] = counts(s) ? c : held;
      if (last_c) last_c[s * hidden + j] = convert<T>(counts(s) ? c : held);
    }
    if (m)
      m[s * hidden + j] = convert<T>(h);
    else
      carry(s, j, h);
  }
  // What reaches the output of this step; what passes a step that does not count stays in dh.
  GADOLIN_HD void arrive(Count i) const {
    const Count s = i / state, j = i % state;
    const M sum = dh[i] + (through ? convert<M>(through[i]) : M(0)),
            all = counts(s) ? sum + convert<M>(y[row(s) * y_row + y_first + j]) : sum;
    if (dh_rows) dh_rows[row(s) * state + j] = convert<T>(counts(s) ? all : M(0));
    dh[i] = dh_rows && counts(s) ? M(0) : all;
  }
  GADOLIN_HD void backward(Count i) const {
    const Count s = i / hidden, j = i % hidden, r = row(s);
    const bool on = counts(s), lstm = cells != nullptr;
    const M c = lstm ? cells[r * hidden + j] : M(0), earlier = lstm ? c_before(s, j) : M(0);
    M d = dm ? convert<M>(dm[i]) : dh[i], d_inner = dc[i];
    const auto kept_at = [&](int k) { return convert<M>(kept[(r * C::keeps + k) * hidden + j]); };
    cell.backward(kept_at, dm ? M(0) : convert<M>(before[r * state + j]), earlier, c, d, d_inner,
                  [&](int g, M in, M inner) {
                    dx[(r * C::gates + g) * hidden + j] = convert<T>(on ? in : M(0));
                    dz[(r * C::gates + g) * hidden + j] = convert<T>(on ? inner : M(0));
                  });
    if (m_rows) m_rows[r * hidden + j] = convert<T>(on ? kept_at(C::keeps - 1) * tanh_of(c) : M(0));
    if (!on) return;
    dc[i] = d_inner;
    if (!dm) dh[i] = d;
  }
};
template <class S> struct ForwardUnit {
  S step;
  GADOLIN_HD void operator()(Count i) const { step.forward(i); }
};
template <class S> struct CarryUnit {
  S step;
  GADOLIN_HD void operator()(Count i) const {
    step.carry(i / step.state, i % step.state, convert<typename S::Math>(step.projected[i]));
  }
};
template <class S> struct ArriveUnit {
  S step;
  GADOLIN_HD void operator()(Count i) const { step.arrive(i); }
};
template <class S> struct BackwardUnit {
  S step;
  GADOLIN_HD void operator()(Count i) const { step.backward(i); }
};

template <class T> T* at_or_null(const Tensor& t, Count offset = 0) {
  return t.defined() ? t.data<T>() + offset : nullptr;
}
template <class T, class C, class M>
GridStep<T, C, M> grid_step(const RecurrentLayer& l, const C& cell, int d, Count step, const Tensor& y) {
  const RecurrentSide& s = l.side[d];
  const Count n = l.rows.n, t = l.rows.t;
  GridStep<T, C, M> g{};
  g.cell = cell, g.n = n, g.t = t, g.hidden = l.hidden, g.state = l.state;
  g.at = d == 0 ? step : t - 1 - step;
  g.neighbour = step == 0 ? -1 : d == 0 ? step - 1 : t - step;
  g.y_row = l.sides * l.state, g.y_first = d * l.state;
  g.mask = at_or_null<bool>(l.rows.mask), g.c0 = at_or_null<T>(l.c0, d * n * l.hidden);
  g.kept = s.kept.data<T>(), g.before = s.before.data<T>(), g.cells = at_or_null<M>(s.cells);
  g.y = y.data<T>();
  return g;
}
// Columns of a step: [N, columns] of [N T, columns].
Tensor step_of(const Tensor& rows, const RecurrentLayer& l, Count at) {
  return rows.reshape({l.rows.n, l.rows.t, rows.size(1)}).select(1, at);
}
template <class F> void by_layer(const RecurrentLayer& l, DType dtype, F&& f) {
  dispatch_floating(dtype, "recurrent", [&](auto tag) {
    using M = math_type<typename decltype(tag)::type>;
    by_cell<M>(l.cell, l.forget_bias, [&](auto cell) { f(tag, cell); });
  });
}

template <class D, class T, class C> void forward_steps(D device, const RecurrentLayer& l, T, const C& cell) {
  using E = typename T::type;
  using M = math_type<E>;
  const Count n = l.rows.n, t = l.rows.t, P = l.state;
  for (int d = 0; d < l.sides; ++d) {
    const RecurrentSide& s = l.side[d];
    const auto states = [&](const Tensor& all, Count columns) {
      return all.defined() ? all.select(0, d) : zeros({n, columns}, l.out.dtype(), l.out.device());
    };
    const Tensor last = l.out.slice(0, l.rows.rows * l.sides * P, l.rows.rows * l.sides * P + l.states())
                            .reshape({l.sides, n, P})
                            .select(0, d);
    Tensor first = t > 0 ? step_of(s.before, l, d == 0 ? 0 : t - 1) : last;
    first.copy_(states(l.h0, P));
    if (l.cell == Cell::lstm && t == 0)
      l.out.slice(0, l.out.numel() - l.cells(), l.out.numel())
          .reshape({l.sides, n, l.hidden})
          .select(0, d)
          .copy_(states(l.c0, l.hidden));
    for (Count step = 0; step < t; ++step) {
      auto g = grid_step<E, C, M>(l, cell, d, step, l.out);
      const Tensor z = matmul(step_of(s.before, l, g.at), s.hh.transpose(0, 1));
      const Tensor m = s.hr.defined() ? empty({n, l.hidden}, l.out.dtype(), l.out.device()) : Tensor();
      const bool ends = step + 1 == t;
      g.x = s.x.template data<E>(), g.bias = at_or_null<E>(s.bias), g.z = z.data<E>(), g.m = at_or_null<E>(m);
      g.next =
          ends ? l.last_h<E>(l.out, d) : s.before.template data<E>() + (d == 0 ? g.at + 1 : g.at - 1) * P;
      g.next_row = ends ? P : t * P;
      g.last_c = ends && l.cell == Cell::lstm ? l.last_c<E>(l.out, d) : nullptr;
      for_units(device, n * l.hidden, ForwardUnit<GridStep<E, C, M>>{g});
      if (!m.defined()) continue;
      const Tensor projected = matmul(m, s.hr.transpose(0, 1));
      g.projected = projected.data<E>();
      for_units(device, n * P, CarryUnit<GridStep<E, C, M>>{g});
    }
  }
}
template <class D, class T, class C>
void backward_steps(D device, const RecurrentLayer& l, T, const C& cell) {
  using E = typename T::type;
  using M = math_type<E>;
  const Count n = l.rows.n, t = l.rows.t, P = l.state, H = l.hidden, ys = l.rows.rows * l.sides * P;
  for (int d = 0; d < l.sides; ++d) {
    const RecurrentSide& s = l.side[d];
    const auto last = [&](Count from, Count columns) {
      return l.dout.slice(0, from, from + l.sides * n * columns).reshape({l.sides, n, columns}).select(0, d);
    };
    Tensor dh = last(ys, P).to(dtype_of<M>).clone(),
           dc = l.cell == Cell::lstm ? last(ys + l.states(), H).to(dtype_of<M>).clone()
                                     : zeros({n, H}, dtype_of<M>, l.dout.device());
    Tensor through;
    for (Count step = t - 1; step >= 0; --step) {
      auto g = grid_step<E, C, M>(l, cell, d, step, l.dout);
      g.through = at_or_null<E>(through), g.dh = dh.data<M>(), g.dc = dc.data<M>();
      g.dx = s.dx.template data<E>(), g.dz = s.dz.template data<E>();
      g.dh_rows = at_or_null<E>(s.dh), g.m_rows = at_or_null<E>(s.m);
      for_units(device, n * P, ArriveUnit<GridStep<E, C, M>>{g});
      const Tensor dm = s.hr.defined() ? matmul(step_of(s.dh, l, g.at), s.hr) : Tensor();
      g.dm = at_or_null<E>(dm);
      for_units(device, n * H, BackwardUnit<GridStep<E, C, M>>{g});
      through = matmul(step_of(s.dz, l, g.at), s.hh);
    }
    if (through.defined()) dh.copy_(dh + through.to(dtype_of<M>));
    Tensor(l.dh0.select(0, d)).copy_(dh);
    Tensor(l.dc0.select(0, d)).copy_(dc);
  }
}

}  // namespace

template <class D> void grid_forward(D device, const RecurrentLayer& l) {
  by_layer(l, l.out.dtype(), [&](auto tag, const auto& cell) { forward_steps(device, l, tag, cell); });
}
template <class D> void grid_backward(D device, const RecurrentLayer& l) {
  by_layer(l, l.dout.dtype(), [&](auto tag, const auto& cell) { backward_steps(device, l, tag, cell); });
}
template void grid_forward(Cpu, const RecurrentLayer&);
template void grid_backward(Cpu, const RecurrentLayer&);
#ifdef GADOLIN_CUDA
template void grid_forward(Cuda, const RecurrentLayer&);
template void grid_backward(Cuda, const RecurrentLayer&);
#endif

}  // namespace gadolin::detail
