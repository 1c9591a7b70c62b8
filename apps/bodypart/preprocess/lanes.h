// Runs the functors of apps/bodypart/preprocess/pixel.h: a lane a thread of a GPU, or a few lanes one after
// the other on the host.
#pragma once

#include "apps/bodypart/preprocess/pixel.h"
#include "tensor/cuda/launch.h"
#include "tensor/tensor.h"

namespace gadolin::detail {

#ifdef __CUDACC__
template <class F> __global__ void lanes_kernel(F f) {
  f(static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x,
    static_cast<std::int64_t>(gridDim.x) * blockDim.x);
}
#endif

template <class F>
void run_lanes([[maybe_unused]] const char* op, Device device, [[maybe_unused]] std::int64_t n, const F& f) {
  constexpr std::int64_t host_lanes = 7;
  if (device.is_cpu()) {
    for (std::int64_t lane = 0; lane < host_lanes; ++lane) f(lane, host_lanes);
    return;
  }
#ifdef __CUDACC__
  const DeviceGuard guard(device);
  launch(op, grid_stride(n, 256, 1), lanes_kernel<F>, f);
#endif
}

// Whether the lanes do the work of a tensor: on a GPU, and with the reference backend.
bool by_lanes(const Tensor& image);
void check_picture(const char* op, const Tensor& image);
void check_value(const char* op, const char* what, int value, int least, int most);

}  // namespace gadolin::detail
