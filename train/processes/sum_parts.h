// Sums of several ranks' numbers in the order of the ranks: the bits of a sum depend on their number alone,
// whatever the library, the size and the moment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/half.h"

namespace gadolin::detail {

// to[i] = parts[0][i] + parts[1][i] + ...; `to` may be one of the parts. 16-bit types are added in fp32 and
// rounded once.
template <class T> void sum_parts(T* to, const std::vector<const T*>& parts, std::int64_t n) {
  using Sum = std::conditional_t<is_half<T>, float, T>;
  constexpr std::int64_t block = 1024;
  Sum sum[block];
  for (std::int64_t at = 0; at < n; at += block) {
    const std::int64_t count = std::min(block, n - at);
    for (std::int64_t i = 0; i < count; ++i) sum[i] = convert<Sum>(parts[0][at + i]);
    for (std::size_t p = 1; p < parts.size(); ++p) {
      const T* const from = parts[p] + at;
      for (std::int64_t i = 0; i < count; ++i) sum[i] += convert<Sum>(from[i]);
    }
    for (std::int64_t i = 0; i < count; ++i) to[at + i] = convert<T>(sum[i]);
  }
}

}  // namespace gadolin::detail
