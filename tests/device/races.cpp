// Which accesses of a launch are ordered, and so cannot race: those of one thread; those with a barrier of
// their block between; of one warp, with a __syncwarp of both lanes between (a shuffle orders no memory);
// of two blocks, when one did a fence and an atomic operation, and the other then one on the same address.
// The order in which threads happened to run does not matter.
#include <algorithm>
#include <unordered_map>

#include "checker.h"

namespace software_cuda {
namespace {

constexpr unsigned lanes = 32, max_threads = 1024;

// Of a thread: how often it has passed a __syncwarp in this epoch, and up to which count it stands behind
// each lane of its warp.
struct WarpClock {
  std::uint64_t epoch = 0;
  unsigned own = 1, known[lanes] = {};
};
// What a block had made visible before an atomic operation.
struct Release {
  std::uint64_t block = 0, fence = 0;
  std::vector<std::uint64_t> fences;  // by thread
};
struct Acquired {
  const Release* release = nullptr;
  std::uint64_t epoch = 0;
  unsigned thread = 0;
};
struct Begun {
  std::uint64_t epoch = 0;
  unsigned index = 0;
};

std::uint64_t epoch = 1, launch_epoch = 1, block_epoch = 1;  // the present one; those of the starts
unsigned thread = 0;
Stamp now = 0;
dim3 grid_size, block_size;
std::vector<Begun> begun;  // blocks of the launch
WarpClock clocks[max_threads];
std::uint64_t fences[max_threads];  // the epoch of each thread's last one
std::unordered_map<std::uintptr_t, std::vector<std::unique_ptr<Release>>> releases;
std::vector<Acquired> acquired;

WarpClock& clock(unsigned t) {
  if (clocks[t].epoch != epoch) clocks[t] = {.epoch = epoch};
  return clocks[t];
}

const Begun& block_of(Stamp stamp) {
  const auto behind = std::upper_bound(begun.begin(), begun.end(), epoch_of(stamp),
                                       [](std::uint64_t e, const Begun& b) { return e < b.epoch; });
  return *std::prev(behind);
}

bool is_acquired(Stamp before) {
  const std::uint64_t from = block_of(before).epoch;
  return std::any_of(acquired.begin(), acquired.end(), [&](const Acquired& a) {
    const Release& r = *a.release;
    const bool visible = epoch_of(before) < r.fence || epoch_of(before) <= r.fences[thread_of(before)];
    return r.block == from && visible && (epoch > a.epoch || thread == a.thread);
  });
}

std::string text_of(unsigned index, dim3 size) {
  return "(" + std::to_string(index % size.x) + ", " + std::to_string(index / size.x % size.y) + ", " +
         std::to_string(index / (size.x * size.y)) + ")";
}

}  // namespace

Stamp present_stamp() { return now; }
Stamp launch_start() { return launch_epoch << epoch_shift; }
Stamp block_start() { return block_epoch << epoch_shift; }

std::string block_text(Stamp stamp) { return "block " + text_of(block_of(stamp).index, grid_size); }
std::string thread_text(Stamp stamp) { return "thread " + text_of(thread_of(stamp), block_size); }

void order_launch(dim3 grid, dim3 size) {
  grid_size = grid;
  block_size = size;
  launch_epoch = ++epoch;
  begun.clear();
  releases.clear();
}
void order_block(unsigned index) {
  block_epoch = ++epoch;
  begun.push_back({epoch, index});
  acquired.clear();
}
void order_thread(unsigned index) {
  thread = index;
  now = epoch << epoch_shift | Stamp{index} << thread_shift | Stamp{std::min(clock(index).own, 8191u)} << 1;
}
void order_barrier() { ++epoch; }

void order_warp(unsigned first, unsigned mask) {
  unsigned joined[lanes] = {};
  for (unsigned l = 0; l < lanes; ++l) {
    if (!(mask >> l & 1)) continue;
    WarpClock& c = clock(first + l);
    for (unsigned other = 0; other < lanes; ++other) joined[other] = std::max(joined[other], c.known[other]);
    joined[l] = std::max(joined[l], c.own++);
  }
  for (unsigned l = 0; l < lanes; ++l)
    if (mask >> l & 1) std::copy(joined, joined + lanes, clock(first + l).known);
}

void order_fence() { fences[thread] = epoch; }

void order_atomic(std::uintptr_t address) {
  const auto found = releases.find(address);
  if (found != releases.end()) {
    for (const auto& release : found->second)
      if (release->block != block_epoch) acquired.push_back({release.get(), epoch, thread});
  }
  if (fences[thread] < block_epoch) return;
  auto made = std::make_unique<Release>(Release{block_epoch, fences[thread], {fences, fences + max_threads}});
  for (unsigned t = 0; t < max_threads; ++t)  // of others those with a barrier behind
    if (t != thread && made->fences[t] == epoch) made->fences[t] = 0;
  releases[address].push_back(std::move(made));
}

bool races(Stamp before, Stamp after, bool between_blocks) {
  if (before & after & atomic_bit) return false;
  const std::uint64_t then = epoch_of(before);
  if (then < block_epoch) return between_blocks && then >= launch_epoch && !is_acquired(before);
  if (then != epoch || thread_of(before) == thread) return false;
  const bool one_warp = thread_of(before) / lanes == thread / lanes;
  return !(one_warp && clock(thread).known[thread_of(before) % lanes] >= clock_of(before));
}

}  // namespace software_cuda
