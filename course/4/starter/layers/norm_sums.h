// What the batch norms' kernels share: accesses to V neighbouring channels of a row, launches over a matrix,
// and sums a channel over all rows in an order that the shape alone decides. For norm_*.cu only.
#pragma once

#ifdef __CUDACC__
#include "course/todo.h"
#include <cstdint>
#include <cstring>

#include "layers/norm_function.h"
#include "tensor/cuda/launch.h"
#include "tensor/ops.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {
namespace {

constexpr int block_threads = norm_threads;

// How a thread reaches its V channels: 16 bytes at once or, where sizes or addresses forbid it, one by one,
// of which the last group of a row may have fewer (`left`).
template <int V_, bool wide_> struct Access {
  static constexpr int V = V_;
  static constexpr bool wide = wide_;
};
template <class P, int V> struct Channels { P v[V]; };

template <class A, class P> __device__ Channels<P, A::V> numbers(const P* p, std::int64_t left) {
  Channels<P, A::V> out;
#pragma unroll
  for (int j = 0; j < A::V; ++j) out.v[j] = A::wide || j < left ? p[j] : P();
  return out;
}
// `once`: nobody reads it soon, so it need not push out of the cache what is.
template <class A, bool once = false, class T>
__device__ Channels<T, A::V> load(const T* p, std::int64_t left) {
  if constexpr (!A::wide) {
    return numbers<A>(p, left);
  } else {
    constexpr int pieces = static_cast<int>(A::V * sizeof(T) / 16);
    const uint4* from = reinterpret_cast<const uint4*>(p);
    uint4 raw[pieces];
#pragma unroll
    for (int k = 0; k < pieces; ++k) raw[k] = once ? __ldcs(from + k) : from[k];
    Channels<T, A::V> out;
    memcpy(&out, raw, sizeof(raw));
    return out;
  }
}
template <class A, class T> __device__ void store(T* p, std::int64_t left, const Channels<T, A::V>& value) {
  if constexpr (A::wide) {
    constexpr int pieces = static_cast<int>(A::V * sizeof(T) / 16);
    uint4 raw[pieces];
    memcpy(raw, &value, sizeof(raw));
#pragma unroll
    for (int k = 0; k < pieces; ++k) reinterpret_cast<uint4*>(p)[k] = raw[k];
  } else {
#pragma unroll
    for (int j = 0; j < A::V; ++j) {
      if (j < left) p[j] = value.v[j];
    }
  }
}

// A batch norm's numbers for the channels of a thread.
template <class A, class P> struct Affine {
  Channels<P, A::V> mean{}, scale{}, bias{};
  __device__ Affine(const NormLine<P>& line, std::int64_t c, std::int64_t left) {
    if (!line.mean) return;
    mean = numbers<A>(line.mean + c, left), scale = numbers<A>(line.weight + c, left),
    bias = numbers<A>(line.bias + c, left);
    const auto rstd = numbers<A>(line.rstd + c, left);
#pragma unroll
    for (int j = 0; j < A::V; ++j) scale.v[j] *= rstd.v[j];
  }
};

// Calls f with the widest access that the channels, all addresses and all rows allow. With bits a thread owns
// the channels of a byte of the mask.
template <class T, bool bits, class F>
void by_width(const NormSizes& size, std::initializer_list<Rows<const T>> matrices, F&& f) {
  constexpr int at_once = 16 / static_cast<int>(sizeof(T)), v = bits ? mask_channels : at_once;
  bool aligned = size.channels % v == 0;
  for (const Rows<const T>& m : matrices)
    aligned = aligned && reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0 && m.stride % at_once == 0;
  if (aligned) {
    f(Access<v, true>{});
  } else {
    f(Access < bits ? mask_channels : 1, false > {});
  }
}

inline Launch matrix_launch(const NormSizes& size, int v, int rows_each, std::int64_t blocks) {
  const NormGrid g = norm_grid(size, v, rows_each, blocks);
  return {dim3(static_cast<unsigned>(g.slabs), static_cast<unsigned>(g.shares)),
          dim3(static_cast<unsigned>(g.x), static_cast<unsigned>(g.y)), 0};
}

// Blocks of a slab that have written their sums. Counts wrap to 0 by themselves, so the next launch finds
// zeros. All batch norms of a device run in the order of its compute stream and may share them.
__device__ unsigned arrived[norm_most_slabs];

// Body::sums numbers a channel. Grid (slabs, shares of the rows), block (groups of V channels, rows). The
// last block of a slab to arrive adds the shares in their order, in double, and calls body.finish(channel,
// sums).
template <class A, class Body>
__global__ void __launch_bounds__(block_threads, Body::sums > 2 ? 1 : 2)
    sum_rows_kernel(Body body, std::int64_t rows, std::int64_t channels, typename Body::P* partial) {
  using P = typename Body::P;
  constexpr int V = A::V, N = Body::sums;
  constexpr std::size_t tree = V * block_threads * sizeof(P), finish = N * block_threads * sizeof(double);
  alignas(16) __shared__ unsigned char bytes[tree > finish ? tree : finish];
  __shared__ bool last;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const std::int64_t c0 = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V,
                     left = channels - c0;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  P sums[N][V] = {};
  if (left > 0) {
    const auto constants = body.template constants<A>(c0, left);
#pragma unroll 4
    for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows;
         row += step) {
      body.template step<A>(constants, row, c0, left, sums);
    }
  }
  P* shared = reinterpret_cast<P*>(bytes);  // [V][threads]
      // 4.5: the tree of sum_rows_kernel is not written yet
  __threadfence();
  __syncthreads();
  if (thread == 0) last = gridDim.y == 1 || atomicInc(&arrived[blockIdx.x], gridDim.y - 1) == gridDim.y - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();

  const int width = static_cast<int>(blockDim.x) * V, ways = block_threads / width;
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * width + thread % width;
  double total[N] = {};
  if (channel < channels) {
    for (unsigned share = static_cast<unsigned>(thread / width); share < gridDim.y;
         share += static_cast<unsigned>(ways)) {
#pragma unroll
      for (int n = 0; n < N; ++n) {
        total[n] += static_cast<double>(
            __ldcg(partial + (static_cast<std::int64_t>(share) * N + n) * channels + channel));
      }
    }
  }
  double* ends = reinterpret_cast<double*>(bytes);
#pragma unroll
  for (int n = 0; n < N; ++n) ends[n * block_threads + thread] = total[n];
  __syncthreads();
  if (thread >= width || channel >= channels) return;
  for (int way = 1; way < ways; ++way) {
#pragma unroll
    for (int n = 0; n < N; ++n) total[n] += ends[n * block_threads + way * width + thread];
  }
  body.finish(channel, total);
}

template <class A, class Body>
void sum_rows(const char* op, const Body& body, const NormSizes& size, const Tensor& like) {
  const Launch how = matrix_launch(size, A::V, 8, Body::sums > 2 ? 132 : 264);
  const Tensor partial =
      empty({static_cast<std::int64_t>(how.grid.y), Body::sums, size.channels}, like.dtype(), like.device());
  launch(op, how, sum_rows_kernel<A, Body>, body, size.rows, size.channels, partial.data<typename Body::P>());
}

}  // namespace
}  // namespace gadolin::detail
#endif
