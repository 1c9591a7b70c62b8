// for_each_index: a loop over positions for ops that move elements, on both devices; Walk finds the elements
// of several tensors at a position.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/loops.h"

namespace gadolin::detail {

// Positions of N tensors at element i, in row-major order, of the shape they are walked in.
template <int N> struct Walk {
  int dim = 0;
  std::int64_t numel = 1;
  std::int64_t sizes[Shape::max_dim] = {};
  std::int64_t strides[N][Shape::max_dim] = {};

  GADOLIN_HD void at(std::int64_t i, std::int64_t (&position)[N]) const {
    for (int k = 0; k < N; ++k) position[k] = 0;
    for (int d = dim - 1; d >= 0; --d) {
      const std::int64_t c = d == 0 ? i : i % sizes[d];
      i /= sizes[d];
      for (int k = 0; k < N; ++k) position[k] += c * strides[k][d];
    }
  }
};

// Leaves out dimensions of size 1 and joins neighbours in memory.
template <int N> Walk<N> make_walk(const Shape& shape, const std::array<Strides, N>& strides) {
  Walk<N> walk;
  walk.numel = shape.numel();
  for (int d = 0; d < shape.dim(); ++d) {
    if (shape[d] == 1) continue;
    bool joins = walk.dim > 0;
    for (int k = 0; k < N && joins; ++k) {
      joins = walk.strides[k][walk.dim - 1] == strides[static_cast<std::size_t>(k)][d] * shape[d];
    }
    if (!joins) ++walk.dim;
    walk.sizes[walk.dim - 1] = joins ? walk.sizes[walk.dim - 1] * shape[d] : shape[d];
    for (int k = 0; k < N; ++k) walk.strides[k][walk.dim - 1] = strides[static_cast<std::size_t>(k)][d];
  }
  return walk;
}

// The same for the slices along dimension `along`: positions of their first elements.
template <int N> Walk<N> make_slice_walk(Shape shape, std::array<Strides, N> strides, int along) {
  shape.erase(along);
  for (Strides& s : strides) s.erase(along);
  return make_walk<N>(shape, strides);
}

// Calls body(i) for i in [0, n); `cost` is about how many elements one call touches.
template <class Body>
void for_each_index(Cpu, const char*, std::int64_t n, std::int64_t cost, const Body& body) {
  parallel_for(n, 1 + map_grain / (cost > 0 ? cost : 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i);
  });
}

#ifdef __CUDACC__
template <class Body> __global__ void for_each_index_kernel(Body body, std::int64_t n) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step)
    body(i);
}
template <class Body>
void for_each_index(Cuda, const char* op, std::int64_t n, std::int64_t, const Body& body) {
  if (n > 0) launch(op, grid_stride(n), for_each_index_kernel<Body>, body, n);
}
#endif

}  // namespace gadolin::detail
