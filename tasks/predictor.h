// Predictor: one thread that owns a task with its net, for any number of threads that ask it.
//
//   Predictor predictor(load_task("best.gdck", cpu), {.most = 8, .wait = 0.005});
//   std::future<Outputs> answer = predictor.submit(one_sample(set, 0, predictor.task().pipeline(), cpu));
//
// The contract of threads: a net is used by one thread at a time (layers/module.h), and here that thread is
// the predictor's. Every function of this class may be called by any thread; what is handed in belongs to the
// predictor until its answer is there.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <stop_token>
#include <type_traits>

#include "tasks/task.h"

namespace gadolin {

// How requests become batches.
struct PredictorOptions {
  // Batches of one shape that wait together are predicted together, up to this many samples. With 1 an answer
  // does not depend, in its last bits, on what else was asked for.
  std::int64_t most = 1;
  double wait = 0;              // seconds that a batch which is not full waits for more
  std::int64_t queue = 0;       // samples that may wait; more are refused with Busy; 0: any number
  DType compute = DType::fp32;  // in which the net computes
  // Told on the predictor's thread of each batch that was predicted: its samples, and the seconds it took.
  std::function<void(std::int64_t samples, double seconds)> observe = {};
};

// Owns a task and its net on one thread, and answers any number of others.
class Predictor {
 public:
  // The net is put into evaluation mode. Throws ValueError for options out of range.
  explicit Predictor(std::unique_ptr<Task> task, PredictorOptions options = {});
  ~Predictor();  // answers what was asked, then ends its thread
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  // For what never changes, which everybody may read: kind, classes, pipeline, loaders, evaluators, say().
  const Task& task() const;

  // The answer to a batch, with as many rows as it has samples. An exception of the task comes out of the
  // future. Once `gone` is asked to stop, a batch that waits leaves the queue: its future throws Busy.
  std::future<Outputs> submit(Batch batch, std::stop_token gone = {});
  // Samples that wait and are still wanted.
  std::int64_t waiting() const;
  // The same, waited for; and alone, whatever else waits: the batch is predicted as it is.
  Outputs run(const Batch& batch);
  // f(Task&) on the predictor's thread, between batches; what it gives or throws comes back.
  template <class F> std::invoke_result_t<F, Task&> with(F f) {
    using Result = std::invoke_result_t<F, Task&>;
    std::packaged_task<Result(Task&)> job(std::move(f));
    std::future<Result> result = job.get_future();
    post([&job](Task& task) { job(task); });
    return result.get();
  }

 private:
  void post(std::function<void(Task&)> job);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gadolin
