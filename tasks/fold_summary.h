// One number out of k: what cross-validation says about a metric.
#pragma once

#include "tasks/metrics.h"

namespace gadolin {

struct FoldSummary {
  int folds = 0;      // that entered: those where the metric is defined
  int undefined = 0;  // left out: the metric was NaN there
  double mean = 0;
  double deviation = 0;  // of single folds, with k - 1 in the divisor
  Interval interval{};   // mean -+ t(k - 1) deviation / sqrt(k), Student's t
};

// Mean, standard deviation and t-interval of a metric over folds. NaN where it is not defined: the mean of no
// fold, the rest of fewer than two.
//
// The interval treats folds as independent. They are not: any two share most of their training data, and no
// unbiased estimate of the variance of their mean exists (Bengio and Grandvalet 2004). It is too
// narrow rather than too wide, and says how much the metric changes with the choice of patients and the seed;
// it is not a test of one net against another. Throws ValueError unless confidence is between 0 and 1.
FoldSummary fold_summary(Reals metric, double confidence = 0.95);

}  // namespace gadolin
