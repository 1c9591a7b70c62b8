// reduce: one loop for every reduction, for both devices and all views.
//
// A reduction is a struct: `using Acc`; Acc init(); Acc step(Acc, In value, int64 index); Acc combine(Acc,
// Acc); Out finish(Acc). The reduced elements are cut into pieces whose number depends on the shapes alone,
// and the pieces are combined in order, so results do not depend on the number of threads.
#pragma once

#include "course/todo.h"
#include <algorithm>
#include <vector>

#include "tensor/ops/index_loop.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {

// How a tensor is walked through by a reduction.
struct ReducePlan {
  detail::Walk<2> kept;     // the outputs: where each begins in x, and where it lies in out
  detail::Walk<1> reduced;  // the elements that fall together, in x
  std::int64_t pieces = 1;  // into how many parts the reduced elements of an output are cut
  bool columns = false;     // neighbouring outputs read neighbouring elements: walk rows of outputs

  // Offsets in x and in the result, in elements: of an output, and of a reduced element from there:
  GADOLIN_HD std::int64_t begin_of(std::int64_t output) const { return kept_place(output, 0); }
  GADOLIN_HD std::int64_t result_of(std::int64_t output) const { return kept_place(output, 1); }
  GADOLIN_HD std::int64_t kept_place(std::int64_t output, int which) const {
    std::int64_t at[2];
    kept.at(output, at);
    return at[which];
  }
  GADOLIN_HD std::int64_t reduced_offset(std::int64_t i) const {
    if (reduced.dim == 1) return i * reduced.strides[0][0];
    std::int64_t at[1];
    reduced.at(i, at);
    return at[0];
  }
  GADOLIN_HD std::int64_t row() const { return kept.sizes[kept.dim - 1]; }  // outputs of a row, of columns
  // First reduced element of a part.
  GADOLIN_HD std::int64_t piece_begin(std::int64_t piece) const { return reduced.numel * piece / pieces; }
};

// `out` has x's shape with size 1 in the reduced dimensions; x is not empty.
ReducePlan plan_reduce(const Tensor& x, const Tensor& out);

namespace detail {

inline constexpr std::int64_t column_tile = 128;

// Reduces elements [begin, end) of the reduced space for outputs [first, first + count), neighbours along
// columns.
template <class R, class In>
void reduce_columns(const R& r, const ReducePlan& plan, const In* x, std::int64_t first, std::int64_t count,
                    std::int64_t begin, std::int64_t end, typename R::Acc* acc) {
  const In* base = x + plan.begin_of(first);
  for (std::int64_t j = 0; j < count; ++j) acc[j] = r.init();
  for (std::int64_t i = begin; i < end; ++i) {
    const In* row = base + plan.reduced_offset(i);
    GADOLIN_IVDEP
    for (std::int64_t j = 0; j < count; ++j) acc[j] = r.step(acc[j], convert<math_type<In>>(row[j]), i);
  }
}
// Takes n elements `stride` apart into eight accumulators, so that additions overlap and round less.
template <class R, class In>
void reduce_run(const R& r, const In* x, std::int64_t stride, std::int64_t first, std::int64_t n,
                typename R::Acc* acc) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k)
      acc[k] = r.step(acc[k], convert<math_type<In>>(x[(i + k) * stride]), first + i + k);
  }
  for (; i < n; ++i) acc[0] = r.step(acc[0], convert<math_type<In>>(x[i * stride]), first + i);
}

// The same for one output, a run of the innermost reduced dimension at a time.
template <class R, class In>
typename R::Acc reduce_row(const R& r, const ReducePlan& plan, const In* x, std::int64_t begin,
                           std::int64_t end) {
  typename R::Acc acc[8];
  for (auto& a : acc) a = r.init();
  const int last = plan.reduced.dim - 1;
  const std::int64_t inner = last >= 0 ? plan.reduced.sizes[last] : 1,
                     stride = last >= 0 ? plan.reduced.strides[0][last] : 1;
  for (std::int64_t i = begin; i < end;) {
    const std::int64_t n = std::min(end - i, inner - i % inner);
    const In* run = x + plan.reduced_offset(i);
    if (stride == 1) {
      reduce_run(r, run, 1, i, n, acc);
    } else {
      reduce_run(r, run, stride, i, n, acc);
    }
    i += n;
  }
  for (int k = 1; k < 8; ++k) acc[0] = r.combine(acc[0], acc[k]);
  return acc[0];
}

}  // namespace detail

