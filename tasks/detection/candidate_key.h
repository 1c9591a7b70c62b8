// Candidates of a picture as numbers that sort: by logit, equal ones by their place. For .cu files.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "tensor/half.h"

namespace gadolin::detail {

// 0 unless the logit is above `least`, or NaN, which comes before all others. Floats order as their bits do,
// once those of negative ones are turned over.
GADOLIN_HD std::uint64_t key_of(float logit, float least, std::int64_t place) {
  if (logit <= least) return 0;
  const float x = logit == 0 ? 0.0F : logit;  // -0 is 0
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t order = x != x ? ~0u : bits >> 31 ? ~bits : bits | 0x80000000u;
  return std::uint64_t{order} << 32 | static_cast<std::uint32_t>(~static_cast<std::uint32_t>(place));
}
GADOLIN_HD std::int64_t place_of(std::uint64_t key) { return ~static_cast<std::uint32_t>(key); }
GADOLIN_HD float logit_of(std::uint64_t key) {
  const auto order = static_cast<std::uint32_t>(key >> 32);
  if (order == ~0u) return std::numeric_limits<float>::quiet_NaN();
  return std::bit_cast<float>(order >> 31 ? order ^ 0x80000000u : ~order);
}

}  // namespace gadolin::detail
