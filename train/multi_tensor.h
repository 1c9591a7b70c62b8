// One loop over many tensors of the same dtype: the optimisers' launch.
//
// Every span is cut into pieces of block_items; a piece is one block's on CUDA and one task's on the CPU.
// There the spans travel as kernel parameters, so no table is copied and a recorded step keeps them; more
// than spans_a_launch tensors take more than one launch. All index arithmetic is host code too, and tests
// walk it on the CPU.
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "tensor/cuda/store.h"
#include "tensor/loops.h"

namespace gadolin {

// Up to four arrays of n elements that are walked together.
struct Span {
  void* a = nullptr;
  void* b = nullptr;
  void* c = nullptr;
  void* d = nullptr;
  void* copy = nullptr;  // of a, in 16 bits
  std::int64_t n = 0;
  double factor = 0;             // a number of the span's own: its weight decay
  std::int32_t first_block = 0;  // of the launch
  DType b_type = DType::fp32, copy_type = DType::bf16;
  bool packed = false;  // all arrays begin where packs may
};

// Of one span, for one block (or one task of a thread).
inline constexpr std::int64_t block_items = 16384;
inline constexpr int span_threads = 256, pack_items = 4;
inline constexpr int span_lanes = span_threads * pack_items;
inline constexpr int spans_a_launch = 508;  // 64 bytes each, in the 32764 that kernel parameters may take

GADOLIN_HD std::int64_t tasks_of(const Span& span) { return (span.n + block_items - 1) / block_items; }

struct SpanLaunch {
  std::size_t first;  // span
  int count;          // of spans
  std::int32_t blocks;
  std::int32_t first_task;  // of this launch among all
};
// Fills in what each span's place in its launch is. Spans without elements take no block.
inline std::vector<SpanLaunch> plan_spans(std::vector<Span>& spans) {
  std::vector<SpanLaunch> launches;
  std::int32_t task = 0;
  for (std::size_t first = 0; first < spans.size(); first += spans_a_launch) {
    SpanLaunch launch{first, static_cast<int>(std::min<std::size_t>(spans_a_launch, spans.size() - first)), 0,
                      task};
    for (std::size_t i = first; i < first + static_cast<std::size_t>(launch.count); ++i) {
      Span& s = spans[i];
      s.first_block = launch.blocks;
      std::uintptr_t addresses = 0;
      for (const void* p : {s.a, s.b, s.c, s.d, s.copy}) addresses |= reinterpret_cast<std::uintptr_t>(p);
      s.packed = addresses % 32 == 0;  // four fp64 numbers
      launch.blocks += static_cast<std::int32_t>(tasks_of(s));
    }
    task += launch.blocks;
    if (launch.blocks > 0) launches.push_back(launch);
  }
  return launches;
}
// Blocks of all launches: as many partial results as a reduction over the spans has.
inline std::int64_t span_tasks(const std::vector<Span>& spans) {
  std::int64_t tasks = 0;
  for (const Span& span : spans) tasks += tasks_of(span);
  return tasks;
}

// The piece of a launch that is this block's: elements begin to end of span number `span` of the launch.
struct Piece {
  int span;
  std::int64_t begin, end;
};
GADOLIN_HD Piece piece_of(const Span* spans, int count, int block) {
  int low = 0, high = count - 1;  // the last span that starts at or before this block
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (spans[middle].first_block <= block) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const Span& span = spans[low];
  const std::int64_t begin = (block - span.first_block) * block_items;
  return {low, begin, begin + block_items < span.n ? begin + block_items : span.n};
}

// What one thread of a block does with its piece: f(Width<4>, i, 0) for four elements from i on, 16 bytes of
// fp32, or f(Width<1>, i, lane) one by one where the arrays do not allow it or the piece ends. Lane j of a
// thread always takes items begin + 4 (thread + 256 k) + j, so sums by lane do not depend on the width.
template <int V> using Width = std::integral_constant<int, V>;
template <class F>
GADOLIN_HD void for_items(const Span& span, std::int64_t begin, std::int64_t end, int thread, F&& f) {
  for (std::int64_t i = begin + pack_items * thread; i < end; i += span_lanes) {
    if (span.packed && i + pack_items <= end) {
      f(Width<pack_items>(), i, 0);
    } else {
      for (int lane = 0; lane < pack_items && i + lane < end; ++lane) f(Width<1>(), i + lane, lane);
    }
  }
}

// V neighbours in one access.
template <class T, int V> struct alignas(sizeof(T) * V) Items { T v[V]; };
template <class T, int V> GADOLIN_HD Items<T, V> load(const void* from, std::int64_t i) {
  return *reinterpret_cast<const Items<T, V>*>(static_cast<const T*>(from) + i);
}
template <class T, int V> GADOLIN_HD void store(void* to, std::int64_t i, const Items<T, V>& x) {
  store_pack(static_cast<T*>(to) + i, x);
}
template <class To, class From, int V> GADOLIN_HD Items<To, V> converted(const Items<From, V>& x) {
  Items<To, V> y;
  for (int j = 0; j < V; ++j) y.v[j] = convert<To>(x.v[j]);
  return y;
}
// From or to an array of T or of 16 bits.
template <class T, int V> GADOLIN_HD Items<T, V> load_any(const void* from, DType type, std::int64_t i) {
  if (type == DType::bf16) return converted<T>(load<bfloat16, V>(from, i));
  if (type == DType::fp16) return converted<T>(load<float16, V>(from, i));
  return load<T, V>(from, i);
}
template <class T, int V>
GADOLIN_HD void store_half(void* to, DType type, std::int64_t i, const Items<T, V>& x) {
  if (type == DType::bf16) {
    store(to, i, converted<bfloat16>(x));
  } else {
    store(to, i, converted<float16>(x));
  }
}

// Sum of the numbers of all threads of a block by a tree of fixed shape; on the CPU of an array of
// span_threads, which it overwrites.
inline double tree_sum(double* of_threads) {
  for (int width = span_threads / 2; width > 0; width /= 2) {
    for (int t = 0; t < width; ++t) of_threads[t] += of_threads[t + width];
  }
  return of_threads[0];
}

// body.range(span, begin, end, task) on the CPU, body.block(span, begin, end, task) for all threads of a
// block on CUDA.
template <class Body> void for_each_span(Cpu, const char*, std::vector<Span>& spans, Body body) {
  for (const SpanLaunch& launch : plan_spans(spans)) {
    const Span* const table = &spans[launch.first];
    parallel_for(launch.blocks, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t block = first; block < last; ++block) {
        const Piece piece = piece_of(table, launch.count, static_cast<int>(block));
        body.range(table[piece.span], piece.begin, piece.end, launch.first_task + block);
      }
    });
  }
}

