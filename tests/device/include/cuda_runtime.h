// What kernels are written with: their qualifiers, the coordinates of a thread, barriers, shuffles, atomics,
// and launches. Kernels are functions of the host here; tests/device/threads.cpp runs them.
#pragma once

// Instrumented files are checked access by access (tests/device/access.cpp), and so are their copies. Of an
// inline function that other files have as well a linker keeps one, theirs perhaps: in these it has a name of
// its own.
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
asm(R"(
.weakref memcpy, software_cuda_memcpy
.weakref memmove, software_cuda_memmove
.weakref memset, software_cuda_memset
)");
#define SOFTWARE_CUDA_OWN __attribute__((abi_tag("kernels")))
#else
#define SOFTWARE_CUDA_OWN
#endif

#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__ SOFTWARE_CUDA_OWN
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

// A kernel and its arguments, of which each thread gets a copy.
struct Kernel {
  std::shared_ptr<const void> values;
  std::size_t bytes = 0;
  void (*call)(const void* values) = nullptr;
  const void* function = nullptr;
};

// Puts a grid of threads that call `kernel` on the stream.
cudaError_t launch(Kernel kernel, dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream);
// Waits at a barrier for all threads of the block that have not ended.
void block_barrier(const char* file, int line);
// Waits for the lanes in `mask` of the warp; gives what lane `from` brought along.
std::uint64_t exchange(unsigned mask, std::uint64_t value, int from);
int lane();
// Waits for the lanes in `mask`, and orders their accesses of memory, which a shuffle does not.
void warp_barrier(unsigned mask);
// Tell the checker what atomic operations and fences do.
void atomic_access(const void* place, std::size_t bytes);
void memory_fence();

template <class T> T shuffled(unsigned mask, T value, int from) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, from);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class... Params> Kernel kernel_of(void (*function)(Params...), void** args) {
  using Values = std::tuple<void (*)(Params...), std::decay_t<Params>...>;
  const auto values = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::make_shared<const Values>(function, *static_cast<std::decay_t<Params>*>(args[I])...);
  }
  (std::index_sequence_for<Params...>{});
  const auto call = [](const void* from) {
    std::apply([](auto kernel, const auto&... arg) { kernel(arg...); }, *static_cast<const Values*>(from));
  };
  return {values, sizeof(Values), call, reinterpret_cast<const void*>(function)};
}

}  // namespace software_cuda

template <class... Params>
cudaError_t cudaLaunchKernel(void (*kernel)(Params...), dim3 grid, dim3 block, void** args,
                             std::size_t shared_bytes, cudaStream_t stream) {
  return software_cuda::launch(software_cuda::kernel_of(kernel, args), grid, block, shared_bytes, stream);
}

#define __syncthreads() software_cuda::block_barrier(__FILE__, __LINE__)
inline void __syncwarp(unsigned mask = 0xffffffffu) { software_cuda::warp_barrier(mask); }
inline void __threadfence() { software_cuda::memory_fence(); }

// Within segments of `width` lanes.
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const int lane = software_cuda::lane(), from = lane ^ bits;
  return software_cuda::shuffled(mask, value, from / width > lane / width ? lane : from);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = software_cuda::lane(), from = lane + static_cast<int>(by);
  return software_cuda::shuffled(mask, value, from / width != lane / width ? lane : from);
}
template <class T> T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  return software_cuda::shuffled(mask, value, software_cuda::lane() / width * width + (from & (width - 1)));
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = software_cuda::lane(), from = lane - static_cast<int>(by);
  return software_cuda::shuffled(mask, value, from < lane / width * width ? lane : from);
}

// Threads take turns, so that an atomic operation is a plain one, which the checker hears of as atomic.
#define SOFTWARE_CUDA_UNSEEN __attribute__((no_sanitize("thread")))
template <class T, class F> SOFTWARE_CUDA_UNSEEN T software_cuda_atomic(T* place, F changed) {
  software_cuda::atomic_access(place, sizeof *place);
  const T before = *place;
  *place = changed(before);
  return before;
}
template <class T, class V> T atomicAdd(T* place, V value) {
  return software_cuda_atomic(place,
                              [=](T before) { return static_cast<T>(before + static_cast<T>(value)); });
}
inline unsigned atomicInc(unsigned* place, unsigned limit) {
  return software_cuda_atomic(place, [=](unsigned before) { return before >= limit ? 0 : before + 1; });
}
template <class T> T atomicMax(T* place, T value) {
  return software_cuda_atomic(place, [=](T before) { return before < value ? value : before; });
}
template <class T> T atomicMin(T* place, T value) {
  return software_cuda_atomic(place, [=](T before) { return value < before ? value : before; });
}

// Loads and stores with hints for the caches.
template <class T> T __ldcs(const T* place) { return *place; }
template <class T> T __ldcg(const T* place) { return *place; }
template <class T> void __stcs(T* place, T value) { *place = value; }
