// Classification: one class a sample, or several labels each on its own; of pictures, or of features that
// another net made of them (data/sets/feature_set.h, tasks/feature_classifier.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nets/registry.h"
#include "tasks/task.h"
#include "tasks/thresholds.h"

namespace gadolin {

// What is fitted on validation samples after training, and kept with the weights.
struct Operation {
  double temperature = 1;             // logits are divided by it
  std::vector<Threshold> thresholds;  // from which probability on a label counts as there; empty: 0.5
};

// One class a picture, or several labels: a net of the registry, or any other that gives logits.
class ClassificationTask : public Task {
 public:
  static constexpr const char* name = "classification";  // of the kind
  // A net of the registry, which is made here. `options` must say num_classes as many as there are classes.
  ClassificationTask(std::string model, NetOptions options, std::vector<std::string> classes,
                     bool multi_label, Pipeline pipeline);
  // The same with a net that exists already.
  ClassificationTask(std::string model, NetOptions options, std::vector<std::string> classes,
                     bool multi_label, Pipeline pipeline, std::unique_ptr<ImageNet> net);

  const char* kind() const override { return name; }
  ImageNet& net() override { return *net_; }
  const ImageNet& net() const { return *net_; }  // as above
  std::string model() const override { return model_; }
  const NetOptions& options() const { return options_; }     // of the net
  bool multi_label() const { return multi_label_; }          // whether several labels are possible
  const Operation& operation() const { return operation_; }  // temperature and thresholds
  void operate(Operation operation) { operation_ = std::move(operation); }  // from now on
  // Classes that count in no mean over classes, such as "No Finding".
  const std::vector<std::string>& apart() const { return apart_; }
  void set_apart(std::vector<std::string> classes) { apart_ = std::move(classes); }  // see apart()
  // Outputs that were never trained, because no training sample had the label, or because they have no name:
  // nothing that people see mentions them.
  const std::vector<std::string>& untrained() const { return untrained_; }
  // See untrained().
  void set_untrained(std::vector<std::string> classes) { untrained_ = std::move(classes); }
  bool trained(std::size_t k) const;  // whether output k was

  // The loss to train with; weights of classes come from the training set. Throws UsageError for one that
  // does not fit the labels.
  void learn_from(const Dataset& train, const LossOptions& loss, Device device);

  std::unique_ptr<Dataset> open(const std::string& path, DatasetOptions options) const override;
  std::unique_ptr<DataLoader> loader(const Dataset& set, const Pipeline& pipeline,
                                     const LoaderOptions& options,
                                     std::shared_ptr<const Sampler> sampler = {}) const override;
  Batch one(const Dataset& set, std::int64_t i, Device device) const override;
  void check_batches(const DataLoader& loader) const override;
  // The losses of all heads, those of auxiliary ones times 0.4 (nets/image_net.h). Throws ValueError before
  // learn_from.
  LossParts loss(const Batch& batch) override;
  // {"logits": fp32 [N, K]}, divided by the temperature. Throws UsageError, as evidence does, for pictures
  // too small for the net.
  Outputs predict(const Batch& batch) override;
  std::unique_ptr<Evaluator> evaluator(const Dataset& set) const override;
  // Of one class a sample: the likeliest, and `most` - 1 others. Of several labels a row for every one that
  // was trained, whatever `most` says: probability, threshold, and whether it is reached.
  std::vector<std::string> columns() const override;
  // One sample's classes with their probabilities.
  Said say(const Outputs& outputs, std::int64_t n, int most) const override;
  std::vector<double> class_probabilities(const Outputs& outputs, std::int64_t n) const override;
  Tensor evidence(const Batch& batch, int target) override;  // the logit of class `target`
  void describe(Checkpoint& checkpoint) const override;

 private:
  Said say_labels(const std::vector<double>& p) const;
  static Tensor input_of(const Batch& batch);  // pictures, or rows of features [N, D]
  Tensor logits_of(const Batch& batch);
  std::string model_;
  NetOptions options_;
  bool multi_label_, count_right_ = false;
  std::unique_ptr<ImageNet> net_;
  std::function<Tensor(const Tensor&logits, const Tensor&target)> loss_, mixed_loss_;
  Tensor class_weight_;  // [K] of the loss, or undefined
  Operation operation_;
  std::vector<std::string> apart_, untrained_;
};

// Softmax of each row, or the logistic function of each number for several labels: [N, K] on the host.
std::vector<double> probabilities(const Tensor& logits, bool multi_label);

// A classifier of a checkpoint (load_task). Throws CheckpointError for a checkpoint of another task, naming
// both kinds.
std::unique_ptr<ClassificationTask> load_classifier(const std::string& path, Device device);

// The same for a task that is loaded already, from `path`.
const ClassificationTask& as_classifier(const Task& task, const std::string& path);

// For the table of tasks/task.h.
TaskKind classification_kind();

}  // namespace gadolin
