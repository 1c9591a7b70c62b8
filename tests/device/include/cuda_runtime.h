// What kernels are written with: their qualifiers, the coordinates of a thread, barriers, shuffles, atomics,
// and launches. Kernels are functions of the host here; tests/device/threads.cpp runs them.
#pragma once

#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __grid_constant__

struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace software_cuda {

using Kernel = std::function<void()>;

// Puts a grid of threads that call `kernel` on the stream.
cudaError_t launch(Kernel kernel, dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream);
// Waits at a barrier for all threads of the block that have not ended.
void block_barrier(const char* file, int line);
// Waits for the lanes in `mask` of the warp; gives what lane `from` brought along.
std::uint64_t exchange(unsigned mask, std::uint64_t value, int from);
int lane();

template <class T>
T shuffled(unsigned mask, T value, int from) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, from);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class... Params, std::size_t... I>
std::tuple<std::decay_t<Params>...> arguments(void** from, std::index_sequence<I...>) {
  return {*static_cast<std::decay_t<Params>*>(from[I])...};
}

}  // namespace software_cuda

template <class... Params>
cudaError_t cudaLaunchKernel(void (*kernel)(Params...), dim3 grid, dim3 block, void** args,
                             std::size_t shared_bytes, cudaStream_t stream) {
  auto values = software_cuda::arguments<Params...>(args, std::index_sequence_for<Params...>{});
  return software_cuda::launch([kernel, values] { std::apply(kernel, values); }, grid, block, shared_bytes,
                               stream);
}

#define __syncthreads() software_cuda::block_barrier(__FILE__, __LINE__)
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  software_cuda::exchange(mask, 0, software_cuda::lane());
}
inline void __threadfence() {}

// Within segments of `width` lanes.
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const int lane = software_cuda::lane(), from = lane ^ bits;
  return software_cuda::shuffled(mask, value, from / width > lane / width ? lane : from);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = software_cuda::lane(), from = lane + static_cast<int>(by);
  return software_cuda::shuffled(mask, value, from / width != lane / width ? lane : from);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  return software_cuda::shuffled(mask, value, software_cuda::lane() / width * width + from % width);
}

// Threads take turns, so that an atomic operation is a plain one.
template <class T, class V>
T atomicAdd(T* place, V value) {
  const T before = *place;
  *place = static_cast<T>(before + static_cast<T>(value));
  return before;
}
inline unsigned atomicInc(unsigned* place, unsigned limit) {
  const unsigned before = *place;
  *place = before >= limit ? 0 : before + 1;
  return before;
}
template <class T>
T atomicMax(T* place, T value) {
  const T before = *place;
  if (before < value) *place = value;
  return before;
}
template <class T>
T atomicMin(T* place, T value) {
  const T before = *place;
  if (value < before) *place = value;
  return before;
}

// Loads and stores with hints for the caches.
template <class T>
T __ldcs(const T* place) {
  return *place;
}
template <class T>
T __ldcg(const T* place) {
  return *place;
}
template <class T>
void __stcs(T* place, T value) {
  *place = value;
}
