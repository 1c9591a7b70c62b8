// What a classifier said about a set, measured; and the page of the report that is made of it.
#pragma once

#include <string>
#include <vector>

#include "tasks/task.h"
#include "tasks/thresholds.h"

namespace gadolin {

class ClassificationEvaluator : public Evaluator {
 public:
  // `set` must outlive it.
  ClassificationEvaluator(const Dataset& set, std::vector<std::string> classes, bool multi_label,
                          std::vector<Threshold> thresholds = {});

  std::vector<Metric> metrics() const override;
  std::string chosen() const override { return multi_label_ ? "roc_auc" : "balanced_accuracy"; }
  double loss() const override;  // mean cross-entropy, binary for several labels
  void add(const Batch& batch, const Outputs& outputs) override;
  void gather(Communicator& communicator) override;
  std::vector<double> values(Reals weight) const override;
  std::vector<MetricValue> finish(const BootstrapOptions& options) const override;
  std::vector<std::string> patients() const override { return predictions_.patient; }
  // confusion, per_class, calibration, operating_points; predictions.csv and, with one class a sample,
  // confusion.csv.
  Json details() const override;
  std::vector<std::pair<std::string, std::string>> files() const override;
  std::vector<TextRows> tables() const override;

  // Also how often the class is among the k likeliest, as metric top_K_accuracy.
  void count_top(const std::vector<int>& most) { top_ = most; }
  const Predictions& predictions() const { return predictions_; }
  const std::vector<double>& logits() const { return logits_; }  // [N, K]
  // Places in the set, in the order of add.
  const std::vector<std::int64_t>& indices() const { return indices_; }

 private:
  void add_truth(const SampleInfo& info);
  std::string predictions_csv() const;
  std::string confusion_csv() const;
  TextRows surest_mistakes() const;
  const Dataset& set_;
  bool multi_label_;
  Predictions predictions_;
  std::vector<std::int64_t> indices_;
  std::vector<double> logits_;
  std::vector<double> losses_;  // of each batch, times its samples
  std::vector<Threshold> thresholds_;
  std::vector<int> top_;
};

// The labels whose probability reaches their threshold: places in `classes`, rising. A label without a
// threshold of its own, or with one that is not defined, is never there. probability [K] of one sample.
std::vector<std::size_t> positive_at(const std::vector<double>& probability,
                                     const std::vector<std::string>& classes,
                                     const std::vector<Threshold>& thresholds);

// Chosen on the samples of an evaluation, which should be those of validation: a temperature
// (tasks/temperature.h) and, at that temperature, thresholds by `rule` (tasks/thresholds.h; "": none). Throws
// UsageError for another rule, and DataError when there is no best temperature, with the reason.
struct Operation;
Operation fit_operation(const ClassificationEvaluator& evaluator, bool temperature, const std::string& rule);

// `metrics` (metrics.json) and predictions.csv of `folder`, if it is there, into the page. Throws FormatError
// for a damaged one.
void report_classification(const std::string& folder, const Json& metrics, report::RunReport& page);

}  // namespace gadolin
