#include "tasks/detection/candidates.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "tasks/detection/candidate_key.h"
#include "tensor/ops/index_loop.h"

namespace gadolin::detail {
namespace {

// What stands at place i of a picture, as a candidate.
template <class T>
GADOLIN_HD std::uint64_t candidate_at(const Selection& s, const T* logits, std::int64_t i) {
  const auto x = convert<float>(convert<math_type<T>>(logits[i]));
  const std::uint64_t key = key_of(x, s.least, i);
  if (key == 0 || !s.best_class) return key;
  const std::int64_t first = i - i % s.classes;
  for (std::int64_t j = first; j < first + s.classes; ++j) {
    const auto y = convert<float>(convert<math_type<T>>(logits[j]));
    if (y > x || (y == x && j < i)) return 0;
  }
  return key;
}

template <class T>
std::vector<std::uint64_t> best_of_level(const Selection& s, const T* logits, std::int64_t level) {
  constexpr std::int64_t parts = 16;
  const std::int64_t begin = s.begin[level], count = s.begin[level + 1] - begin;
  std::vector<std::vector<std::uint64_t>> found(parts);
  parallel_for(parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      for (std::int64_t i = begin + count * part / parts; i < begin + count * (part + 1) / parts; ++i) {
        const std::uint64_t key = candidate_at(s, logits, i);
        if (key > 0) found[static_cast<std::size_t>(part)].push_back(key);
      }
    }
  });
  std::vector<std::uint64_t> all;
  for (const auto& part : found) all.insert(all.end(), part.begin(), part.end());
  const auto most = static_cast<std::ptrdiff_t>(s.places[level + 1] - s.places[level]);
  if (static_cast<std::ptrdiff_t>(all.size()) > most) {
    std::nth_element(all.begin(), all.begin() + most, all.end(), std::greater<>());
    all.resize(static_cast<std::size_t>(most));
  }
  return all;
}
template <class T> void select_on(Cpu, Device, const T* logits, const Selection& s) {
  for (std::int64_t n = 0; n < s.pictures; ++n) {
    std::uint64_t *const first = s.key + n * s.most(), *last = first;
    for (std::int64_t level = 0; level < s.levels; ++level) {
      const std::vector<std::uint64_t> best = best_of_level(s, logits + n * s.all, level);
      last = std::copy(best.begin(), best.end(), last);
    }
    std::sort(first, last, std::greater<>());
    s.valid[n] = last - first;
  }
}

#ifdef __CUDACC__
// The smallest key that is among the best of a segment is found digit by digit, the highest first (radix
// select; Alabi et al. 2012): how often each digit occurs among the keys that share the digits so far.
constexpr int digit_bits = 11, digits = 1 << digit_bits, rounds = 6, select_threads = 256;
constexpr int shift_of(int round) { return round < rounds - 1 ? 64 - digit_bits * (round + 1) : 0; }

struct Progress {
  std::uint64_t least;   // the digits found; when done, keys from here on are the best ones
  std::int64_t missing;  // of those with these digits, so many belong to the best
  std::int64_t done;     // 0 or 1
};

template <class T> struct Segments {
  Selection s;
  const T* logits;
  Progress* progress;   // [segments]
  unsigned* counts;     // [segments, digits], 0 between two rounds
  unsigned* slots;      // [segments]
  std::uint64_t* best;  // [pictures, places]: in any order
  __device__ std::uint64_t key(std::int64_t n, std::int64_t i) const {
    return candidate_at(s, logits + n * s.all, i);
  }
};

template <class T> __global__ void count_kernel(Segments<T> g, int round) {
  __shared__ unsigned counts[digits];
  const std::int64_t segment = blockIdx.y, n = segment / g.s.levels, level = segment % g.s.levels;
  const Progress progress = round > 0 ? g.progress[segment] : Progress{0, 0, 0};
  if (progress.done > 0) return;
  for (int d = static_cast<int>(threadIdx.x); d < digits; d += select_threads) counts[d] = 0;
  __syncthreads();
  const int shift = shift_of(round), above = round > 0 ? shift_of(round - 1) : 0;
  for (std::int64_t i =
           g.s.begin[level] + static_cast<std::int64_t>(blockIdx.x) * select_threads + threadIdx.x;
       i < g.s.begin[level + 1]; i += static_cast<std::int64_t>(gridDim.x) * select_threads) {
    const std::uint64_t key = g.key(n, i);
    if (key == 0 || (round > 0 && key >> above != progress.least >> above)) continue;
    const std::uint64_t digit =
        (key >> shift) & ((std::uint64_t{1} << ((round > 0 ? above : 64) - shift)) - 1);
    atomicAdd(&counts[digit], 1u);
  }
  __syncthreads();
  for (int d = static_cast<int>(threadIdx.x); d < digits; d += select_threads)
    if (counts[d] > 0) atomicAdd(&g.counts[segment * digits + d], counts[d]);
}

