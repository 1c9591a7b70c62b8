// Whether two nets differ in how often they are right on the same samples (McNemar 1947).
#pragma once

#include <cstdint>
#include <span>

namespace gadolin {

struct McNemar {
  double only_first = 0, only_second = 0;  // samples that one alone had right
  double p = 1;            // exact, two-sided: the binomial distribution of the fewer among both, at one half
  double statistic = 0;    // (|difference| - 1)^2 / sum, Edwards' correction; 0 where both counts are equal
  double p_corrected = 1;  // of the statistic, chi-squared of one degree
};
// Counts of samples, whole numbers from 0. Throws ValueError for others.
McNemar mcnemar(double only_first, double only_second);
// right [N] each: 1 or 0, of the same samples in the same order. Throws ShapeError for sizes, DataError for
// another value.
McNemar mcnemar(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second);

}  // namespace gadolin
