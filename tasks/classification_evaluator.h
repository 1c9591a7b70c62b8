// What a classifier said about a set, measured; and the page of the report that is made of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tasks/finding_metrics.h"
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

  // Classes that count in no mean over classes, and outputs that were never trained: these are in no metric,
  // file or table at all. To be called before anything is added.
  void leave_out(const std::vector<std::string>& apart, const std::vector<std::string>& untrained);
  // Of several labels, on validation samples: the temperature and the thresholds with the largest F1 that a
  // checkpoint should keep.
  std::map<std::string, std::string> facts() const override;
  // Of several labels: also F1 at the thresholds and sensitivity at this specificity.
  void measure_findings(const FindingMetrics& more) { findings_ = more; }
  // predictions.csv has a first column of this name, the file's own name, and the probabilities alone; what
  // is kept for the report lies in samples.csv.
  void name_rows(const std::string& column) { row_name_ = column; }
  // Also how often the class is among the k likeliest, as metric top_K_accuracy.
  void count_top(const std::vector<int>& most) { top_ = most; }
  const Predictions& predictions() const { return predictions_; }
  const Dataset& set() const { return set_; }
  std::string row_name(std::int64_t i) const;  // of sample i of the set, the file's own name
  const std::vector<double>& logits() const { return logits_; }  // [N, K]
  // Places in the set, in the order of add.
  const std::vector<std::int64_t>& indices() const { return indices_; }

 private:
  void add_truth(const SampleInfo& info);
  std::string predictions_csv() const;
  std::string named_csv() const;
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
  std::optional<FindingMetrics> findings_;
  std::string row_name_;
  std::size_t outputs_ = 0;   // of the net
  std::vector<int> columns_;  // of each output its place in predictions_.classes; -1: left out
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

// The same of several labels without an error: what is not defined is left as it is.
Operation validation_operation(const ClassificationEvaluator& evaluator);

// `metrics` (metrics.json) and predictions.csv (samples.csv, if it is there) of `folder`, if it is there,
// into the page. Throws FormatError for a damaged one.
void report_classification(const std::string& folder, const Json& metrics, report::RunReport& page);

}  // namespace gadolin
