// CUDA kernels on the CPU, for tests of their indices and sums without a GPU: stands in for
// tensor/cuda/launch.h in tests that include .cu files. Blocks run one after another. The threads of a block
// are contexts of one thread of the system that run in turn from one __syncthreads to the next. Nothing is
// told about races within a turn or between blocks.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint4 {
  unsigned x, y, z, w;
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace gadolin::emulated {

inline ucontext_t scheduler;
inline ucontext_t* running = nullptr;
inline const std::function<void()>* body = nullptr;
inline bool ended = false;

inline void thread_main() {
  (*body)();
  ended = true;  // what follows is the scheduler, as uc_link says
}

inline ucontext_t begun_context() {
  ucontext_t context{};
  getcontext(&context);
  return context;
}

// All blocks of a grid. Throws when some threads of a block wait for others that have ended.
inline void run(dim3 grid, dim3 block, const std::function<void()>& f) {
  constexpr std::size_t stack = 128 << 10;
  const ucontext_t begun = begun_context();
  gridDim = grid, blockDim = block, body = &f;
  const std::size_t count = static_cast<std::size_t>(block.x) * block.y;
  const std::unique_ptr<char[]> stacks(new char[count * stack]);
  std::vector<ucontext_t> threads(count);
  std::vector<char> done(count);
  for (unsigned block_index = 0; block_index < grid.x * grid.y; ++block_index) {
    blockIdx = dim3(block_index % grid.x, block_index / grid.x);
    for (std::size_t t = 0; t < count; ++t) {
      threads[t] = begun;
      threads[t].uc_stack.ss_sp = stacks.get() + t * stack;
      threads[t].uc_stack.ss_size = stack;
      threads[t].uc_link = &scheduler;
      makecontext(&threads[t], thread_main, 0);
      done[t] = 0;
    }
    for (std::size_t left = count; left > 0;) {
      const std::size_t before = left;
      for (std::size_t t = 0; t < count; ++t) {
        if (done[t]) continue;
        threadIdx = dim3(static_cast<unsigned>(t % block.x), static_cast<unsigned>(t / block.x));
        running = &threads[t];
        ended = false;
        swapcontext(&scheduler, running);
        if (!ended) continue;
        done[t] = 1;
        --left;
      }
      if (left > 0 && left < before) throw std::logic_error("a kernel's threads part at a __syncthreads");
    }
  }
}

}  // namespace gadolin::emulated

inline void __syncthreads() {
  const dim3 self = threadIdx;
  swapcontext(gadolin::emulated::running, &gadolin::emulated::scheduler);
  threadIdx = self;
}
inline void __threadfence() {}
inline unsigned atomicInc(unsigned* p, unsigned limit) {
  const unsigned before = *p;
  *p = before >= limit ? 0 : before + 1;
  return before;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, T value) {
  *p = value;
}

namespace gadolin {

struct Launch {
  dim3 grid{1};
  dim3 block{256};
  std::size_t shared_bytes = 0;
};
inline Launch grid_stride(std::int64_t work, int block = 256, int = 4) {
  return {dim3(static_cast<unsigned>((work + block - 1) / block)), dim3(static_cast<unsigned>(block)), 0};
}
template <class... Params, class... Args>
void launch(const char*, const Launch& how, void (*kernel)(Params...), Args&&... args) {
  const std::tuple<Params...> values{static_cast<Params>(std::forward<Args>(args))...};
  emulated::run(how.grid, how.block, [&] { std::apply(kernel, values); });
}

}  // namespace gadolin
