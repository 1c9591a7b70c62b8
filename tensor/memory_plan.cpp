#include "tensor/memory_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace gadolin {

void LifetimeTrace::operator()(std::int64_t bytes, const void* data) {
  const std::int64_t now = events_++;
  if (bytes > 0) {
    alive_[data] = lifetimes_.size();
    lifetimes_.push_back({bytes, now, endless});
  } else if (const auto it = alive_.find(data); it != alive_.end()) {
    lifetimes_[it->second].end = now;
    alive_.erase(it);
  }
}

MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes) {
  const std::size_t n = lifetimes.size();
  MemoryPlan plan;
  plan.offsets.resize(n);
  for (const Lifetime& l : lifetimes) plan.sizes.push_back(l.bytes);
  std::vector<std::size_t> order(n), placed;  // placed: by offset
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  for (const std::size_t i : order) {
    const Lifetime& l = lifetimes[i];
    std::int64_t end = 0, best = -1,
                 least = endless;  // end: of the blocks so far that live together with this one
    for (const std::size_t p : placed) {
      const Lifetime& other = lifetimes[p];
      const bool meet =
          l.end == endless || other.end == endless || (l.begin < other.end && other.begin < l.end);
      if (!meet) continue;
      const std::int64_t gap = plan.offsets[p] - end;
      if (gap >= l.bytes && gap < least) {
        best = end;
        least = gap;
      }
      end = std::max(end, plan.offsets[p] + other.bytes);
    }
    plan.offsets[i] = best >= 0 ? best : end;
    plan.bytes = std::max(plan.bytes, plan.offsets[i] + l.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), i,
                         [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
        i);
  }
  return plan;
}

std::int64_t PlannedBlocks::take(std::int64_t bytes) {
  constexpr std::size_t near = 64;  // how far a step that left something out is followed
  for (std::size_t i = next_; i < std::min(plan_.sizes.size(), next_ + near); ++i) {
    if (plan_.sizes[i] != bytes) continue;
    const std::int64_t offset = plan_.offsets[i];
    const auto after = used_.lower_bound(offset);
    const bool taken = (after != used_.end() && after->first < offset + bytes) ||
                       (after != used_.begin() && std::prev(after)->second > offset);
    if (taken) break;
    next_ = i + 1;
    used_[offset] = offset + bytes;
    return offset;
  }
  ++missed_;
  return -1;
}

}  // namespace gadolin
