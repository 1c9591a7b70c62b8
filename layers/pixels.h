// Loops over the pixels of channels-last images, for pooling and resampling, and the reading of neighbouring
// channels.
//
// A body is a struct with the addresses `in` and `out`; frame(), the images it makes; and pixel<V>(n, row,
// column, from, to), which makes channels [from, to) of one pixel in tiles of V. The CPU asks for all
// channels of a pixel in tiles that vectorise; the GPU for one pack a thread, or one channel where packs do
// not fit.
#pragma once

#include <algorithm>

#include "tensor/cuda/store.h"
#include "tensor/loops.h"

namespace gadolin::detail {

using Int = std::int64_t;  // an index, here
struct Frame {
  Int images, rows, columns, channels;
};

// a / b, neither negative: GPUs divide 32 bits several times faster than 64.
GADOLIN_HD Int quotient(Int a, Int b) {
  return (a | b) >> 32 ? a / b
                       : static_cast<Int>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b));
}

constexpr int cpu_tile = 64;  // a vector loop's worth of results in registers

// V neighbouring channels, read with one access; p lies on their size.
template <int V, class T> struct Channels {
  struct alignas(sizeof(T) * V) Pack {
    T v[V];
  };
  Pack pack;
  GADOLIN_HD explicit Channels(const T* p) : pack(*reinterpret_cast<const Pack*>(p)) {}
  GADOLIN_HD math_type<T> operator[](int c) const { return convert<math_type<T>>(pack.v[c]); }
};
// Any number up to the tile, read where they are used.
template <class T> struct Channels<cpu_tile, T> {
  const T* p;
  GADOLIN_HD explicit Channels(const T* first) : p(first) {}
  GADOLIN_HD math_type<T> operator[](int c) const { return convert<math_type<T>>(p[c]); }
};
// Channels of a tile of V when `left` are left. A constant for packs: their loops unroll.
template <int V> GADOLIN_HD int span(Int left) {
  return V == cpu_tile && left < V ? static_cast<int>(left) : V;
}

// Writes value(c) for the first `count` of a tile of V.
template <int V, class T, class F> GADOLIN_HD void put(T* to, int count, F value) {
  if constexpr (V == cpu_tile) {
    GADOLIN_IVDEP
    for (int c = 0; c < count; ++c) to[c] = convert<T>(value(c));
  } else {
    typename Channels<V, T>::Pack y;
    for (int c = 0; c < V; ++c) y.v[c] = convert<T>(value(c));
    store_pack(to, y);
  }
}
// True when every pixel of these dense images begins on 16 bytes.
inline bool packs_fit(Int channels, int pack, const void* in, const void* out) {
  return channels % pack == 0 &&
         (reinterpret_cast<std::uintptr_t>(in) | reinterpret_cast<std::uintptr_t>(out)) % 16 == 0;
}

template <int V, class Body>
GADOLIN_HD void run_pixel(const Body& body, const Frame& f, Int pixel, Int from, Int to) {
  const Int line = quotient(pixel, f.columns), n = quotient(line, f.rows);
  body.template pixel<V>(n, static_cast<int>(line - n * f.rows), static_cast<int>(pixel - line * f.columns),
                         from, to);
}
template <class Body> void for_pixels(Cpu, const char*, const Body& body) {
  const Frame f = body.frame();
  parallel_for(f.images * f.rows * f.columns, 1 + 8192 / std::max<Int>(1, f.channels),
               [&](Int begin, Int end) {
                 for (Int pixel = begin; pixel < end; ++pixel)
                   run_pixel<cpu_tile>(body, f, pixel, 0, f.channels);
               });
}

// What thread `i` of the GPU does.
template <int V, class Body> GADOLIN_HD void run_pack(const Body& body, const Frame& f, Int i) {
  const Int packs = f.channels / V, pixel = quotient(i, packs), from = (i - pixel * packs) * V;
  run_pixel<V>(body, f, pixel, from, from + V);
}
#ifdef __CUDACC__
template <int V, class Body> __global__ void pixel_kernel(Body body, Int work) {
  const Frame f = body.frame();
  const Int step = static_cast<Int>(gridDim.x) * blockDim.x;
  for (Int i = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x; i < work; i += step)
    run_pack<V>(body, f, i);
}
template <class Body> void for_pixels(Cuda, const char* op, const Body& body) {
  const Frame f = body.frame();
  const Int work = f.images * f.rows * f.columns * f.channels;
  constexpr int pack = 16 / sizeof(*body.in);
  if (packs_fit(f.channels, pack, body.in, body.out)) {
    launch(op, grid_stride(work / pack), pixel_kernel<pack, Body>, body, work / pack);
  } else {
    launch(op, grid_stride(work), pixel_kernel<1, Body>, body, work);
  }
}
#endif

}  // namespace gadolin::detail
