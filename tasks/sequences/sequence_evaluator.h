// What a sequence model said about the slices of a set, measured slice by slice, series by series and patient
// by patient.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/sets/sequence_set.h"
#include "tasks/task.h"

namespace gadolin {

// A series or a patient is positive when more than this many of its slices are: single slices are often
// mistakes of the labels or of the net.
inline constexpr int slices_not_enough = 2;

// What is asked of a slice to make it positive: the class called "any", or, where there is none, any class.
class Decisive {
 public:
  explicit Decisive(const std::vector<std::string>& classes);
  // Of a slice's K numbers: that of "any", or the largest.
  template <class T> T of(const T* row) const {
    if (column_ < classes_) return row[column_];
    T most = row[0];
    for (std::size_t k = 1; k < classes_; ++k) most = row[k] > most ? row[k] : most;
    return most;
  }

 private:
  std::size_t classes_, column_;
};

class SequenceEvaluator : public Evaluator {
 public:
  // `set` must outlive it.
  SequenceEvaluator(const SequenceSet& set, std::vector<std::string> classes);

  // weighted_log_loss (tasks/weighted_log_loss.h); f1 of all slices and classes together at 0.5; of series
  // and of patients roc_auc, f1, sensitivity and specificity, such as patient_f1, with the third largest
  // probability of a slice as the score, at 0.5; then those of slices as summarize() names them. With
  // predictions of slices alone (SequenceSet::base) also base_weighted_log_loss and gain_over_base, by how
  // much that is larger than the sequence model's.
  std::vector<Metric> metrics() const override;
  std::string chosen() const override { return "weighted_log_loss"; }
  double loss() const override;  // binary cross-entropy, summed over classes, a slice
  void add(const Batch& batch, const Outputs& outputs) override;
  void gather(Communicator& communicator) override;
  std::vector<double> values(Reals weight) const override;
  std::vector<MetricValue> finish(const BootstrapOptions& options) const override;
  std::vector<std::string> patients() const override { return said_.patient; }
  // classes, label_weights, slices, series, levels; predictions.csv and series.csv.
  Json details() const override;
  std::vector<std::pair<std::string, std::string>> files() const override;

  const Predictions& predictions() const { return said_; }               // of slices
  const std::vector<std::int64_t>& indices() const { return indices_; }  // series, in the order of add
  // The probabilities of series `indices()[s]`, [T, K].
  std::vector<double> probabilities_of(std::size_t s) const;

 private:
  // Series or patients: score and truth of each, and a slice of it, whose weight is its own.
  struct Level {
    std::string name;
    std::vector<std::string> member;
    std::vector<double> score;
    std::vector<std::uint8_t> truth;
    std::vector<std::size_t> slice, slices;
  };
  struct Measured;
  const Measured& measured() const;
  Level level(const char* name, const std::vector<std::string>& member) const;
  std::vector<double> own_values(Reals weight) const;
  void add_truth(std::int64_t index);
  const SequenceSet& set_;
  std::vector<double> label_weight_;
  Decisive decisive_;
  Predictions said_;
  std::vector<double> logits_, base_;  // [slices, K]; base_ may be empty
  std::vector<std::int64_t> indices_;
  std::vector<std::string> series_, slice_;  // of each slice
  mutable std::shared_ptr<const Measured> measured_;
};

}  // namespace gadolin
