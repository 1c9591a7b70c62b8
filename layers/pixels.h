// Loops over the pixels of channels-last images, for pooling and resampling. A body is a struct with pixels(), channels()
// and operator()(pixel, from, to): the CPU calls it for all channels of a pixel, so that its inner loop vectorises; the GPU
// for one channel a thread, neighbours in memory.
#pragma once

#include <algorithm>

#include "tensor/loops.h"

namespace gadolin::detail {

// Channels whose results a body keeps in registers at a time: a vector loop's worth on the CPU, a thread's one on the GPU.
constexpr GADOLIN_HD std::int64_t channel_tile() {
#ifdef __CUDA_ARCH__
  return 1;
#else
  return 64;
#endif
}

template <class Body> void for_pixels(Cpu, const char*, const Body& body) {
  parallel_for(body.pixels(), 1 + 8192 / std::max<std::int64_t>(1, body.channels()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) body(pixel, 0, body.channels());
  });
}

#ifdef __CUDACC__
template <class Body> __global__ void pixel_kernel(Body body) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x, c = body.channels(), total = body.pixels() * c;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    body(i / c, i % c, i % c + 1);
  }
}
template <class Body> void for_pixels(Cuda, const char* op, const Body& body) {
  launch(op, grid_stride(body.pixels() * body.channels()), pixel_kernel<Body>, body);
}
#endif

}  // namespace gadolin::detail
