// The numbers that eval, the training log and the report show for a set of predictions, each with its
// interval.
#pragma once

#include <string>
#include <vector>

#include "tasks/metrics.h"

namespace gadolin {

// What a net said about a set of samples, and what is true. Either `target` (one class a sample) or `labels`
// is filled.
struct Predictions {
  std::vector<std::string> classes;     // K names
  std::vector<double> probability;      // [N, K]
  std::vector<std::int64_t> target;     // [N], class index
  std::vector<std::uint8_t> labels;     // [N, K], 0, 1 or unknown_label
  std::vector<std::string> patient;     // [N]; empty: every sample is its own patient
  std::vector<std::string> apart = {};  // classes that count in no mean over classes, such as "No Finding"
  std::int64_t size() const;            // samples
  bool multi_label() const { return !labels.empty(); }  // whether `labels` is filled
};

// A number that says how good predictions are, and which way is better.
struct Metric {
  std::string name;              // "accuracy"
  bool larger_is_better = true;  // false: of an error or a loss
};

// A metric of a set.
struct MetricValue {
  std::string name;   // "accuracy", "roc_auc", "roc_auc/Effusion"
  double value;       // NaN where it is not defined
  Interval interval;  // NaN where it was not asked for
};

// A class that means over classes leave out, and why: "counts in no mean", "no positive sample", "no negative
// sample".
struct LeftOutOfMeans {
  std::string name, reason;  // of the class; why
};
std::vector<LeftOutOfMeans> left_out_of_means(const Predictions& predictions);  // in the order of the classes

// Single-label: accuracy, balanced_accuracy, macro_f1, roc_auc, average_precision, log_loss. With two classes
// the second one is the event of roc_auc and average_precision; with more both are the mean over classes
// against the rest (classes that do not occur left out), followed by `roc_auc_micro`. Multi-label: roc_auc
// and average_precision as the mean over labels, roc_auc_micro, log_loss, then each label's roc_auc/NAME and
// average_precision/NAME.
// The intervals are those of bootstrap() by patient. At 0 and 1 they would be points: there they are Clopper
// and Pearson's, with patients as trials (docs/metrics.md). Throws ShapeError when sizes disagree.
// options.resamples = 0 skips the intervals (they are NaN).
std::vector<MetricValue> summarize(const Predictions& predictions, const BootstrapOptions& options = {});
// Names and directions of what summarize() gives, in its order.
std::vector<Metric> summary_metrics(const std::vector<std::string>& classes, bool multi_label);
// The values alone, with a weight a sample (empty: once each).
std::vector<double> summary_values(const Predictions& predictions, Reals weight);

// Share of the samples whose class is among the k likeliest, for one class a sample; with a weight a sample
// (empty: once each).
double top_accuracy(const Predictions& predictions, int k, Reals weight);

// Of single-label predictions; the likeliest class counts.
ConfusionMatrix confusion_of(const Predictions& predictions);
// Score and 0/1 label of class k against the rest.
Ranking ranking_of(const Predictions& predictions, std::int64_t k);

}  // namespace gadolin
