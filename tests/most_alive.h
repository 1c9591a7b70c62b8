// What every memory plan needs at least.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "tensor/memory_plan.h"

namespace gadolin::test {

// The largest sum of blocks that live at once.
inline std::int64_t most_alive(const std::vector<Lifetime>& lifetimes) {
  std::map<std::int64_t, std::int64_t> change;
  std::int64_t always = 0, now = 0, most = 0;
  for (const Lifetime& l : lifetimes) {
    if (l.end == endless) {
      always += l.bytes;
    } else {
      change[l.begin] += l.bytes;
      change[l.end] -= l.bytes;
    }
  }
  for (const auto& [at, bytes] : change) most = std::max(most, now += bytes);
  return always + most;
}

}  // namespace gadolin::test
