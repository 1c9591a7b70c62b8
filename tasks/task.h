// A task: what a net is trained for. The training loop, the evaluation, the predictor and the report know
// tasks, not classifiers: each task brings its loss, its metrics, its predictions, the facts of its
// checkpoints and its page of the report.
//
//   std::unique_ptr<Task> task = load_task("best.gdck", cpu);
//   const Outputs out = task->predict(batch);              // {"logits": [N, K]} of a classifier
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/image/transforms.h"
#include "data/sets/loader.h"
#include "io/json.h"
#include "layers/module.h"
#include "nets/registry.h"
#include "tasks/metric_summary.h"
#include "tasks/report_page.h"
#include "train/checkpoint.h"
#include "train/communicator.h"
#include "train/loss_parts.h"
#include "train/optimizer.h"

namespace gadolin {

// What a task says about a batch: named tensors, whose first dimension is the batch's. operator[] throws
// ValueError, with the names that there are, for any other name.
class Outputs {
 public:
  Outputs() = default;
  // In this order.
  Outputs(std::vector<std::pair<std::string, Tensor>> tensors) : tensors_(std::move(tensors)) {}
  const Tensor& operator[](const std::string& name) const;                             // by its name
  const std::vector<std::pair<std::string, Tensor>>& all() const { return tensors_; }  // in their order

 private:
  std::vector<std::pair<std::string, Tensor>> tensors_;
};

// A table for people: the first row names the columns.
using TextRows = std::vector<std::vector<std::string>>;

// Gathers the predictions of a set, batch by batch, and then measures them.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  // What finish() gives, in its order; known before any sample is added.
  virtual std::vector<Metric> metrics() const = 0;
  // The metric that chooses the best checkpoint unless told otherwise; "loss" is possible.
  virtual std::string chosen() const = 0;
  // Mean loss of the samples; NaN without any. Where predictions do not tell it, has_loss() is false.
  virtual double loss() const = 0;
  virtual bool has_loss() const { return true; }  // false: loss() means nothing
  // `batch` as the task's loader made it, `outputs` as the task predicted it. Throws NumericError for NaN,
  // naming the sample.
  virtual void add(const Batch& batch, const Outputs& outputs) = 0;
  // Of several processes, each of which has added a share of the samples: the first one gets all of them, in
  // the order of the ranks, the others keep none. Of one process alone nothing is done. Throws Unsupported
  // where an evaluator does not say how.
  virtual void gather(Communicator& communicator);
  // With a weight a sample in the order of add: how often its patient was drawn; empty: once each. One value
  // a metric, NaN where it is not defined.
  virtual std::vector<double> values(Reals weight) const = 0;
  // The values with their intervals, by resampling patients (tasks/metrics.h). With resamples = 0 the
  // intervals are NaN.
  virtual std::vector<MetricValue> finish(const BootstrapOptions& options) const;
  // What is said instead of NaN, the value of a metric that is not defined.
  virtual std::string undefined(const std::string&) const { return "not defined"; }
  // Patients of the samples in the order of add.
  virtual std::vector<std::string> patients() const = 0;

  // What checkpoints should know of an evaluation on validation samples, such as the score from which on a
  // detector's boxes are shown.
  virtual std::map<std::string, std::string> facts() const { return {}; }

  // For eval: what metrics.json holds besides the metrics.
  virtual Json details() const { return Json::object(); }
  // For eval: files by their names, such as predictions.csv.
  virtual std::vector<std::pair<std::string, std::string>> files() const { return {}; }
  virtual std::vector<TextRows> tables() const { return {}; }  // as the screen shows them
};

// A prediction of one sample for people (rows of a table) and for programs (fields of an event).
struct Said {
  TextRows rows;  // for people, without the head
  Json event;     // for programs
};

// See above.
class Task {
 public:
  virtual ~Task() = default;
  virtual const char* kind() const = 0;  // "classification": its name in checkpoints and messages
  virtual Module& net() = 0;             // in whatever mode it is
  const Module& net() const { return const_cast<Task*>(this)->net(); }  // as above
  virtual std::string model() const = 0;                                // name of the net
  // Names, in the order of their numbers.
  const std::vector<std::string>& classes() const { return classes_; }
  // Steps between a picture and the net, in evaluation and prediction.
  const Pipeline& pipeline() const { return pipeline_; }

  // The data that a user names by a path, as this task reads them: labelled pictures, unless a task says
  // otherwise. Throws DataError for data of another kind.
  virtual std::unique_ptr<Dataset> open(const std::string& path, DatasetOptions options) const;
  // Batches of a set for this task: with the pipeline of training, or the task's own. Without a sampler
  // options.shuffle and drop_last decide the order.
  virtual std::unique_ptr<DataLoader> loader(const Dataset& set, const Pipeline& pipeline,
                                             const LoaderOptions& options,
                                             std::shared_ptr<const Sampler> sampler = {}) const = 0;

  // Sample `i` of a set as a batch of one: what the net makes of it does not depend on what else was asked
  // for.
  virtual Batch one(const Dataset& set, std::int64_t i, Device device) const;

