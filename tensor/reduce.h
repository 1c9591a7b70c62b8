// reduce: one loop for every reduction, for both devices and all views.
//
// A reduction is a struct: `using Acc`; Acc init(); Acc step(Acc, In value, int64 index); Acc combine(Acc,
// Acc); Out finish(Acc). The reduced elements are cut into pieces whose number depends on the shapes alone,
// and the pieces are combined in order, so results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <vector>

#include "tensor/loops.h"

namespace gadolin {

struct ReducePlan {
  std::int64_t outputs = 1, reduced = 1, pieces = 1;
  int kept_dim = 0, reduced_dim = 0;
  std::int64_t kept_sizes[Shape::max_dim] = {}, kept_strides[Shape::max_dim] = {},
               out_strides[Shape::max_dim] = {};
  std::int64_t reduced_sizes[Shape::max_dim] = {}, reduced_strides[Shape::max_dim] = {};
  bool columns = false;  // neighbouring outputs read neighbouring elements: walk rows of outputs

  GADOLIN_HD std::int64_t kept_offset(std::int64_t i, const std::int64_t* strides) const {
    std::int64_t at = 0;
    for (int d = kept_dim - 1; d >= 0; --d) {
      at += i % kept_sizes[d] * strides[d];
      i /= kept_sizes[d];
    }
    return at;
  }
  GADOLIN_HD std::int64_t reduced_offset(std::int64_t i) const {
    if (reduced_dim == 1) return i * reduced_strides[0];
    std::int64_t at = 0;
    for (int d = reduced_dim - 1; d >= 0; --d) {
      at += i % reduced_sizes[d] * reduced_strides[d];
      i /= reduced_sizes[d];
    }
    return at;
  }
  GADOLIN_HD std::int64_t piece_begin(std::int64_t piece) const { return reduced * piece / pieces; }
};

// `out` has x's shape with size 1 in the reduced dimensions.
ReducePlan plan_reduce(const Tensor& x, const Tensor& out, const std::vector<bool>& is_reduced);

namespace detail {

inline constexpr std::int64_t column_tile = 128;

// Reduces elements [begin, end) of the reduced space for outputs [first, first + count), neighbours along
// columns.
template <class R, class In>
void reduce_columns(const R& r, const ReducePlan& plan, const In* x, std::int64_t first, std::int64_t count,
                    std::int64_t begin, std::int64_t end, typename R::Acc* acc) {
  const In* base = x + plan.kept_offset(first, plan.kept_strides);
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
  const int last = plan.reduced_dim - 1;
  const std::int64_t inner = last >= 0 ? plan.reduced_sizes[last] : 1,
                     stride = last >= 0 ? plan.reduced_strides[last] : 1;
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

template <class Out, class In, class R>
void reduce(Cpu, const char*, R r, const Tensor& out, const Tensor& x, const std::vector<bool>& is_reduced) {
  const ReducePlan plan = plan_reduce(x, out, is_reduced);
  const In* from = x.data<In>();
  Out* to = out.data<Out>();
  using Acc = typename R::Acc;
  std::vector<Acc> partial(static_cast<std::size_t>(plan.outputs * plan.pieces));
  // A row of outputs is innermost when columns is set; tiles never cross it.
  const std::int64_t row = plan.columns ? plan.kept_sizes[plan.kept_dim - 1] : 1;
  const std::int64_t tile = plan.columns ? std::min(row, detail::column_tile) : 1;
  const std::int64_t tiles_a_row = (row + tile - 1) / tile, tiles = plan.outputs / row * tiles_a_row;
  const std::int64_t work =
      1 + detail::map_grain / std::max<std::int64_t>(1, tile * plan.reduced / plan.pieces);
  parallel_for(tiles * plan.pieces, work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t piece = job / tiles, t = job % tiles;
      const std::int64_t first = t / tiles_a_row * row + t % tiles_a_row * tile;
      const std::int64_t count = std::min(tile, row - t % tiles_a_row * tile);
      Acc* acc = partial.data() + piece * plan.outputs + first;
      if (plan.columns) {
        detail::reduce_columns(r, plan, from, first, count, plan.piece_begin(piece),
                               plan.piece_begin(piece + 1), acc);
      } else {
        *acc = detail::reduce_row(r, plan, from + plan.kept_offset(first, plan.kept_strides),
                                  plan.piece_begin(piece), plan.piece_begin(piece + 1));
      }
    }
  });
  for (std::int64_t i = 0; i < plan.outputs; ++i) {
    Acc acc = partial[static_cast<std::size_t>(i)];
    for (std::int64_t p = 1; p < plan.pieces; ++p)
      acc = r.combine(acc, partial[static_cast<std::size_t>(p * plan.outputs + i)]);
    to[plan.kept_offset(i, plan.out_strides)] = convert<Out>(r.finish(acc));
  }
}

#ifdef __CUDACC__
namespace detail {

// A block one (output, piece): threads stride over the piece, then a tree in shared memory.
template <class R, class In>
__global__ void reduce_rows_kernel(R r, ReducePlan plan, const In* x, typename R::Acc* partial) {
  using Acc = typename R::Acc;
  __shared__ Acc shared[256];
  const std::int64_t jobs = plan.outputs * plan.pieces;
  for (std::int64_t job = blockIdx.x; job < jobs; job += gridDim.x) {
    const std::int64_t piece = job / plan.outputs, output = job % plan.outputs;
    const In* base = x + plan.kept_offset(output, plan.kept_strides);
    Acc acc = r.init();
    const std::int64_t end = plan.piece_begin(piece + 1);
    for (std::int64_t i = plan.piece_begin(piece) + threadIdx.x; i < end; i += blockDim.x) {
      acc = r.step(acc, convert<math_type<In>>(base[plan.reduced_offset(i)]), i);
    }
    shared[threadIdx.x] = acc;
    __syncthreads();
    for (unsigned width = blockDim.x / 2; width > 0; width /= 2) {
      if (threadIdx.x < width)
        shared[threadIdx.x] = r.combine(shared[threadIdx.x], shared[threadIdx.x + width]);
      __syncthreads();
    }
    if (threadIdx.x == 0) partial[job] = shared[0];
    __syncthreads();
  }
}
// A thread one (output, piece): neighbouring threads read neighbouring elements.
template <class R, class In>
__global__ void reduce_columns_kernel(R r, ReducePlan plan, const In* x, typename R::Acc* partial) {
  const std::int64_t jobs = plan.outputs * plan.pieces,
                     step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t job = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; job < jobs;
       job += step) {
    const std::int64_t piece = job / plan.outputs, output = job % plan.outputs;
    const In* base = x + plan.kept_offset(output, plan.kept_strides);
    typename R::Acc acc = r.init();
    const std::int64_t end = plan.piece_begin(piece + 1);
    for (std::int64_t i = plan.piece_begin(piece); i < end; ++i) {
      acc = r.step(acc, convert<math_type<In>>(base[plan.reduced_offset(i)]), i);
    }
    partial[job] = acc;
  }
}
template <class R, class Out>
__global__ void reduce_finish_kernel(R r, ReducePlan plan, const typename R::Acc* partial, Out* out) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < plan.outputs;
       i += step) {
    typename R::Acc acc = partial[i];
    for (std::int64_t p = 1; p < plan.pieces; ++p) acc = r.combine(acc, partial[p * plan.outputs + i]);
    out[plan.kept_offset(i, plan.out_strides)] = convert<Out>(r.finish(acc));
  }
}

}  // namespace detail

template <class Out, class In, class R>
void reduce(Cuda, const char* op, R r, const Tensor& out, const Tensor& x,
            const std::vector<bool>& is_reduced) {
  using Acc = typename R::Acc;
  const ReducePlan plan = plan_reduce(x, out, is_reduced);
  const std::int64_t jobs = plan.outputs * plan.pieces;
  const Tensor scratch = empty({jobs * static_cast<std::int64_t>(sizeof(Acc))}, DType::uint8, x.device());
  Acc* partial = static_cast<Acc*>(scratch.raw());
  if (plan.columns) {
    launch(op, grid_stride(jobs), detail::reduce_columns_kernel<R, In>, r, plan, x.data<In>(), partial);
  } else {
    launch(op, grid_stride(jobs * 256), detail::reduce_rows_kernel<R, In>, r, plan, x.data<In>(), partial);
  }
  launch(op, grid_stride(plan.outputs), detail::reduce_finish_kernel<R, Out>, r, plan, partial,
         out.data<Out>());
}
#endif

}  // namespace gadolin
