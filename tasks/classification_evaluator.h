// What a classifier said about a set, measured; and the page of the report that is made of it.
#pragma once

#include <string>
#include <vector>

#include "tasks/task.h"

namespace gadolin {

class ClassificationEvaluator : public Evaluator {
 public:
  // `set` must outlive it.
  ClassificationEvaluator(const Dataset& set, std::vector<std::string> classes, bool multi_label);

  std::vector<Metric> metrics() const override;
  std::string chosen() const override { return multi_label_ ? "roc_auc" : "balanced_accuracy"; }
  double loss() const override;  // mean cross-entropy, binary for several labels
  void add(const Batch& batch, const Outputs& outputs) override;
  std::vector<double> values(Reals weight) const override;
  std::vector<MetricValue> finish(const BootstrapOptions& options) const override;
  std::vector<std::string> patients() const override { return predictions_.patient; }
  // confusion, per_class; predictions.csv and, with one class a sample, confusion.csv.
  Json details() const override;
  std::vector<std::pair<std::string, std::string>> files() const override;
  std::vector<TextRows> tables() const override;

  // Also how often the class is among the k likeliest, as metric top_K_accuracy.
  void count_top(const std::vector<int>& most) { top_ = most; }
  const Predictions& predictions() const { return predictions_; }
  const std::vector<std::int64_t>& indices() const {
    return indices_;
  }  // places in the set, in the order of add

 private:
  std::string predictions_csv() const;
  std::string confusion_csv() const;
  TextRows surest_mistakes() const;
  const Dataset& set_;
  bool multi_label_;
  Predictions predictions_;
  std::vector<std::int64_t> indices_;
  std::vector<int> top_;
  double loss_sum_ = 0;
};

// `metrics` (metrics.json) and predictions.csv of `folder`, if it is there, into the page. Throws FormatError
// for a damaged one.
void report_classification(const std::string& folder, const Json& metrics, report::RunReport& page);

}  // namespace gadolin