  // Of batches to learn from: throws UsageError where they are pictures too small for the net. Asked before a
  // run begins.
  virtual void check_batches(const DataLoader& loader) const;
  // What people should know before the first step, as a table; may be empty.
  virtual TextRows remarks(const Dataset& train) const;
  // A sentence about the memory that a step with `batch` of these samples takes; may be empty.
  virtual std::string memory(const Dataset& train, std::int64_t batch, const OptimizerOptions& rule,
                             DType compute) const;
  // Of a batch, in training mode.
  virtual LossParts loss(const Batch& batch) = 0;
  // Of a batch, in evaluation mode and without a tape. Knows no labels.
  virtual Outputs predict(const Batch& batch) = 0;
  // `set` must outlive it: names, patients and truth come from there.
  virtual std::unique_ptr<Evaluator> evaluator(const Dataset& set) const = 0;

  // What `predict` shows of sample n of a batch; `most`: how many classes, boxes ... are named. columns()
  // heads the rows; the name of the file stands before both.
  virtual std::vector<std::string> columns() const = 0;
  virtual Said say(const Outputs& outputs, std::int64_t n, int most) const = 0;  // sample n of a batch
  // How likely each class is in sample n of a batch. Throws Unsupported where nothing of the kind exists.
  virtual std::vector<double> class_probabilities(const Outputs& outputs, std::int64_t n) const;
  // A scalar that grows with how sure the net is of `target` in a batch of one: what Grad-CAM follows. Throws
  // Unsupported where nothing of the kind exists.
  virtual Tensor evidence(const Batch& batch, int target);

  // Puts into a checkpoint what load() needs besides the weights under "model.".
  virtual void describe(Checkpoint& checkpoint) const;

 protected:
  Task() = default;
  // For tasks.
  Task(std::vector<std::string> classes, Pipeline pipeline)
      : classes_(std::move(classes)), pipeline_(std::move(pipeline)) {}
  std::vector<std::string> classes_;  // see classes()
  Pipeline pipeline_;                 // see pipeline()
};

// How wrong a net is. Each kind of task takes what it knows of this.
struct LossOptions {
  std::string kind = "auto";   // cross-entropy, bce (several labels), focal; auto: the first two
  double label_smoothing = 0;  // of cross-entropy
  double focal_gamma = 2;      // exponent of focal; 0 is the cross-entropy
  double focal_alpha = 0;      // of several labels: share of the positives' weight; 0: all count alike
  bool class_weights = false;  // rare classes count more
  bool mixes = false;          // batches hold "mix_partner", "mix_keep" and "mix_share" (train/mix.h)
  bool count_right = false;    // also report the share of the batch that is right, as part "accuracy"
  // Of several labels, from other command groups: instead of `kind`, whose name then only stands in records.
  std::function<Tensor(const Tensor& logits, const Tensor& target)> own = {};
};

// What a command knows about a task that is to be trained.
struct TaskStart {
  std::string model;                     // as the user calls the net
  NetOptions options;                    // of the net, with input_channels where samples are pictures
  const Dataset& train;                  // what it learns from
  Pipeline pipeline;                     // of evaluation and prediction
  LossOptions loss;                      // to train with
  Device device;                         // where batches will lie
  std::optional<Pipeline> augment = {};  // of training, where it is another
  std::vector<std::string> apart = {};   // classes that count in no mean (tasks/metric_summary.h)
};

// What `gadolin train` was told of the pipeline, for kinds that have usual steps of their own.
struct StepChoice {
  int size;             // --input-size
  std::string augment;  // none, light, standard
  bool training;        // steps of training, or of evaluation
};

// A kind of task, as checkpoints, folders of runs and commands name it.
struct TaskKind {
  std::string name;  // "classification"
  // The task that a checkpoint describes, without weights: make its net as it was made.
  std::function<std::unique_ptr<Task>(const Checkpoint&, const std::string& path)> make;
  // What an evaluation left in a folder (`metrics` is metrics.json; its files lie beside it), as part of a
  // page of the report.
  std::function<void(const std::string& folder, const Json& metrics, report::RunReport& page)> report;
  // A task with a new net that is ready to learn: what `gadolin train --task NAME` trains. Empty: that
  // command does not train this kind. Throws UsageError for what does not fit.
  std::function<std::unique_ptr<Task>(const TaskStart&)> begin = {};
  // Throws UsageError for a net that this kind does not have: asked before data are read. Empty: `begin`
  // says.
  std::function<void(const std::string& model)> check_model = {};
  // The data to learn from that a user names by a path. Empty: labelled pictures (open_dataset).
  std::function<std::unique_ptr<Dataset>(const std::string& path, const DatasetOptions&)> open = {};
  // The usual steps between the number of channels and normalize. Empty: a square of the input size.
  std::function<std::string(const StepChoice&)> steps = {};
};
// Some kinds exist from the start; a program may add others. Throws UsageError for a name that is taken.
void add_task_kind(TaskKind kind);
// Throws CheckpointError naming the known kinds.
const TaskKind& task_kind(const std::string& name);
// One that has `begin`. Throws UsageError naming all that have.
const TaskKind& trainable_kind(const std::string& name);

// The task of a checkpoint in evaluation mode, with its averaged weights when it has them. Checkpoints
// without a kind are of classifiers. Throws FileError, CheckpointError.
std::unique_ptr<Task> load_task(const std::string& path, Device device);

}  // namespace gadolin