// Runs the reduction r over x into `out`, which has x's shape with size 1 where it is reduced; x may be
// empty.
template <class Out, class In, class R>
void reduce(Cpu, const char*, R r, const Tensor& out, const Tensor& x) {
  const ReducePlan plan = plan_reduce(x, out);
  const In* from = x.data<In>();
  Out* to = out.data<Out>();
  using Acc = typename R::Acc;
  std::vector<Acc> partial(static_cast<std::size_t>(plan.kept.numel * plan.pieces));
  // A row of outputs is innermost when columns is set; tiles never cross it.
  const std::int64_t row = plan.columns ? plan.row() : 1;
  const std::int64_t tile = plan.columns ? std::min(row, detail::column_tile) : 1;
  const std::int64_t tiles_a_row = (row + tile - 1) / tile, tiles = plan.kept.numel / row * tiles_a_row;
  const std::int64_t work =
      1 + detail::map_grain / std::max<std::int64_t>(1, tile * plan.reduced.numel / plan.pieces);
  parallel_for(tiles * plan.pieces, work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t piece = job / tiles, t = job % tiles;
      const std::int64_t first = t / tiles_a_row * row + t % tiles_a_row * tile;
      const std::int64_t count = std::min(tile, row - t % tiles_a_row * tile);
      Acc* acc = partial.data() + piece * plan.kept.numel + first;
      if (plan.columns) {
        detail::reduce_columns(r, plan, from, first, count, plan.piece_begin(piece),
                               plan.piece_begin(piece + 1), acc);
      } else {
        *acc = detail::reduce_row(r, plan, from + plan.begin_of(first), plan.piece_begin(piece),
                                  plan.piece_begin(piece + 1));
      }
    }
  });
  for (std::int64_t i = 0; i < plan.kept.numel; ++i) {
    Acc acc = partial[static_cast<std::size_t>(i)];
    for (std::int64_t p = 1; p < plan.pieces; ++p)
      acc = r.combine(acc, partial[static_cast<std::size_t>(p * plan.kept.numel + i)]);
    to[plan.result_of(i)] = convert<Out>(r.finish(acc));
  }
}

#ifdef __CUDACC__
namespace detail {

// Threads of a block. The V numbers of each are combined with those of its team, a power of two of threads
// that stand `apart` from one another: the first member has the result.
inline constexpr unsigned reduce_threads = 256;
template <int V, class R, class Acc>
__device__ void combine_team(const R& r, Acc (&acc)[V], Acc* shared, unsigned member, unsigned team,
                             unsigned apart) {
  // 4.2: combine_team is not written yet
}

// body(i, where element i is) for every step-th of the reduced elements, some loads in flight where they lie
// in one dimension.
template <class Body>
__device__ void each_reduced(const ReducePlan& plan, std::int64_t begin, std::int64_t end, std::int64_t step,
                             const Body& body) {
  if (plan.reduced.dim == 1) {
#pragma unroll 4
    for (std::int64_t i = begin; i < end; i += step) body(i, i * plan.reduced.strides[0][0]);
  } else {
#pragma unroll 1
    for (std::int64_t i = begin; i < end; i += step) body(i, plan.reduced_offset(i));
  }
}

// A team one (output, piece), so that short rows share a block. A single piece is finished here.
template <class R, class In, class Out>
__global__ void reduce_rows_kernel(R r, ReducePlan plan, unsigned team, const In* x, typename R::Acc* partial,
                                   Out* out) {
  // 4.2: reduce_rows_kernel is not written yet
}

// A block one (tile of neighbouring outputs, piece): `lanes` threads side by side read V outputs each, the
// others further elements of the piece.
template <int V, class R, class In, class Out>
__global__ void reduce_columns_kernel(R r, ReducePlan plan, unsigned lanes, const In* x,
                                      typename R::Acc* partial, Out* out) {
  using Acc = typename R::Acc;
  __shared__ Acc shared[V * reduce_threads];
  const unsigned lane = threadIdx.x % lanes, member = threadIdx.x / lanes, team = reduce_threads / lanes;
  const std::int64_t row = plan.row(), width = std::int64_t{lanes} * V;
  const std::int64_t tiles_a_row = (row + width - 1) / width, tiles = plan.kept.numel / row * tiles_a_row;
  for (std::int64_t job = blockIdx.x; job < tiles * plan.pieces; job += gridDim.x) {
    const std::int64_t piece = job / tiles, tile = job % tiles,
                       column = tile % tiles_a_row * width + lane * V;
    const std::int64_t output = tile / tiles_a_row * row + column;
    Acc acc[V];
#pragma unroll
    for (int j = 0; j < V; ++j) acc[j] = r.init();
    if (column < row) {
      const In* base = x + plan.begin_of(output);
      const std::int64_t end = plan.piece_begin(piece + 1);
      each_reduced(plan, plan.piece_begin(piece) + member, end, team, [&](std::int64_t i, std::int64_t at) {
        const auto in = *reinterpret_cast<const Pack<In, V>*>(base + at);
#pragma unroll
        for (int j = 0; j < V; ++j) acc[j] = r.step(acc[j], convert<math_type<In>>(in.v[j]), i);
      });
    }
    combine_team(r, acc, shared, member, team, lanes);
    if (column >= row || member > 0) continue;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (partial)
        partial[piece * plan.kept.numel + output + j] = acc[j];
      else
        out[plan.result_of(output + j)] = convert<Out>(r.finish(acc[j]));
    }
  }
}

