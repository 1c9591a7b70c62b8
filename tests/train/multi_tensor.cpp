// The optimisers' launch: every element of every span exactly once, in packs where they are aligned, sums in
// a fixed order.
#include "train/multi_tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

using namespace gadolin;

namespace {

// Spans over one array each; `a` counts how often an element was taken.
struct Made {
  std::vector<std::vector<float>> arrays;
  std::vector<Span> spans;
  explicit Made(const std::vector<std::int64_t>& sizes, std::size_t misaligned = 0) {
    for (const std::int64_t n : sizes) {
      std::vector<float>& array = arrays.emplace_back(static_cast<std::size_t>(n) + 16);
      auto* first = array.data();
      while (reinterpret_cast<std::uintptr_t>(first) % 32 != 0) ++first;
      Span s;
      s.a = first + misaligned;
      s.n = n;
      spans.push_back(s);
    }
  }
  float& at(std::size_t span, std::int64_t i) { return static_cast<float*>(spans[span].a)[i]; }
};

// All threads of all blocks of all launches, as the device runs them.
void walk(Made& made) {
  std::int32_t tasks = 0;
  std::set<std::int64_t> seen;
  for (const SpanLaunch& launch : plan_spans(made.spans)) {
    EXPECT_EQ(launch.first_task, tasks);
    EXPECT_LE(launch.count, spans_a_launch);
    const Span* const table = &made.spans[launch.first];
    for (int block = 0; block < launch.blocks; ++block) {
      const Piece piece = piece_of(table, launch.count, block);
      ASSERT_LT(piece.begin, piece.end);
      ASSERT_LE(piece.end, table[piece.span].n);
      EXPECT_TRUE(seen.insert(launch.first_task + block).second);
      for (int thread = 0; thread < span_threads; ++thread) {
        for_items(table[piece.span], piece.begin, piece.end, thread,
                  [&](auto width, std::int64_t i, int lane) {
                    constexpr int V = decltype(width)::value;
                    const Span& span = table[piece.span];
                    EXPECT_EQ((i - piece.begin) % span_lanes, pack_items * thread + lane);
                    EXPECT_TRUE(V == 1 ||
                                reinterpret_cast<std::uintptr_t>(static_cast<float*>(span.a) + i) % 16 == 0);
                    Items<float, V> x = load<float, V>(span.a, i);
                    for (int j = 0; j < V; ++j) x.v[j] += 1;
                    store(span.a, i, x);
                  });
      }
    }
    tasks += launch.blocks;
  }
  EXPECT_EQ(tasks, span_tasks(made.spans));
  EXPECT_EQ(static_cast<std::int64_t>(seen.size()), span_tasks(made.spans));
}
void expect_once(Made& made) {
  for (std::size_t s = 0; s < made.spans.size(); ++s) {
    for (std::int64_t i = 0; i < made.spans[s].n; ++i) ASSERT_EQ(made.at(s, i), 1) << s << " " << i;
    ASSERT_EQ(made.at(s, made.spans[s].n), 0) << "behind the end of " << s;
  }
}

const std::vector<std::int64_t> odd{
    0, 1, 3, 4, 5, 1023, 1024, 1025, block_items - 1, block_items, block_items + 1, 0, 3 * block_items + 7,
    2, 0};

TEST(MultiTensor, TakesEveryElementOnce) {
  for (const std::size_t misaligned : {0u, 1u, 4u}) {
    Made made(odd, misaligned);
    walk(made);
    expect_once(made);
    EXPECT_EQ(made.spans.back().packed, misaligned == 0);
  }
}

TEST(MultiTensor, TakesMoreTensorsThanALaunchHolds) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t i = 0; i < 2 * spans_a_launch + 37; ++i) sizes.push_back(i % 11 == 0 ? 0 : i % 97 + 1);
  sizes.back() = 5;
  Made made(sizes);
  EXPECT_EQ(plan_spans(made.spans).size(), 3u);
  walk(made);
  expect_once(made);
}

TEST(MultiTensor, LaunchesNothingForNothing) {
  std::vector<Span> none;
  EXPECT_TRUE(plan_spans(none).empty());
  EXPECT_EQ(span_tasks(none), 0);
  Made empty({0, 0, 0});
  EXPECT_TRUE(plan_spans(empty.spans).empty());
}

struct Count {
  std::vector<int>* tasks;
  void range(const Span& s, std::int64_t begin, std::int64_t end, std::int64_t task) const {
    for (std::int64_t i = begin; i < end; ++i) static_cast<float*>(s.a)[i] += 1;
    ++(*tasks)[static_cast<std::size_t>(task)];
  }
};
TEST(MultiTensor, TheCpuTakesTheSamePieces) {
  Made made(odd);
  std::vector<int> tasks(static_cast<std::size_t>(span_tasks(made.spans)));
  for_each_span(Cpu{}, "count", made.spans, Count{&tasks});
  expect_once(made);
  EXPECT_EQ(tasks, std::vector<int>(tasks.size(), 1));
}

TEST(MultiTensor, ReadsAndWritesSixteenBits) {
  std::vector<float16> half(9);
  std::vector<bfloat16> brain(9);
  alignas(16) float x[8];
  for (int i = 0; i < 8; ++i) x[i] = 0.1f * static_cast<float>(i) - 0.3f;
  for (const std::int64_t i : {0, 4}) {
    store_half(half.data(), DType::fp16, i, load<float, 4>(x, i));
    store_half(brain.data(), DType::bf16, i, load<float, 4>(x, i));
  }
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ((load_any<float, 1>(half.data(), DType::fp16, i).v[0]), convert<float>(float16(x[i])));
    EXPECT_EQ((load_any<float, 1>(brain.data(), DType::bf16, i).v[0]), convert<float>(bfloat16(x[i])));
    EXPECT_EQ((load_any<float, 1>(x, DType::fp32, i).v[0]), x[i]);
  }
}

TEST(MultiTensor, TheTreeAddsEveryThread) {
  std::vector<double> of_threads(span_threads);
  std::iota(of_threads.begin(), of_threads.end(), 1.0);
  EXPECT_EQ(tree_sum(of_threads.data()), span_threads * (span_threads + 1) / 2);
}

}  // namespace