template <class T> __global__ void pick_kernel(Segments<T> g, int round) {
  constexpr int each = digits / select_threads;
  __shared__ unsigned sums[select_threads];
  const std::int64_t segment = blockIdx.x, level = segment % g.s.levels;
  unsigned* const counts = g.counts + segment * digits;
  Progress progress =
      round > 0 ? g.progress[segment] : Progress{0, g.s.places[level + 1] - g.s.places[level], 0};
  if (progress.done > 0) return;
  const int t = static_cast<int>(threadIdx.x);
  unsigned sum = 0;
  for (int j = 0; j < each; ++j) sum += counts[t * each + j];
  sums[t] = sum;
  __syncthreads();
  if (t == 0) {
    int part = select_threads - 1, digit;
    std::int64_t above = 0;
    while (part >= 0 && above + sums[part] < progress.missing) above += sums[part--];
    if (part < 0) {  // in the first round alone: all there are
      progress = {1, 0, 1};
    } else {
      digit = part * each + each - 1;
      while (above + counts[digit] < progress.missing) above += counts[digit--];
      progress.missing -= above;
      progress.least |= static_cast<std::uint64_t>(digit) << shift_of(round);
      progress.done = counts[digit] == progress.missing ? 1 : 0;
    }
    g.progress[segment] = progress;
  }
  __syncthreads();
  for (int j = 0; j < each; ++j) counts[t * each + j] = 0;
}

template <class T> __global__ void collect_kernel(Segments<T> g) {
  const std::int64_t segment = blockIdx.y, n = segment / g.s.levels, level = segment % g.s.levels;
  const std::uint64_t least = g.progress[segment].least;
  for (std::int64_t i =
           g.s.begin[level] + static_cast<std::int64_t>(blockIdx.x) * select_threads + threadIdx.x;
       i < g.s.begin[level + 1]; i += static_cast<std::int64_t>(gridDim.x) * select_threads) {
    const std::uint64_t key = g.key(n, i);
    if (key >= least)
      g.best[n * g.s.places[g.s.levels] + g.s.places[level] + atomicAdd(&g.slots[segment], 1u)] = key;
  }
}

// Ranks among the candidates of a picture by counting: they are few, and need no order before.
struct RankLoop {
  std::int64_t places;
  const std::uint64_t* best;
  std::uint64_t* key;
  std::int64_t* valid;
  GADOLIN_HD void operator()(std::int64_t i) const {
    const std::int64_t n = i / places;
    const std::uint64_t mine = best[i];
    std::int64_t rank = 0, all = 0;
    for (std::int64_t j = n * places; j < (n + 1) * places; ++j) {
      rank += best[j] > mine ? 1 : 0;
      all += best[j] > 0 ? 1 : 0;
    }
    if (i == n * places) valid[n] = all;
    if (mine > 0) key[n * places + rank] = mine;
  }
};

template <class T> void select_on(Cuda device, Device where, const T* logits, const Selection& s) {
  const char* const op = "detect";
  const std::int64_t segments = s.pictures * s.levels, places = s.most();
  const auto bytes = [&](std::int64_t count) { return empty({count}, DType::uint8, where).fill_(0); };
  const Tensor progress =
                   empty({segments * static_cast<std::int64_t>(sizeof(Progress))}, DType::uint8, where),
               counts = bytes(segments * digits * 4), slots = bytes(segments * 4),
               best = bytes(s.pictures * places * 8);
  const Segments<T> g{s,
                      logits,
                      static_cast<Progress*>(progress.raw()),
                      static_cast<unsigned*>(counts.raw()),
                      static_cast<unsigned*>(slots.raw()),
                      static_cast<std::uint64_t*>(best.raw())};
  std::int64_t longest = 0;
  for (std::int64_t level = 0; level < s.levels; ++level)
    longest = std::max(longest, s.begin[level + 1] - s.begin[level]);
  const unsigned blocks = grid_stride(longest, select_threads, 1).grid.x,
                 rows = static_cast<unsigned>(segments);
  for (int round = 0; round < rounds; ++round) {
    launch(op, {dim3(blocks, rows), dim3(select_threads)}, count_kernel<T>, g, round);
    launch(op, {dim3(rows), dim3(select_threads)}, pick_kernel<T>, g, round);
  }
  launch(op, {dim3(blocks, rows), dim3(select_threads)}, collect_kernel<T>, g);
  for_each_index(device, op, s.pictures * places, places, RankLoop{places, g.best, s.key, s.valid});
}
#endif

}  // namespace

void select(const Tensor& logits, const Selection& s) {
  if (s.pictures == 0) return;
  dispatch_floating(logits.dtype(), "detect", [&]<class T>(Tag<T>) {
    on_device(logits.device(), [&](auto device) { select_on(device, logits.device(), logits.data<T>(), s); });
  });
}

}  // namespace gadolin::detail