// A team an output.
template <class R, class Out>
__global__ void reduce_finish_kernel(R r, ReducePlan plan, unsigned team, const typename R::Acc* partial,
                                     Out* out) {
  // 4.2: reduce_finish_kernel is not written yet
}

// The least power of two that is not below n, at most a block.
inline unsigned team_for(std::int64_t n) {
  unsigned team = 1;
  while (team < n && team < reduce_threads) team *= 2;
  return team;
}
// Whether `width` neighbouring outputs lie side by side, from a multiple of that on, wherever they begin.
inline bool packs_columns(const ReducePlan& plan, int width) {
  const int last = plan.kept.dim - 1;
  bool fits = plan.kept.sizes[last] % width == 0;
  for (int d = 0; d < last; ++d) fits = fits && plan.kept.strides[0][d] % width == 0;
  for (int d = 0; d < plan.reduced.dim; ++d) fits = fits && plan.reduced.strides[0][d] % width == 0;
  return fits;
}

}  // namespace detail

template <class Out, class In, class R>
void reduce(Cuda, const char* op, R r, const Tensor& out, const Tensor& x) {
  using Acc = typename R::Acc;
  constexpr int block = static_cast<int>(detail::reduce_threads), V = static_cast<int>(16 / sizeof(In));
  const ReducePlan plan = plan_reduce(x, out);
  const std::int64_t jobs = plan.kept.numel * plan.pieces;
  Tensor scratch;
  Acc* partial = nullptr;
  if (plan.pieces > 1) {
    scratch = empty({jobs * static_cast<std::int64_t>(sizeof(Acc))}, DType::uint8, x.device());
    partial = static_cast<Acc*>(scratch.raw());
  }
  const In* in = x.data<In>();
  Out* to = out.data<Out>();
  if (plan.columns) {
    const bool wide = detail::packs_columns(plan, V) && reinterpret_cast<std::uintptr_t>(in) % 16 == 0;
    const std::int64_t row = plan.row(), packs = row / (wide ? V : 1);
    const unsigned lanes = std::min(detail::team_for(packs), 32u);
    const std::int64_t tiles = plan.kept.numel / row * ((packs + lanes - 1) / lanes);
    launch(op, grid_stride(tiles * plan.pieces * block, block),
           wide ? detail::reduce_columns_kernel<V, R, In, Out> : detail::reduce_columns_kernel<1, R, In, Out>,
           r, plan, lanes, in, partial, to);
  } else {
    const unsigned team = detail::team_for(plan.reduced.numel / plan.pieces);
    launch(op, grid_stride(jobs * team, block), detail::reduce_rows_kernel<R, In, Out>, r, plan, team, in,
           partial, to);
  }
  if (!partial) return;
  const unsigned team = detail::team_for(plan.pieces);
  launch(op, grid_stride(plan.kept.numel * team, block), detail::reduce_finish_kernel<R, Out>, r, plan, team,
         partial, to);
}
#endif

}  // namespace gadolin
