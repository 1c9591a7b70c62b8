// Mean and interval over folds.
#include "tasks/fold_summary.h"

#include <cmath>
#include <limits>

#include "tasks/quantiles.h"
#include "tensor/check.h"

namespace gadolin {

FoldSummary fold_summary(Reals metric, double confidence) {
  require<ValueError>(confidence > 0 && confidence < 1, "fold_summary: confidence ", confidence,
                      " is not between 0 and 1");
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  FoldSummary s;
  double sum = 0, squares = 0;
  for (const double value : metric) {
    if (std::isnan(value)) {
      ++s.undefined;
      continue;
    }
    sum += value;
    ++s.folds;
  }
  s.mean = s.folds > 0 ? sum / s.folds : nan;
  for (const double value : metric) {
    if (!std::isnan(value)) squares += (value - s.mean) * (value - s.mean);
  }
  s.deviation = s.folds > 1 ? std::sqrt(squares / (s.folds - 1)) : nan;
  s.interval = {nan, nan};
  if (s.folds > 1) {
    const double half =
        student_quantile(1 - (1 - confidence) / 2, s.folds - 1) * s.deviation / std::sqrt(s.folds);
    s.interval = {s.mean - half, s.mean + half};
  }
  return s;
}

}  // namespace gadolin
