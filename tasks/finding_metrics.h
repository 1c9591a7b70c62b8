// What an evaluation of findings also measures: each finding at the threshold that was chosen for it on
// validation samples, its sensitivity at a given specificity, and DeLong's interval of its area.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "tasks/metric_summary.h"
#include "tasks/thresholds.h"

namespace gadolin {

// Of predictions of several labels a sample, all functions with the same arguments. Thresholds are matched by
// label; a label without one that is defined has no F1.
struct FindingMetrics {
  double specificity = 0.9;

  // f1 and sensitivity_at_0.9 as means over labels (those in no mean left out), then f1/NAME and
  // sensitivity_at_0.9/NAME of each label.
  std::vector<Metric> names(const std::vector<std::string>& classes) const;
  // In the order of names(), with a weight a sample (empty: once each); NaN where not defined. A label that
  // is missing in a draw counts with its value of the whole set in a mean, as in summarize().
  std::vector<double> values(const Predictions& predictions, const std::vector<Threshold>& thresholds,
                             Reals weight = {}) const;
  // With intervals by patient (bootstrap_all).
  std::vector<MetricValue> summarize(const Predictions& predictions, const std::vector<Threshold>& thresholds,
                                     const BootstrapOptions& options) const;
};

// {"NAME": {"auc", "deviation", "low", "high"}}, null where not defined; patients as clusters
// (tasks/delong.h).
Json delong_json(const Predictions& predictions);

}  // namespace gadolin
