// Every sample of a set once through a task, and into its evaluator.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tasks/task.h"

namespace gadolin {

// A net in evaluation mode while this is alive, and then as it was.
class EvaluationMode {
 public:
  // From now on.
  explicit EvaluationMode(Module& net) : net_(net), was_training_(net.training()) { net_.eval(); }
  ~EvaluationMode() { net_.train(was_training_); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  Module& net_;
  bool was_training_;
};

// A task's predictions in evaluation mode. On a GPU batches of one shape are recorded and launched as one, as
// long as the task gives one tensor; a net that cannot be recorded runs as it is. The result of a call is
// valid until the next one.
class RecordedPrediction {
 public:
  explicit RecordedPrediction(Task& task);  // the task must outlive it
  ~RecordedPrediction();
  RecordedPrediction(RecordedPrediction&&) noexcept;
  Outputs operator()(const Batch& batch);  // as task.predict(batch)

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

using Predict = std::function<Outputs(const Batch&)>;  // what a task, a predictor or an ensemble does

// The rest of the loader's epoch, with a line of progress on stderr under `label`; empty: none. Spare batches
// (Batch::spare) are left out.
void for_each_batch(DataLoader& loader, const std::string& label, const std::function<void(const Batch&)>& f);

// The rest of the loader's epoch. `label`: of a line of progress on stderr; empty: none. Returns samples that
// could not be read. Throws what the loader, the task and the evaluator throw.
std::vector<BadSample> evaluate(const Predict& predict, DataLoader& loader, Evaluator& evaluator,
                                const std::string& label = "");

// The same with a task whose net is here: put into evaluation mode and back, computing in `compute`.
std::vector<BadSample> evaluate(Task& task, DataLoader& loader, Evaluator& evaluator, DType compute,
                                const std::string& label = "");

// The options of a loader for the batches of which each process takes its row: together they are those of a
// process alone, in its order. After evaluate() the first one's evaluator gets all (Evaluator::gather).
LoaderOptions divided(LoaderOptions options, const Communicator& communicator, Divide divide = Divide::rows);

// Rows of a batch that are of the samples wanted, since another one stands in the place of one that cannot be
// read.
struct KeptRows {
  std::vector<std::int64_t> rows, places;  // in the batch, in the set
};
// Of a batch of a loader in turns, without order or repeats, that may skip samples. Of a spare batch none.
KeptRows kept_rows(const Batch& batch, const DataLoader& loader, const Communicator& communicator);

// What loaders of all processes have left out, each once, ordered by place: on all of them. Throws DataError
// where together they are too many of the `samples` of the set.
std::vector<BadSample> bad_samples_of_all(const DataLoader& loader, std::int64_t samples,
                                          Communicator& communicator);

}  // namespace gadolin
