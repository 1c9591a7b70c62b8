// Sums of squares over the spans of an optimiser, in the same order on both devices.
#pragma once

#include <algorithm>

#include "train/multi_tensor.h"

namespace gadolin::detail {

// n numbers of another type into or out of those of the rule, on the CPU.
template <class To, class From> void convert_run(const From* from, To* to, std::int64_t n) {
  GADOLIN_IVDEP
  for (std::int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
}
// n numbers of T at begin of an array of T or of 16 bits; `room` holds them if they must be converted.
template <class T>
const T* widened(const void* from, DType type, std::int64_t begin, std::int64_t n, T* room) {
  if (type == dtype_of<T>) return static_cast<const T*>(from) + begin;
  if (type == DType::bf16) convert_run(static_cast<const bfloat16*>(from) + begin, room, n);
  if (type == DType::fp16) convert_run(static_cast<const float16*>(from) + begin, room, n);
  return room;
}

// Sum of squares of span.b into partial[task]; in the same order on both devices.
template <class T> struct SquaredSum {
  double* partial;
  void range(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t task) const {
    T room[span_lanes];
    double lanes[span_lanes] = {}, threads[span_threads];
    for (; begin < end; begin += span_lanes) {
      const std::int64_t n = std::min<std::int64_t>(span_lanes, end - begin);
      const T* g = widened(s.b, s.b_type, begin, n, room);
      GADOLIN_IVDEP
      for (std::int64_t j = 0; j < n; ++j) lanes[j] += static_cast<double>(g[j]) * static_cast<double>(g[j]);
    }
    for (int t = 0; t < span_threads; ++t) threads[t] = of_thread(lanes + pack_items * t);
    partial[task] = tree_sum(threads);
  }
  GADOLIN_HD static double of_thread(const double* lanes) {
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  }
#ifdef __CUDACC__
  __device__ void block(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t task) const {
    double lanes[pack_items] = {};
    for_items(s, begin, end, static_cast<int>(threadIdx.x), [&](auto width, std::int64_t i, int lane) {
      constexpr int V = decltype(width)::value;
      const Items<T, V> g = load_any<T, V>(s.b, s.b_type, i);
#pragma unroll
      for (int j = 0; j < pack_items; ++j) {  // indices known to the compiler keep the lanes in registers
        if (V == 1 && j != lane) continue;
        const double x = static_cast<double>(g.v[V == 1 ? 0 : j]);
        lanes[j] += x * x;
      }
    });
    const double sum = block_tree_sum(of_thread(lanes));
    if (threadIdx.x == 0) partial[task] = sum;
  }
#endif
};

// Thread t of span_threads adds partial sums t, t + span_threads, ...; a tree adds the threads'.
GADOLIN_HD double sum_of_thread(const double* partial, std::int64_t tasks, int thread) {
  double sum = 0;
  for (std::int64_t i = thread; i < tasks; i += span_threads) sum += partial[i];
  return sum;
}
inline double sum_of(const double* partial, std::int64_t tasks) {
  double threads[span_threads];
  for (int t = 0; t < span_threads; ++t) threads[t] = sum_of_thread(partial, tasks, t);
  return tree_sum(threads);
}

}  // namespace gadolin::detail
