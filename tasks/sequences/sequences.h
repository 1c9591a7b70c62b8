// Sequences: several labels for every step of a series, such as the slices of a CT, by a recurrent net over
// features of the steps.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/sets/sequence_set.h"
#include "nets/lstm.h"
#include "tasks/label_losses.h"
#include "tasks/task.h"

namespace gadolin {

class SequenceTask : public Task {
 public:
  static constexpr const char* name = "sequences";
  // The net of nets/lstm.h, which is made here. `options` must say num_classes and input_size.
  SequenceTask(NetOptions options, std::vector<std::string> classes);

  const char* kind() const override { return name; }
  SequenceNet& net() override { return *net_; }
  std::string model() const override { return "lstm"; }
  const NetOptions& options() const { return options_; }

  // The loss to train with: one of row_loss_kinds() (tasks/label_losses.h), as the mean over the slices whose
  // labels are known: sum m r / sum m (masked_bin_loss of the original is bin).
  void learn_from(const LossOptions& loss, Device device);

  // A folder of features (open_sequences).
  std::unique_ptr<Dataset> open(const std::string& path, DatasetOptions options) const override;
  // Batches of series of about one length: x [N, T, F], label [N, T, K], known [N, T], mask [N, T] and length
  // [N] (SequenceCollation). T is one of padded_lengths(). In training (drop_last) all batches are full: a
  // few series come twice. Throws DataError for a set that is no SequenceSet, or of other features.
  std::unique_ptr<DataLoader> loader(const Dataset& set, const Pipeline& pipeline,
                                     const LoaderOptions& options,
                                     std::shared_ptr<const Sampler> sampler = {}) const override;
  Batch one(const Dataset& set, std::int64_t i, Device device) const override;
  TextRows remarks(const Dataset& train) const override;
  // Throws ValueError before learn_from.
  LossParts loss(const Batch& batch) override;
  // {"logits": fp32 [N, T, K]}, NaN behind the end of a series.
  Outputs predict(const Batch& batch) override;
  std::unique_ptr<Evaluator> evaluator(const Dataset& set) const override;
  // The `most` slices that are likeliest to be of a class.
  std::vector<std::string> columns() const override { return {"slice", "class", "probability"}; }
  Said say(const Outputs& outputs, std::int64_t n, int most) const override;
  // Of each class the largest of a slice.
  std::vector<double> class_probabilities(const Outputs& outputs, std::int64_t n) const override;
  // The largest logit of class `target` among the slices of each series, summed over the batch.
  Tensor evidence(const Batch& batch, int target) override;
  void describe(Checkpoint& checkpoint) const override;

 private:
  NetOptions options_;
  RowLosses loss_;
  std::unique_ptr<SequenceNet> net_;
};

// A set as the commands of sequences need it. Throws DataError for another kind of set.
const SequenceSet& as_sequences(const Dataset& set);

// metrics.json and what lies beside it into a page of the report: the classifier's of all slices, series and
// patients, drawn strips.
void report_sequences(const std::string& folder, const Json& metrics, report::RunReport& page);

TaskKind sequence_kind();

}  // namespace gadolin