// on_device() for f(Cpu{} or Cuda{}, Tag<float> or Tag<double>).
template <class F> void on_floats(Device device, DType dtype, F&& f) {
  on_device(device, [&](auto d) {
    if (dtype == DType::fp64) {
      f(d, Tag<double>{});
    } else {
      f(d, Tag<float>{});
    }
  });
}

#ifdef __CUDACC__
// Every thread gives its number; thread 0 gets the sum.
__device__ inline double block_tree_sum(double mine) {
  __shared__ double of_threads[span_threads];
  const int thread = static_cast<int>(threadIdx.x);
  of_threads[thread] = mine;
  __syncthreads();
  for (int width = span_threads / 2; width > 0; width /= 2) {
    if (thread < width) of_threads[thread] += of_threads[thread + width];
    __syncthreads();
  }
  return of_threads[0];
}

struct SpanTable {
  SpanLaunch launch;
  Span spans[spans_a_launch];
};

template <class Body>
__global__ void __launch_bounds__(span_threads)
    span_kernel(const __grid_constant__ SpanTable table, Body body) {
  const int block = static_cast<int>(blockIdx.x);
  const Piece piece = piece_of(table.spans, table.launch.count, block);
  body.block(table.spans[piece.span], piece.begin, piece.end, table.launch.first_task + block);
}

template <class Body> void for_each_span(Cuda, const char* op, std::vector<Span>& spans, Body body) {
  static_assert(sizeof(SpanTable) + sizeof(Body) <= 32764, "kernel parameters");
  for (const SpanLaunch& planned : plan_spans(spans)) {
    SpanTable table;
    table.launch = planned;
    std::copy_n(spans.begin() + static_cast<std::ptrdiff_t>(planned.first), planned.count, table.spans);
    launch(op, Launch{dim3(static_cast<unsigned>(planned.blocks)), dim3(span_threads), 0}, span_kernel<Body>,
           table, body);
  }
}
#endif

}  // namespace gadolin
