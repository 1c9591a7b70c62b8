#include "tasks/evaluate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "layers/compute.h"
#include "tensor/capture.h"
#include "tensor/check.h"
#include "train/progress.h"
#include "train/shares.h"

namespace gadolin {

struct RecordedPrediction::Impl {
  explicit Impl(Task& t) : task(t) {}
  Task& task;
  const Batch* batch = nullptr;  // the one that is predicted or recorded
  std::string name;              // of the one tensor
  Outputs answer;                // of a task that gives several tensors
  std::optional<CapturedStep> step;
};

RecordedPrediction::RecordedPrediction(Task& task) : impl_(std::make_unique<Impl>(task)) {
  impl_->step.emplace(
      [impl = impl_.get()](const std::vector<Tensor>& in) {
        const Outputs outputs = impl->task.predict(Batch(impl->batch->names(), in));
        if (outputs.all().size() != 1) {
          impl->answer = outputs;
          fail<CaptureError>("prediction: only one tensor can be recorded");
        }
        impl->name = outputs.all().front().first;
        return outputs.all().front().second;
      },
      CaptureOptions{.warm_up = 2, .reads_only = true});
}
RecordedPrediction::~RecordedPrediction() = default;
RecordedPrediction::RecordedPrediction(RecordedPrediction&&) noexcept = default;

Outputs RecordedPrediction::operator()(const Batch& batch) {
  const NoGrad guard;
  Impl& m = *impl_;
  // A net that cannot be recorded is run as it is: nothing has happened yet then.
  if (m.step) {
    try {
      m.batch = &batch;
      const Tensor only = (*m.step)(batch.tensors());
      return Outputs({{m.name, only}});
    } catch (const CaptureError&) {
      m.step.reset();
      if (!m.answer.all().empty()) return std::exchange(m.answer, {});
    }
  }
  return m.task.predict(batch);
}

void for_each_batch(DataLoader& loader, const std::string& label,
                    const std::function<void(const Batch&)>& f) {
  std::optional<Progress> progress;
  if (!label.empty())
    progress.emplace(label, loader.batches(), progress_on_stderr(),
                     ProgressUnit{"img", static_cast<double>(loader.batch_size())});
  Batch batch;
  std::int64_t done = 0;
  while (loader.next(batch)) {
    if (batch.spare) continue;
    f(batch);
    if (progress) progress->update(++done, loader.stats().wait_seconds);
  }
  if (progress) progress->finish();
}

std::vector<BadSample> evaluate(const Predict& predict, DataLoader& loader, Evaluator& evaluator,
                                const std::string& label) {
  for_each_batch(loader, label, [&](const Batch& batch) { evaluator.add(batch, predict(batch)); });
  return loader.bad_samples();
}

std::vector<BadSample> evaluate(Task& task, DataLoader& loader, Evaluator& evaluator, DType compute,
                                const std::string& label) {
  const EvaluationMode mode(task.net());
  const NoGrad guard;
  const ComputeScope scope(compute);
  RecordedPrediction predict(task);
  return evaluate(std::ref(predict), loader, evaluator, label);
}

LoaderOptions divided(LoaderOptions options, const Communicator& communicator, Divide divide) {
  options.rank = communicator.rank();
  options.ranks = communicator.size();
  options.divide = divide;
  return options;
}

KeptRows kept_rows(const Batch& batch, const DataLoader& loader, const Communicator& communicator) {
  KeptRows kept;
  std::int64_t wanted = (batch.step * communicator.size() + communicator.rank()) * loader.batch_size();
  for (std::int64_t i = 0; i < batch.size() && !batch.spare; ++i, ++wanted) {
    if (batch.indices[static_cast<std::size_t>(i)] != wanted) continue;
    kept.rows.push_back(i);
    kept.places.push_back(wanted);
  }
  return kept;
}

template <class A> void pack_fields(A& a, BadSample& bad) { a(bad.index, bad.name, bad.reason); }

std::vector<BadSample> bad_samples_of_all(const DataLoader& loader, std::int64_t samples,
                                          Communicator& communicator) {
  std::vector<BadSample> all = gather_items(communicator, loader.bad_samples());
  std::ranges::sort(all, {}, &BadSample::index);
  const auto same = [](const BadSample& a, const BadSample& b) { return a.index == b.index; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  all = unpacked<std::vector<BadSample>>(communicator.broadcast(packed(all)));
  check_bad_samples(all, samples);
  return all;
}

}  // namespace gadolin
