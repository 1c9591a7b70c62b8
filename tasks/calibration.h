// Whether probabilities mean what they say: reliability table, expected and maximum calibration error, Brier
// score. All take weights, so that patients can be resampled (tasks/metrics.h, bootstrap).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tasks/metric_summary.h"
#include "tasks/metrics.h"

namespace gadolin {

// Confidences in (low, high]; 0 is in the first bin. An empty bin has weight 0, confidence and share NaN.
struct ReliabilityBin {
  double low, high;
  double weight;      // number of samples, or the sum of their weights
  double confidence;  // mean of what was said
  double share;       // how often it was right
};

// Statements of one kind: "this is so with confidence p", and whether it is so.
//
// The calibration errors are those of Guo et al. 2017, section 2, over `bins` bins of equal width (15 there
// and here). They depend on the bins and are biased upwards for few samples (Roelofs et al. 2022): compare
// them between nets on one set, not between sets.
class Calibration {
 public:
  // confidence [N] in [0, 1]; right [N]: 1, 0 or unknown_label, which is left out. Throws ShapeError when
  // sizes differ, NumericError, naming the sample, for NaN, DataError for a value outside its range
  // (up to 1e-6 above 1 counts as a rounding error), ValueError unless 1 <= bins <= 10000.
  Calibration(Reals confidence, std::span<const std::uint8_t> right, int bins = 15);

  // weight [N] or empty, of all samples given, unknown ones too. Throws ShapeError for another size and
  // ValueError for a weight that is negative or not finite.
  std::vector<ReliabilityBin> table(Reals weight = {}) const;
  // Sum over bins of weight / total |share - confidence|; NaN without samples.
  double expected_error(Reals weight = {}) const;
  // Largest |share - confidence| of a bin with samples; NaN without samples. A bin with few samples decides
  // it easily: read it beside the table.
  double maximum_error(Reals weight = {}) const;
  // Mean of (confidence - right)^2: the Brier score of yes-or-no statements, scikit-learn's brier_score_loss.
  double brier(Reals weight = {}) const;

 private:
  struct Statement {
    double confidence;
    int bin;
    std::uint8_t right;
  };
  std::vector<Statement> statements_;  // bin -1: unknown
  int bins_;
};

// One class a sample: how sure the net was of the class it chose (top_class), and whether that was right: the
// "top-label" calibration of Guo et al. 2017. Sizes as in summarize().
Calibration top_label_calibration(const Predictions& predictions, int bins = 15);
// Class or label k against the rest: its probability, and whether it is there.
Calibration label_calibration(const Predictions& predictions, std::int64_t k, int bins = 15);

// Brier's own score for one class a sample: mean over samples of the sum over classes of (p - y)^2, from 0 to
// 2 (Brier 1950); with two classes it is twice Calibration::brier of one of them. probability [N, classes].
// NaN without samples. Throws as log_loss does.
double brier_score(Reals probability, std::span<const std::int64_t> target, std::int64_t classes,
                   Reals weight = {});

}  // namespace gadolin
