// Where the allocations of a recorded step lie in one arena, decided before the step is recorded.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gadolin {

inline constexpr std::int64_t endless = INT64_MAX;

// One allocation of a step: alive in [begin, end), counted in allocations and frees since the step began.
struct Lifetime {
  std::int64_t bytes = 0, begin = 0, end = endless;
};

// Collects lifetimes from CachingAllocator::watch. Memory that was allocated before is ignored.
class LifetimeTrace {
 public:
  void operator()(std::int64_t bytes, const void* data);
  const std::vector<Lifetime>& lifetimes() const { return lifetimes_; }  // in the order of the requests

 private:
  std::vector<Lifetime> lifetimes_;
  std::unordered_map<const void*, std::size_t> alive_;
  std::int64_t events_ = 0;
};

struct MemoryPlan {
  std::vector<std::int64_t> sizes, offsets;  // of each request, in their order
  std::int64_t bytes = 0;                    // of the arena
};
// Interval colouring, best fit by decreasing size: no two blocks that live at the same time share bytes. What
// is never freed shares its bytes with nothing, not even with what was freed before it came: a step that runs
// again must find it.
MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes);

// A plan at work. A step that asks for something else than planned is served as far as that is safe.
class PlannedBlocks {
 public:
  explicit PlannedBlocks(MemoryPlan plan) : plan_(std::move(plan)) {}
  // The offset of the next planned block of this size; -1 when there is none near or its bytes are still in
  // use.
  std::int64_t take(std::int64_t bytes);
  void give_back(std::int64_t offset) { used_.erase(offset); }
  bool empty() const { return used_.empty(); }
  std::int64_t bytes() const { return plan_.bytes; }
  std::int64_t missed() const { return missed_; }  // requests that got -1

 private:
  MemoryPlan plan_;
  std::map<std::int64_t, std::int64_t> used_;  // offset to end
  std::size_t next_ = 0;
  std::int64_t missed_ = 0;
};

}  // namespace gadolin
