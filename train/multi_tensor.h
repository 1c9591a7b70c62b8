// One loop over many tensors of the same dtype: the optimisers' launch.
//
// body(span, i) is called for every element i of every span. On CUDA the spans travel as kernel parameters, so no table is
// copied and a recorded step keeps them; more than `spans_a_launch` tensors take more than one launch.
#pragma once

#include <vector>

#include "tensor/loops.h"

namespace gadolin {

// Up to four arrays of n elements that are walked together.
struct Span {
  void* a;
  void* b;
  void* c;
  void* d;
  std::int64_t n;
  std::int32_t first_block;  // of the launch
  double factor;             // a number of the span's own: its weight decay
};

inline constexpr std::int64_t block_items = 65536;  // of one span that one block (or one task of a thread) takes

template <class Body> void for_each_span(Cpu, const char*, std::vector<Span>& spans, Body body) {
  std::vector<std::pair<std::size_t, std::int64_t>> tasks;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    for (std::int64_t at = 0; at < spans[s].n; at += block_items) tasks.emplace_back(s, at);
  }
  parallel_for(static_cast<std::int64_t>(tasks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const auto [s, at] = tasks[static_cast<std::size_t>(t)];
      const Span& span = spans[s];
      const std::int64_t stop = at + block_items < span.n ? at + block_items : span.n;
      body.range(span, at, stop, t);
    }
  });
}
inline std::int64_t span_tasks(const std::vector<Span>& spans) {
  std::int64_t tasks = 0;
  for (const Span& span : spans) tasks += (span.n + block_items - 1) / block_items;
  return tasks;
}

// f(Cpu{} or Cuda{}, Tag<float> or Tag<double>).
template <class F> void on_floats(Device device, DType dtype, F&& f) {
  const auto typed = [&](auto d) {
    if (dtype == DType::fp64) {
      f(d, Tag<double>{});
    } else {
      f(d, Tag<float>{});
    }
  };
  if (device.is_cpu()) return typed(Cpu{});
#ifdef GADOLIN_CUDA
  typed(Cuda{});
#endif
}

#ifdef __CUDACC__
inline constexpr int spans_a_launch = 560;  // 31 KiB of the 32 KiB that kernel parameters may take

struct SpanTable {
  int count;
  std::int32_t first_task;  // of this launch among all
  Span spans[spans_a_launch];
};

template <class Body> __global__ void span_kernel(const __grid_constant__ SpanTable table, Body body) {
  int low = 0, high = table.count - 1;  // the last span that starts at or before this block
  const int block = static_cast<int>(blockIdx.x);
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.spans[middle].first_block <= block) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const Span& span = table.spans[low];
  const std::int64_t begin = (block - span.first_block) * block_items;
  const std::int64_t end = begin + block_items < span.n ? begin + block_items : span.n;
  body.block(span, begin, end, table.first_task + block);
}

template <class Body> void for_each_span(Cuda, const char* op, std::vector<Span>& spans, Body body) {
  std::int32_t task = 0;
  for (std::size_t first = 0; first < spans.size(); first += spans_a_launch) {
    SpanTable table;
    table.count = static_cast<int>(std::min<std::size_t>(spans_a_launch, spans.size() - first));
    table.first_task = task;
    std::int32_t blocks = 0;
    for (int i = 0; i < table.count; ++i) {
      table.spans[i] = spans[first + static_cast<std::size_t>(i)];
      table.spans[i].first_block = blocks;
      blocks += static_cast<std::int32_t>((table.spans[i].n + block_items - 1) / block_items);
    }
    task += blocks;
    if (blocks == 0) continue;
    launch(op, Launch{dim3(static_cast<unsigned>(blocks)), dim3(256), 0}, span_kernel<Body>, table, body);
  }
}
#endif

}  // namespace gadolin
