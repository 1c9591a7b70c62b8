// Calibration and operating points of a classifier's predictions, for metrics.json and the screen.
#pragma once

#include <vector>

#include "tasks/task.h"
#include "tasks/thresholds.h"

namespace gadolin {

// {"calibration": {...}} and, with thresholds, {"operating_points": [...]}.
Json operation_json(const Predictions& predictions, const std::vector<Threshold>& thresholds);
// A row a threshold: sensitivity, specificity and predictive values with Wilson's intervals. The header alone
// without any.
TextRows operating_table(const Predictions& predictions, const std::vector<Threshold>& thresholds);

}  // namespace gadolin
