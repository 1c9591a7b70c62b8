// Launching kernels: grids for grid-stride loops, the current stream, and an error that names the op. A
// launch is a call of the runtime, not <<<>>>: any C++ compiler reads it, and the device made of software
// stands in.
#pragma once

#ifdef GADOLIN_CUDA
#include <cuda_runtime.h>

#include <cstdint>
#include <tuple>
#include <utility>

#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {

struct Launch {
  dim3 grid{1};
  dim3 block{256};
  std::size_t shared_bytes = 0;
};

// Multiprocessors of the current device; asked once a device.
int multiprocessor_count();

// For a grid-stride loop over `work` items: enough blocks to fill the device `waves` times with blocks of
// this size, and no more than there is work.
inline Launch grid_stride(std::int64_t work, int block = 256, int waves = 4) {
  const std::int64_t needed = (work + block - 1) / block;
  const std::int64_t full = static_cast<std::int64_t>(multiprocessor_count()) * (2048 / block) * waves;
  const std::int64_t blocks = needed < full ? needed : full;
  return {dim3(static_cast<unsigned>(blocks > 0 ? blocks : 1)), dim3(static_cast<unsigned>(block)), 0};
}

#ifdef __CUDACC__
// launch("silu", grid_stride(n), silu_kernel<float>, n, x, y): on the current stream of the current device,
// which is that of the innermost DeviceGuard.
template <class... Params, class... Args>
void launch(const char* op, const Launch& how, void (*kernel)(Params...), Args&&... args) {
  std::tuple<Params...> values(static_cast<Params>(std::forward<Args>(args))...);
  std::apply(
      [&](Params&... value) {
        void* places[] = {static_cast<void*>(&value)...};
        check(cudaLaunchKernel(kernel, how.grid, how.block, places, how.shared_bytes, current_stream()), op);
      },
      values);
  check_launch(op);
}
#endif

}  // namespace gadolin
#endif
