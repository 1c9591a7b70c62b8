// Operating points: the score from which on a sample counts as positive, chosen on validation, kept with the
// checkpoint, measured on test.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tasks/intervals.h"
#include "tasks/metric_summary.h"
#include "tasks/metrics.h"

namespace gadolin {

// How a threshold is chosen. A sample is called positive when score >= threshold, as in scikit-learn, so the
// candidates are the scores themselves and infinity, at which nothing is positive.
//   youden        largest sensitivity + specificity - 1 (Youden 1950)
//   f1            largest F1
//   sensitivity   the highest threshold with at least this sensitivity: the most specific one
//   specificity   the lowest threshold with at least this specificity: the most sensitive one; infinity when
//                 the highest score is that of too many negatives
// Of equally good thresholds youden and f1 take the lowest: of equal points the more sensitive one. Samples
// with equal scores are on one side together.
struct ThresholdRule {
  // What is made as good as can be, or kept.
  enum class Kind : std::uint8_t { youden, f1, sensitivity, specificity } kind = Kind::youden;
  double at = 0;  // of sensitivity and specificity, in (0, 1]
};
// From "youden", "f1", "sensitivity:0.9", "specificity:0.95", and back. Throws UsageError.
ThresholdRule threshold_rule(const std::string& text);
std::string text_of(const ThresholdRule& rule);  // "sensitivity:0.9"

// A threshold of one class.
struct Threshold {
  std::string label;   // whose threshold
  ThresholdRule rule;  // how it was chosen
  double value;        // NaN: not defined
  // Why not: "no positive sample", "no negative sample", "no sample", "no threshold is better than chance"
  // (youden); empty when defined.
  std::string undefined;
  double positives = 0, negatives = 0;                // samples (or weights) it was chosen on
  bool defined() const { return undefined.empty(); }  // false: no such threshold, and why
};

// score [N] (probabilities or logits; infinite ones too), label [N]: 0, 1 or unknown_label, weight [N] or
// empty; samples of weight 0 are absent. Throws NumericError, naming the sample, for a NaN score, DataError
// for another label, ShapeError for sizes, ValueError for a weight that is negative or not finite.
Threshold choose_threshold(Reals score, std::span<const std::uint8_t> label, const ThresholdRule& rule,
                           Reals weight = {});
// One a label of a multi-label set, in the order of its classes; of two classes the second one's; of more
// classes each one's against the rest. The scores are the probabilities.
std::vector<Threshold> choose_thresholds(const Predictions& predictions, const ThresholdRule& rule,
                                         Reals weight = {});

// What a threshold does on a set of samples. 0 / 0 is NaN ("not defined"), except for F1, where it is 0 as
// everywhere. Wilson intervals (tasks/intervals.h) take every sample for a trial of its own: with several
// pictures of a patient, resample patients with `weight` instead.
struct OperatingPoint {
  double threshold;  // from which on a sample is positive
  double true_positive = 0, false_positive = 0, true_negative = 0, false_negative = 0;  // counts, weighted
  Share sensitivity(double confidence = 0.95) const;  // of the positives, called positive
  Share specificity(double confidence = 0.95) const;  // of the negatives, called negative
  Share ppv(double confidence = 0.95) const;          // of those called positive, positive
  Share npv(double confidence = 0.95) const;          // of those called negative, negative
  double f1() const;                                  // of the positives
};
// Inputs and errors as in choose_threshold; a threshold of NaN throws ValueError.
OperatingPoint operating_point(Reals score, std::span<const std::uint8_t> label, double threshold,
                               Reals weight = {});

// For a checkpoint: {"Hernia":{"rule":"youden","threshold":0.0123,"positives":7,"negatives":950}}; a
// threshold that is not defined is null with its reason under "undefined", an infinite one the text "inf".
// Reading gives the same doubles bit for bit.
std::string thresholds_to_json(const std::vector<Threshold>& thresholds);
// Throws FormatError, beginning with `place`, for any text that thresholds_to_json could not have written.
std::vector<Threshold> thresholds_from_json(const std::string& text, const std::string& place = "thresholds");

}  // namespace gadolin
