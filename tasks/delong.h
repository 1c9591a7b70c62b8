// How sure an area under the ROC curve is, and whether two nets differ in it on the same samples, without
// resampling.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tasks/metrics.h"

namespace gadolin {

// An area with the deviation of its estimate. NaN where it is not defined: the area without a positive or
// without a negative, the rest with fewer than two of either (patients, where these are given).
struct DelongArea {
  double auc, deviation;
  Interval interval;  // auc -+ quantile * deviation, cut to [0, 1]
};
// DeLong, DeLong and Clarke-Pearson 1988, by mid-ranks in O(n log n) (Sun and Xu 2014). With `patient`
// several samples of one patient count as the cluster that they are: Obuchowski 1997, which is DeLong's where
// every patient has one sample.
//   score [N], label [N]: 0, 1 or unknown_label (left out), patient [N] or empty.
// Throws as Ranking does; ShapeError for sizes; ValueError for a confidence that is not between 0 and 1.
DelongArea delong_area(Reals score, std::span<const std::uint8_t> label,
                       std::span<const std::string> patient = {}, double confidence = 0.95);

// Two scores of the same samples.
struct DelongComparison {
  double first, second;  // areas
  double difference;     // first - second
  Interval interval;     // of the difference
  double deviation, z;   // of the difference; difference / deviation
  double p;              // two-sided, of the difference being 0; 1 for scores of the same order
};
DelongComparison delong_comparison(Reals first, Reals second, std::span<const std::uint8_t> label,
                                   std::span<const std::string> patient = {}, double confidence = 0.95);

}  // namespace gadolin
