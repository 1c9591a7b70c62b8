// Kinds of tasks by name, and what is the same for all of them.
#include "tasks/task.h"

#include <algorithm>

#include "layers/init.h"
#include "tasks/classification.h"
#include "tasks/detection/detection.h"
#include "tasks/inputs.h"
#include "tasks/sequences/sequences.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::vector<TaskKind>& kinds() {
  static std::vector<TaskKind> all{classification_kind(), detection_kind(), sequence_kind()};
  return all;
}

std::string names_of(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  std::string names;
  for (const auto& [name, tensor] : tensors) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

const Tensor& Outputs::operator[](const std::string& name) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.first == name; });
  require<ValueError>(found != tensors_.end(), "outputs: there is no ", name, "; known are ",
                      names_of(tensors_));
  return found->second;
}

std::vector<MetricValue> Evaluator::finish(const BootstrapOptions& options) const {
  const std::vector<Metric> all = metrics();
  const std::vector<double> whole = values({});
  std::vector<MetricValue> result;
  for (std::size_t k = 0; k < all.size(); ++k) result.push_back({all[k].name, whole[k], {NAN, NAN}});
  if (options.resamples == 0) return result;
  // One draw of patients serves all metrics, so that their intervals belong to the same samples.
  const std::vector<std::string> patient = patients();
  for (std::size_t k = 0; k < all.size(); ++k) {
    result[k].interval = bootstrap(
        patient, [&](Reals weight) { return values(weight)[k]; }, options);
  }
  return result;
}

void Evaluator::gather(Communicator& communicator) {
  require<Unsupported>(
      communicator.alone(), "evaluator: what ", communicator.size(),
      " processes have added cannot be brought together; override gather, or use one process");
}

std::unique_ptr<Dataset> Task::open(const std::string& path, DatasetOptions options) const {
  options.classes = classes_;
  return open_dataset(path, options);
}

std::vector<double> Task::class_probabilities(const Outputs&, std::int64_t) const {
  fail<Unsupported>("task: one of kind ", kind(), " gives no probabilities of classes; use a classifier");
}

Tensor Task::evidence(const Batch&, int) {
  fail<Unsupported>("cam: a task of kind ", kind(),
                    " has no evidence of a class to follow; use a classifier");
}

Batch Task::one(const Dataset& set, std::int64_t i, Device device) const {
  return one_sample(set, i, pipeline_, device);
}

void Task::check_batches(const DataLoader&) const {}
TextRows Task::remarks(const Dataset&) const { return {}; }
std::string Task::memory(const Dataset&, std::int64_t, const OptimizerOptions&, DType) const { return ""; }

void Task::describe(Checkpoint& checkpoint) const {
  checkpoint.facts["task"] = kind();
  checkpoint.facts["classes"] = Json(classes_).dump();
  checkpoint.facts["pipeline"] = pipeline_.text();
}

void add_task_kind(TaskKind kind) {
  const bool taken =
      std::any_of(kinds().begin(), kinds().end(), [&](const TaskKind& k) { return k.name == kind.name; });
  require<UsageError>(!taken, "task: ", kind.name, " is there already; choose another name");
  kinds().push_back(std::move(kind));
}

const TaskKind& task_kind(const std::string& name) {
  std::string known;
  for (const TaskKind& kind : kinds()) {
    if (kind.name == name) return kind;
    known += (known.empty() ? "" : ", ") + kind.name;
  }
  fail<CheckpointError, 32>("task: ", name, " is unknown to this program; known are ", known,
                            "; was it made by a newer version?");
}

const TaskKind& trainable_kind(const std::string& name) {
  std::string known;
  for (const TaskKind& kind : kinds()) {
    if (!kind.begin) continue;
    if (kind.name == name) return kind;
    known += (known.empty() ? "" : ", ") + kind.name;
  }
  fail<UsageError>("--task ", name, " cannot be trained; use ", known);
}

std::unique_ptr<Task> load_task(const std::string& path, Device device) {
  const Checkpoint checkpoint = load_checkpoint(path);
  require<CheckpointError, 30>(checkpoint.has("model"), "checkpoint: ", path,
                               " does not say what it was trained for; was it written by gadolin train?");
  const SkipInitialValues zeros;
  auto task =
      task_kind(checkpoint.has("task") ? checkpoint.fact("task") : "classification").make(checkpoint, path);
  task->net().load_state(weights_of(checkpoint), {}, path);
  task->net().to(device);
  task->net().eval();
  return task;
}

}  // namespace gadolin
