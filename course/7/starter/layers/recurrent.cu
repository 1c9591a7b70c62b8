// The steps of a recurrent layer, forwards and back, for all devices: a product and a pass over units a step.
//
// On the CPU a task is a direction of up to 32 packed sequences, the longest first, so that those that still
// have a step lie side by side; tasks need no word of one another, and padding is not there at all. As a
// grid, on the GPU and with --backend reference, one task has all sequences in all directions. Nothing is
// read back, so it can be recorded.
#include "course/todo.h"
#include <algorithm>

#include "layers/recurrent_cells.h"
#include "layers/recurrent_function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {
namespace {

using Count = std::int64_t;

struct ForwardUnit {};
struct ProjectedUnit {};
struct ArrivingUnit {};
struct BackwardUnit {};

// A step as its units see it. Sequence i in direction d is number q = d N + i: its state is row q of [D, N,
// ...]; its step is row r of matrices that have a row for each step and direction. W: what products take.
template <class T, class C, class W> struct RecurrentStep {
  using M = math_type<T>;
  static constexpr bool lstm = std::is_same_v<C, LstmCell<M>>, gru = std::is_same_v<C, GruCell<M>>;
  C cell;
  Count n, t, sides, hidden, state;
  const Count *start, *count;  // of packed sequences
  const bool* mask;
  bool keeps, projects;
  const T* x;
  const W *bias, *from_hh, *from_hr;  // W_hh h and W_hr m; backward: dz W_hh of the step after, dp W_hr
  W *to_hh, *to_hr;                   // h and m, the output before a projection; backward: dz and dp
  M *c, *dh;                          // changed in place, as h is; backward: c is its gradient
  T *y, *before, *gates, *inner, *dx, *dz, *dp;  // backward: y is its gradient
  M* cells;
  Count step;

  struct At {
    Count q, d, r, kept;  // kept: the row of what is kept
    bool counts;
  };
  GADOLIN_HD At at(Count q) const {
    course::todo("6B.4", "at");
  }
  GADOLIN_HD void operator()(ForwardUnit, const At& a, Count j) const {
    const Count u = a.q * hidden + j, k = a.kept * hidden + j;
    M value = gru ? convert<M>(to_hh[u]) : M(0), inside = lstm ? c[u] : M(0);
    if constexpr (lstm) cells[k] = inside;
    cell.forward([&](int g) { return convert<M>(x[(a.r * C::gates + g) * hidden + j]); },
                 [&](int g) {
                   const M sum = convert<M>(from_hh[(a.q * C::gates + g) * hidden + j]);
                   return gru ? sum + convert<M>(bias[(a.d * C::gates + g) * hidden + j]) : sum;
                 },
                 [&](int g, M v) { gates[(a.kept * C::keeps + g) * hidden + j] = convert<T>(v); }, value,
                 inside);
    if constexpr (lstm) c[u] = a.counts ? inside : c[u];
    if (!projects) return arrive(a, j, convert<W>(value));
    to_hr[u] = convert<W>(value);
    inner[k] = convert<T>(value);
  }
  GADOLIN_HD void operator()(ProjectedUnit, const At& a, Count j) const {
    arrive(a, j, from_hr[a.q * state + j]);
  }
  GADOLIN_HD void arrive(const At& a, Count j, W value) const {
    course::todo("6B.3", "arrive");
  }
  // The gradient that reaches this step's output; what passes a step that does not count stays in dh.
  GADOLIN_HD void operator()(ArrivingUnit, const At& a, Count j) const {
    course::todo("6B.3", "ArrivingUnit");
  }
  GADOLIN_HD void operator()(BackwardUnit, const At& a, Count j) const {
    const Count u = a.q * hidden + j, k = a.r * hidden + j;
    M d = projects ? convert<M>(from_hr[u]) : dh[u], inside = lstm ? c[u] : M(0);
    cell.backward([&](int g) { return convert<M>(gates[(a.r * C::keeps + g) * hidden + j]); },
                  gru ? convert<M>(before[k]) : M(0), lstm ? cells[k] : M(0), d, inside,
                  [&](int g, M of_x, M of_z) {
                    const Count all = (a.r * C::gates + g) * hidden + j;
                    dx[all] = convert<T>(a.counts ? of_x : M(0));
                    if constexpr (gru) dz[all] = convert<T>(a.counts ? of_z : M(0));
                    to_hh[(a.q * C::gates + g) * hidden + j] = convert<W>(a.counts ? of_z : M(0));
                  });
    if constexpr (lstm) c[u] = a.counts ? inside : c[u];
    if (!projects) dh[u] = a.counts ? d : dh[u];
  }
};

// `columns` units of each of the sequences [first, first + rows).
template <class U, class S> void run_units(Cpu, U unit, S s, Count first, Count rows, Count columns) {
  const auto loop = [&](const typename S::At& a) {
    GADOLIN_IVDEP
    for (Count j = 0; j < columns; ++j) s(unit, a, j);
  };
  for (Count q = first; q < first + rows; ++q) {
    const typename S::At a = s.at(q);
    a.counts ? loop({a.q, a.d, a.r, a.kept, true}) : loop(a);  // the first without choices becomes vectors
  }
}
#ifdef __CUDACC__
template <class U, class S> __global__ void recurrent_kernel(S s, Count units, Count columns) {
  const Count step = static_cast<Count>(gridDim.x) * blockDim.x;
  for (Count i = static_cast<Count>(blockIdx.x) * blockDim.x + threadIdx.x; i < units; i += step)
    s(U(), s.at(i / columns), i % columns);
}
template <class U, class S> void run_units(Cuda, U, const S& s, Count, Count rows, Count columns) {
  launch("recurrent", grid_stride(rows * columns), recurrent_kernel<U, S>, s, rows * columns, columns);
}
#endif

// y [D, N, columns] = a [D, N, depth] w [D, depth, columns], for rows of one direction or for all.
template <class W> struct StateProduct {
  Tensor w, panels, y;
  StateProduct(const SequenceRows& rows, const Tensor& weight, const Tensor& packed = {})
      : w(rows.packed ? weight : weight.to(dtype_of<W>)),
        panels(packed.defined() || !rows.packed ? packed : pack_panels(w)),
        y(zeros({w.size(0), rows.n, w.size(2)}, dtype_of<W>, w.device())) {}
  const W* data() const { return y.data<W>(); }
  const W* operator()(const Tensor& a, Count first, Count rows) {
    if (panels.defined())
      multiply_panels(panels, a, first, rows, y);
    else
      y = matmul(a, w);
    return data();
  }
};

template <class D, class T, class C> struct RecurrentPass {
  using M = math_type<T>;
  using W = std::conditional_t<std::is_same_v<D, Cpu>, M, T>;
  using Step = RecurrentStep<T, C, W>;
  D device;
  const RecurrentFunction& f;
  C cell;
  const Tensor &hh, &hr;  // hr is empty without a projection
  const SequenceRows& rows = f.rows;
  Count H = f.hidden, P = f.state, number = rows.n * f.sides;

  Step step() const {
    Step s{};
    s.cell = cell, s.n = rows.n, s.t = rows.t, s.sides = f.sides, s.hidden = H, s.state = P;
    if (!rows.start.empty()) s.start = rows.start.data(), s.count = rows.count.data();
    if (rows.mask.defined()) s.mask = rows.mask.template data<bool>();
    s.keeps = f.keeps, s.projects = hr.numel() > 0;
    s.before = f.before.template data<T>(), s.gates = f.gates.template data<T>();
    s.inner = f.inner.template data<T>(), s.cells = f.cells.template data<M>();
    return s;
  }
  Tensor states(Count columns, DType dtype, const Tensor& from = {}) const {
    Tensor t = zeros({f.sides, rows.n, columns}, dtype, hh.device());
    if (from.defined()) t.copy_(from);
    return t;
  }
  // body(s, first, rows) for each step of each task, in order or from the last on.
  template <class F> void run(bool reverse, const Step& of_all, F&& body) const {
    const auto task = [&](Count first, Count size) {
      Step s = of_all;
      const Count* const count = rows.count.empty() ? nullptr : rows.count.data() + first % rows.n;
      const Count steps = count ? count[0] : rows.t;
      for (Count i = 0; i < steps; ++i) {
        s.step = reverse ? steps - 1 - i : i;
        Count there = size;
        while (count && count[there - 1] <= s.step) --there;
        body(s, first, there);
      }
    };
    if (number == 0) return;
    if (!rows.packed) return task(0, number);
    const Count each = std::clamp<Count>((number + num_threads() - 1) / num_threads(), 8, 32),
                chunks = (rows.n + each - 1) / each;
    parallel_for(f.sides * chunks, 1, [&](Count i, Count end) {
      for (; i < end; ++i) {
        const Count first = i % chunks * each;
        task(i / chunks * rows.n + first, std::min(each, rows.n - first));
      }
    });
  }
  void forward(const RecurrentFunction::Inputs& in) const {
    const auto kept = [&](Count columns, DType dtype) {
      return empty({f.keeps ? rows.rows : rows.n, f.sides, columns}, dtype, hh.device());
    };
    f.before = kept(P, dtype_of<T>), f.gates = kept(C::keeps * H, dtype_of<T>);
    f.inner = kept(hr.size(2), dtype_of<T>), f.cells = kept(H, dtype_of<M>);
    Step all = step();
    const auto [y, last_h, last_c] = f.parts(in.out);
    const Tensor h = states(P, dtype_of<W>, in.h0), c = states(H, dtype_of<M>, in.c0),
                 m = states(hr.size(2), dtype_of<W>),
                 b = in.bias.defined() ? in.bias.to(dtype_of<W>).contiguous()
                                       : states(C::gates * H, dtype_of<W>);
    StateProduct<W> by_hh(rows, hh.transpose(1, 2), f.hh_panels),
        by_hr(rows, hr.transpose(1, 2), f.hr_panels);
    all.x = in.x.template data<T>(), all.y = y.template data<T>(), all.bias = b.template data<W>();
    all.to_hh = h.template data<W>(), all.to_hr = m.template data<W>(), all.c = c.template data<M>();
    run(false, all, [&](Step& s, Count first, Count there) {
      s.from_hh = by_hh(h, first, there);
      run_units(device, ForwardUnit(), s, first, there, H);
      if (!s.projects) return;
      s.from_hr = by_hr(m, first, there);
      run_units(device, ProjectedUnit(), s, first, there, P);
    });
    Tensor(last_h).copy_(h);
    if (last_c.defined()) Tensor(last_c).copy_(c);
  }
  Grads backward(const Tensor& dout, Need need) const {
    Step all = step();
    const auto [dy, last_dh, last_dc] = f.parts(dout);
    const auto by_side = [&](Count columns) {
      return empty({rows.rows, f.sides, columns}, dtype_of<T>, hh.device());
    };
    const Tensor dh = states(P, dtype_of<M>, last_dh), dc = states(H, dtype_of<M>, last_dc),
                 dz_now = states(C::gates * H, dtype_of<W>), dp_now = states(P, dtype_of<W>),
                 dx = by_side(C::gates * H), dz = all.gru ? by_side(C::gates * H) : dx, dp = by_side(P);
    StateProduct<W> by_hh(rows, hh), by_hr(rows, hr);
    all.y = dy.template data<T>(), all.dh = dh.template data<M>(), all.c = dc.template data<M>();
    all.to_hh = dz_now.template data<W>(), all.to_hr = dp_now.template data<W>();
    all.dx = dx.template data<T>(), all.dz = dz.template data<T>(), all.dp = dp.template data<T>();
    run(true, all, [&](Step& s, Count first, Count there) {
      s.from_hh = by_hh.data();
      run_units(device, ArrivingUnit(), s, first, there, P);
      if (s.projects) s.from_hr = by_hr(dp_now, first, there);
      run_units(device, BackwardUnit(), s, first, there, H);
      by_hh(dz_now, first, there);
    });
    const auto of_weight = [&](const Tensor& d, const Tensor& in) {
      return matmul(d.permute({1, 2, 0}), in.permute({1, 0, 2}));
    };
    Grads grads(6);
    course::todo("6B.2", "sums over time");
    return grads;
  }
};

// body(pass) for the layer's cell and type.
template <class D>
void with_pass(D device, const RecurrentFunction& f, DType dtype, const Tensor& hh, const Tensor& hr,
               const auto& body) {
  dispatch_floating(dtype, f.name, [&]<class T>(Tag<T>) {
    by_cell<math_type<T>>(f.cell, f.forget_bias, [&](auto cell) {
      const Tensor projection = hr.defined() ? hr : empty({f.sides, f.state, 0}, dtype, hh.device());
      body(RecurrentPass<D, T, decltype(cell)>{device, f, cell, hh, projection});
    });
  });
}

}  // namespace

template <class D> void RecurrentFunction::run(D device, const Inputs& in) const {
  with_pass(device, *this, in.x.dtype(), in.hh, in.hr, [&](const auto& pass) { pass.forward(in); });
}
template <class D> Grads RecurrentFunction::backward(D device, const Tensor& dout, Need need) const {
  const NoGrad off;
  Grads grads;
  with_pass(device, *this, dout.dtype(), hh.get(), hr.defined() ? hr.get() : Tensor(),
            [&](const auto& pass) { grads = pass.backward(dout.contiguous(), need); });
  return grads;
}
template void RecurrentFunction::run(Cpu, const Inputs&) const;
template Grads RecurrentFunction::backward(Cpu, const Tensor&, Need) const;
#ifdef GADOLIN_CUDA
template void RecurrentFunction::run(Cuda, const Inputs&) const;
template Grads RecurrentFunction::backward(Cuda, const Tensor&, Need) const;
#endif

}  // namespace gadolin::detail
