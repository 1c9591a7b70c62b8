// The sums of a batch norm on the GPU: two a channel over all rows, in an order that the shape alone decides. For
// norm_cuda.cu only.
#pragma once

#ifdef __CUDACC__
#include <cstdint>

namespace gadolin::detail {
namespace {

constexpr int block_threads = 512, most_slabs = 4096;

// Blocks of a slab that have written their sums. Counts wrap to 0 by themselves, so the next launch finds zeros. All batch
// norms of a device run in the order of its compute stream and may share them.
__device__ unsigned arrived[most_slabs];

// Two sums a channel. Grid (slabs, shares of the rows), block (groups of V channels, rows). The last block of a slab to
// arrive adds the shares in their order, in double, and calls body.finish(channel, first, second).
template <int V, class Body>
__global__ void __launch_bounds__(block_threads, 2)
sum_rows_kernel(Body body, std::int64_t rows, std::int64_t channels, typename Body::P* partial) {
  using P = typename Body::P;
  constexpr std::size_t tree = 2 * V * block_threads * sizeof(P), finish = 2 * block_threads * sizeof(double);
  __shared__ alignas(16) unsigned char bytes[tree > finish ? tree : finish];
  __shared__ bool last;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const std::int64_t c0 = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  P first[V] = {}, second[V] = {};
  if (c0 < channels) {
    const auto constants = body.template constants<V>(c0);
#pragma unroll 4
    for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += step) {
      body.template step<V>(constants, row, c0, first, second);
    }
  }
  P* sums = reinterpret_cast<P*>(bytes);  // [2 V][threads]
#pragma unroll
  for (int j = 0; j < V; ++j) {
    sums[2 * j * block_threads + thread] = first[j];
    sums[(2 * j + 1) * block_threads + thread] = second[j];
  }
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) {
#pragma unroll
      for (int j = 0; j < 2 * V; ++j) {
        sums[j * block_threads + thread] += sums[j * block_threads + thread + static_cast<int>(half * blockDim.x)];
      }
    }
  }
  if (threadIdx.y == 0 && c0 < channels) {
    P* out = partial + static_cast<std::int64_t>(blockIdx.y) * 2 * channels + c0;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      out[j] = sums[2 * j * block_threads + thread];
      out[channels + j] = sums[(2 * j + 1) * block_threads + thread];
    }
  }
  __threadfence();
  __syncthreads();
  if (thread == 0) last = gridDim.y == 1 || atomicInc(&arrived[blockIdx.x], gridDim.y - 1) == gridDim.y - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();

  const int width = static_cast<int>(blockDim.x) * V, ways = block_threads / width;
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * width + thread % width;
  double a = 0, b = 0;
  if (channel < channels) {
    for (unsigned share = static_cast<unsigned>(thread / width); share < gridDim.y; share += static_cast<unsigned>(ways)) {
      a += static_cast<double>(__ldcg(partial + static_cast<std::int64_t>(share) * 2 * channels + channel));
      b += static_cast<double>(__ldcg(partial + (static_cast<std::int64_t>(share) * 2 + 1) * channels + channel));
    }
  }
  double* ends = reinterpret_cast<double*>(bytes);
  ends[thread] = a;
  ends[block_threads + thread] = b;
  __syncthreads();
  if (thread >= width || channel >= channels) return;
  for (int way = 1; way < ways; ++way) {
    a += ends[way * width + thread];
    b += ends[block_threads + way * width + thread];
  }
  body.finish(channel, a, b);
}

}  // namespace
}  // namespace gadolin::detail
#endif
