// Recurrent layers on the CPU. A task is a direction of up to 32 sequences, the longest first, so that at
// each step those that still have one lie side by side: one product and one pass over the gates, without a
// word between tasks. Padding is not there at all. A row's numbers do not depend on the rows beside it.
#include <algorithm>
#include <cstring>

#include "layers/recurrent_function.h"

namespace gadolin::detail {
namespace {

using Size = std::int64_t;

#ifdef __AVX512F__
constexpr Size vector_bytes = 64, tile_rows = 8;
#else
constexpr Size vector_bytes = 32, tile_rows = 4;
#endif
template <class M> struct Vector { typedef M type __attribute__((vector_size(vector_bytes))); };
template <class M> constexpr Size panel_width = 2 * vector_bytes / static_cast<Size>(sizeof(M));
constexpr Size most_rows = 32;

template <class M> Tensor scratch(Size rows, Size columns) { return zeros({rows, columns}, dtype_of<M>); }

// A matrix [depth, groups x each] as a product reads it: panels of neighbouring columns of one group, 0
// beyond its end.
template <class M> struct Panels {
  Size depth, each, in_group, count;
  Tensor data;
  // Column j of group g lies at from + (g each + j) column + k row.
  template <class T>
  Panels(const T* from, Size depth_, Size groups, Size each_, Size column, Size row)
      : depth(depth_), each(each_), in_group((each + panel_width<M> - 1) / panel_width<M>),
        count(groups * in_group), data(scratch<M>(count, depth * panel_width<M>)) {
    parallel_for(count, 4, [&, to = data.data<M>()](Size p, Size end) {
      for (; p < end; ++p) {
        const Size first = p % in_group * panel_width<M>, columns = std::min(panel_width<M>, each - first);
        const T* const begin = from + (p / in_group * each + first) * column;
        for (Size k = 0; k < depth; ++k)
          for (Size j = 0; j < columns; ++j)
            to[(p * depth + k) * panel_width<M> + j] = convert<M>(begin[j * column + k * row]);
      }
    });
  }
};

template <int rows, class M> void multiply_tile(const M* a, Size lda, const M* b, Size depth, M* z) {
  using V = typename Vector<M>::type;
  constexpr Size lanes = panel_width<M> / 2;
  V sums[rows][2] = {};
  for (Size k = 0; k < depth; ++k, b += 2 * lanes) {
    V left, right;
    std::memcpy(&left, b, sizeof left), std::memcpy(&right, b + lanes, sizeof right);
    for (int r = 0; r < rows; ++r) {
      const M factor = a[r * lda + k];
      sums[r][0] += left * factor, sums[r][1] += right * factor;
    }
  }
  std::memcpy(z, sums, sizeof sums);
}
template <int rows, class M>
void multiply_rows(Size left, const M* a, Size lda, const M* b, Size depth, M* z) {
  if (left >= rows) return multiply_tile<rows>(a, lda, b, depth, z);
  if constexpr (rows > 1) multiply_rows<rows - 1>(left, a, lda, b, depth, z);
}
// z[panel][most_rows][panel_width] = a [rows, depth] times the panels.
template <class M> void multiply(const M* a, Size rows, const Panels<M>& w, M* z) {
  for (Size p = 0; p < w.count; ++p)
    for (Size r = 0; r < rows; r += tile_rows)
      multiply_rows<tile_rows>(rows - r, a + r * w.depth, w.depth,
                               w.data.template data<M>() + p * w.depth * panel_width<M>, w.depth,
                               z + (p * most_rows + r) * panel_width<M>);
}
// f(j, n, at): columns j to j + n of a row lie at z + at, and those of gate g at z + at + g step.
template <class M, class F> void by_panel(const Panels<M>& w, Size row, F&& f) {
  for (Size p = 0; p < w.in_group; ++p)
    f(p * panel_width<M>, std::min(panel_width<M>, w.each - p * panel_width<M>),
      (p * most_rows + row) * panel_width<M>);
}

// A direction of sequences order[first], ...
struct Task {
  const RecurrentLayer& l;
  int d;
  Size first, size;
  Size at(Size i) const { return l.rows.order[static_cast<std::size_t>(first + i)]; }
  Size count(Size i) const { return l.rows.count[static_cast<std::size_t>(at(i))]; }
  Size row(Size i, Size step) const {
    return l.rows.start[static_cast<std::size_t>(at(i))] + (d == 0 ? step : count(i) - 1 - step);
  }
  Size active(Size step) const {
    Size n = 0;
    while (n < size && count(n) > step) ++n;
    return n;
  }
  // Rows of states [sides, N, columns], or zeros, as the task's own; and back.
  template <class T, class M> void load(const T* all, Size columns, M* own) const {
    for (Size i = 0; i < size && all; ++i)
      for (Size j = 0; j < columns; ++j) own[i * columns + j] = convert<M>(all[at(i) * columns + j]);
  }
  template <class T, class M> void store(const M* own, Size columns, T* all) const {
    for (Size i = 0; i < size; ++i)
      for (Size j = 0; j < columns; ++j) all[at(i) * columns + j] = convert<T>(own[i * columns + j]);
  }
};
template <class F> void for_tasks(const RecurrentLayer& l, F&& f) {
  const Size each = std::clamp<Size>((l.rows.n * l.sides + num_threads() - 1) / num_threads(), 8, most_rows);
  const Size chunks = (l.rows.n + each - 1) / each;
  parallel_for(l.sides * chunks, 1, [&](Size i, Size end) {
    for (; i < end; ++i) {
      const Size first = i % chunks * each;
      f(Task{l, static_cast<int>(i / chunks), first, std::min(each, l.rows.n - first)});
    }
  });
}
template <class T> T* of_side(const Tensor& t, int d, Size each) {
  return t.defined() ? t.data<T>() + d * each : nullptr;
}

template <class T, class C, class M> struct ForwardPass {
  const RecurrentLayer& l;
  C cell;
  std::vector<Panels<M>> hh = {}, hr = {};

  void run() {
    for (int d = 0; d < l.sides; ++d) {
      hh.emplace_back(l.side[d].hh.template data<T>(), l.state, C::gates, l.hidden, l.state, 1);
      if (l.side[d].hr.defined())
        hr.emplace_back(l.side[d].hr.template data<T>(), l.hidden, 1, l.state, l.hidden, 1);
    }
    for_tasks(l, [&](const Task& task) { steps(task); });
  }
  void steps(const Task& task) const {
    const Size H = l.hidden, P = l.state, d = task.d;
    const RecurrentSide& s = l.side[d];
    const Panels<M>& w = hh[static_cast<std::size_t>(d)];
    const bool projects = !hr.empty();
    const Tensor z_ = scratch<M>(w.count * most_rows, panel_width<M>), c_ = scratch<M>(most_rows, H),
                 h_ = scratch<M>(most_rows, P), m_ = projects ? scratch<M>(most_rows, H) : h_,
                 p_ = scratch<M>(projects ? hr[0].count * most_rows : 0, panel_width<M>),
                 kept_ = empty({C::keeps * H}, dtype_of<T>);
    M *const z = z_.data<M>(), *const c = c_.data<M>(), *const h = h_.data<M>(), *const m = m_.data<M>();
    task.load(of_side<T>(l.h0, task.d, l.rows.n * P), P, h);
    task.load(of_side<T>(l.c0, task.d, l.rows.n * H), H, c);
    for (Size step = 0; step < task.count(0); ++step) {
      const Size rows = task.active(step);
      multiply(h, rows, w, z);
      for (Size i = 0; i < rows; ++i) {
        const Size row = task.row(i, step);
        if (l.keeps)
          for (Size j = 0; j < P; ++j) s.before.template data<T>()[row * P + j] = convert<T>(h[i * P + j]);
        T* const keep = l.keeps ? s.kept.template data<T>() + row * C::keeps * H : kept_.data<T>();
        unit(w, i, s.x.template data<T>() + row * C::gates * H,
             s.bias.defined() ? s.bias.template data<T>() : nullptr, z, keep, m + i * H, c + i * H);
        if (s.cells.defined() && l.keeps)
          std::memcpy(s.cells.template data<M>() + row * H, c + i * H,
                      static_cast<std::size_t>(H) * sizeof(M));
      }
      if (projects) {
        const Panels<M>& v = hr[static_cast<std::size_t>(d)];
        multiply(m, rows, v, p_.data<M>());
        for (Size i = 0; i < rows; ++i)
          by_panel(v, i, [&](Size j, Size n, Size at) { std::copy_n(p_.data<M>() + at, n, h + i * P + j); });
      }
      for (Size i = 0; i < rows; ++i) {
        T* const y = l.y<T>(l.out) + (task.row(i, step) * l.sides + d) * P;
        for (Size j = 0; j < P; ++j) y[j] = convert<T>(h[i * P + j]);
      }
    }
    task.store(h, P, l.last_h<T>(l.out, task.d));
    if (l.cell == Cell::lstm) task.store(c, H, l.last_c<T>(l.out, task.d));
  }
  void unit(const Panels<M>& w, Size i, const T* x, const T* bias, const M* z, T* keep, M* h, M* c) const {
    const Size H = l.hidden, step = w.in_group * most_rows * panel_width<M>;
    by_panel(w, i, [&](Size first, Size n, Size at) {
      GADOLIN_IVDEP
      for (Size l0 = 0; l0 < n; ++l0) {
        const Size j = first + l0;
        M state = h[j], inner = c[j];
        cell.forward(
            [&](int g) { return convert<M>(x[g * H + j]); },
            [&](int g) { return z[at + l0 + g * step] + (bias ? convert<M>(bias[g * H + j]) : M(0)); },
            [&](int k, M v) { keep[k * H + j] = convert<T>(v); }, state, inner);
        h[j] = state, c[j] = inner;
      }
    });
  }
};

template <class T, class C, class M> struct BackwardPass {
  const RecurrentLayer& l;
  C cell;
  std::vector<Panels<M>> hh = {}, hr = {};

  void run() {
    for (int d = 0; d < l.sides; ++d) {
      hh.emplace_back(l.side[d].hh.template data<T>(), C::gates * l.hidden, 1, l.state, 1, l.state);
      if (l.side[d].hr.defined())
        hr.emplace_back(l.side[d].hr.template data<T>(), l.state, 1, l.hidden, 1, l.hidden);
    }
    for_tasks(l, [&](const Task& task) { steps(task); });
  }
  void steps(const Task& task) const {
    const Size H = l.hidden, P = l.state, G = C::gates * H, d = task.d;
    const RecurrentSide& s = l.side[d];
    const Panels<M>& w = hh[static_cast<std::size_t>(d)];
    const bool projects = !hr.empty();
    const Tensor dh_ = scratch<M>(most_rows, P), dm_ = projects ? scratch<M>(most_rows, H) : dh_,
                 dc_ = scratch<M>(most_rows, H), c0_ = scratch<M>(most_rows, H),
                 dz_ = scratch<M>(most_rows, G),
                 z_ = scratch<M>(std::max(w.count, projects ? hr[0].count : 0) * most_rows, panel_width<M>);
    M *const dh = dh_.data<M>(), *const dm = dm_.data<M>(), *const dc = dc_.data<M>(),
             *const dz = dz_.data<M>(), *const z = z_.data<M>();
    task.load(l.last_h<T>(l.dout, task.d), P, dh);
    if (l.cell == Cell::lstm) task.load(l.last_c<T>(l.dout, task.d), H, dc);
    task.load(of_side<T>(l.c0, task.d, l.rows.n * H), H, c0_.data<M>());
    for (Size step = task.count(0) - 1; step >= 0; --step) {
      const Size rows = task.active(step);
      for (Size i = 0; i < rows; ++i) {
        const Size row = task.row(i, step);
        const T* const dy = l.y<T>(l.dout) + (row * l.sides + d) * P;
        for (Size j = 0; j < P; ++j) dh[i * P + j] += convert<M>(dy[j]);
        if (projects)
          for (Size j = 0; j < P; ++j) s.dh.template data<T>()[row * P + j] = convert<T>(dh[i * P + j]);
      }
      if (projects) {
        const Panels<M>& v = hr[static_cast<std::size_t>(d)];
        multiply(dh, rows, v, z);
        for (Size i = 0; i < rows; ++i)
          by_panel(v, i, [&](Size j, Size n, Size at) { std::copy_n(z + at, n, dm + i * H + j); });
        std::fill_n(dh, rows * P, M(0));
      }
      for (Size i = 0; i < rows; ++i) {
        const Size row = task.row(i, step);
        const M* const c = s.cells.defined() ? s.cells.template data<M>() : nullptr;
        unit(s, row, c && step > 0 ? c + task.row(i, step - 1) * H : c0_.data<M>() + i * H,
             c ? c + row * H : dc, dm + i * H, dc + i * H, dz + i * G);
      }
      multiply(dz, rows, w, z);
      for (Size i = 0; i < rows; ++i)
        by_panel(w, i, [&](Size first, Size n, Size at) {
          for (Size j = 0; j < n; ++j) dh[i * P + first + j] += z[at + j];
        });
    }
    task.store(dh, P, of_side<T>(l.dh0, task.d, l.rows.n * P));
    task.store(dc, H, of_side<T>(l.dc0, task.d, l.rows.n * H));
  }
  void unit(const RecurrentSide& s, Size row, const M* c_before, const M* c, M* dm, M* dc, M* dz) const {
    const Size H = l.hidden, G = C::gates * H;
    const T *const kept = s.kept.template data<T>() + row * C::keeps * H, *const before =
                                                                              s.before.template data<T>() +
                                                                              row * l.state;
    T *const dx = s.dx.template data<T>() + row * G, *const dz_row = s.dz.template data<T>() + row * G;
    T* const m = s.m.defined() ? s.m.template data<T>() + row * H : nullptr;
    const bool gru = l.cell == Cell::gru;
    if (m)
      for (Size j = 0; j < H; ++j) m[j] = convert<T>(convert<M>(kept[3 * H + j]) * tanh_of(c[j]));
    GADOLIN_IVDEP
    for (Size j = 0; j < H; ++j) {
      M dstate = dm[j], dinner = dc[j];
      cell.backward([&](int k) { return convert<M>(kept[k * H + j]); }, gru ? convert<M>(before[j]) : M(0),
                    c_before[j], c[j], dstate, dinner,
                    [&](int g, M in, M hidden) {
                      dz[g * H + j] = hidden;
                      dx[g * H + j] = convert<T>(in);
                      if (gru) dz_row[g * H + j] = convert<T>(hidden);
                    });
      dm[j] = dstate, dc[j] = dinner;
    }
  }
};

template <template <class, class, class> class Pass> void packed_pass(const RecurrentLayer& l, DType dtype) {
  dispatch_floating(dtype, "recurrent", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using M = math_type<T>;
    by_cell<M>(l.cell, l.forget_bias, [&](auto cell) { Pass<T, decltype(cell), M>{l, cell}.run(); });
  });
}

}  // namespace

void packed_forward(const RecurrentLayer& l) { packed_pass<ForwardPass>(l, l.out.dtype()); }
void packed_backward(const RecurrentLayer& l) { packed_pass<BackwardPass>(l, l.dout.dtype()); }

}  // namespace gadolin::detail
