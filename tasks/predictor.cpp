#include "tasks/predictor.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "layers/compute.h"
#include "tasks/evaluate.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// Either a batch to predict or a function to run.
struct Request {
  Batch batch;
  std::promise<Outputs> answer;
  std::function<void(Task&)> job;
  bool alone = false;  // not to be joined with others
  std::stop_token gone;
  std::int64_t samples() const { return job ? 0 : batch.size(); }
};

// Whether two batches can be one: the same tensors of the same shapes but for the number of samples.
bool alike(const Batch& a, const Batch& b) {
  const std::vector<Tensor> x = a.tensors(), y = b.tensors();
  if (a.names() != b.names()) return false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i].dtype() != y[i].dtype() || x[i].device() != y[i].device() || x[i].dim() != y[i].dim())
      return false;
    for (int d = 1; d < x[i].dim(); ++d) {
      if (x[i].size(d) != y[i].size(d)) return false;
    }
  }
  return true;
}

Batch joined(const std::vector<Request>& requests) {
  if (requests.size() == 1) return requests[0].batch;
  std::vector<Tensor> tensors = requests[0].batch.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::vector<Tensor> parts;
    for (const Request& r : requests) parts.push_back(r.batch.tensors()[i]);
    tensors[i] = concat(parts, 0);
  }
  Batch all(requests[0].batch.names(), tensors);
  all.indices = requests[0].batch.indices;
  for (std::size_t k = 1; k < requests.size(); ++k) {
    const auto& more = requests[k].batch.indices;
    all.indices.insert(all.indices.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace

struct Predictor::Impl {
  std::unique_ptr<Task> task;
  PredictorOptions options;
  std::mutex mutex;
  std::condition_variable wanted;
  std::deque<Request> queue;
  std::int64_t waiting = 0;  // samples in the queue
  bool stop = false;
  std::thread thread;

  // Under the mutex: what nobody waits for any more leaves the queue.
  void leave() {
    std::erase_if(queue, [&](Request& r) {
      if (!r.gone.stop_requested()) return false;
      waiting -= r.samples();
      try {
        fail<Busy, 2>("predictor: whoever asked has gone; nothing was computed");
      } catch (...) {
        r.answer.set_exception(std::current_exception());
      }
      return true;
    });
  }

  void push(Request request) {
    {
      const std::lock_guard lock(mutex);
      leave();
      const std::int64_t n = request.samples();
      require<Busy>(options.queue == 0 || waiting + n <= options.queue, "predictor: ", waiting,
                    " samples are waiting, at most ", options.queue, " may; ask again later");
      waiting += n;
      queue.push_back(std::move(request));
    }
    wanted.notify_one();
  }

  std::future<Outputs> ask(Batch batch, bool alone, std::stop_token gone = {}) {
    Request request;
    request.batch = std::move(batch);
    request.alone = alone;
    request.gone = std::move(gone);
    std::future<Outputs> answer = request.answer.get_future();
    push(std::move(request));
    return answer;
  }

  // The next function, or the batches that go together; nothing at the end.
  std::vector<Request> take() {
    std::unique_lock lock(mutex);
    const auto ready = [&] {
      leave();
      return stop || !queue.empty();
    };
    wanted.wait(lock, ready);
    std::vector<Request> taken;
    if (queue.empty()) return taken;
    const auto pull = [&](std::deque<Request>::iterator at) {
      waiting -= at->samples();
      taken.push_back(std::move(*at));
      return queue.erase(at);
    };
    pull(queue.begin());
    if (taken[0].job || taken[0].alone) return taken;
    std::int64_t samples = taken[0].samples();
    // Whatever fits goes along, past others that do not: the first of the queue always goes, so none starves.
    const auto join = [&] {
      for (auto at = queue.begin(); at != queue.end() && samples < options.most;) {
        const bool fits = !at->job && !at->alone && samples + at->samples() <= options.most &&
                          alike(taken[0].batch, at->batch);
        samples += fits ? at->samples() : 0;
        at = fits ? pull(at) : at + 1;
      }
    };
    join();
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.wait);
    // A batch that is not full waits only while nothing else does.
    while (samples < options.most && queue.empty() && !stop && wanted.wait_until(lock, until, ready)) join();
    return taken;
  }

  void answer(std::vector<Request>& requests, RecordedPrediction& predict) {
    try {
      const auto began = std::chrono::steady_clock::now();
      const Batch all = joined(requests);
      const Outputs outputs = predict(all);
      if (options.observe)
        options.observe(all.size(),
                        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
      std::vector<Outputs> shares;
      for (std::int64_t at = 0; const Request& r : requests) {
        std::vector<std::pair<std::string, Tensor>> mine;
        for (const auto& [name, tensor] : outputs.all()) {
          // A copy: what a recording gives is overwritten by the next batch.
          mine.emplace_back(name, tensor.slice(0, at, at + r.batch.size()).clone());
        }
        at += r.batch.size();
        shares.emplace_back(std::move(mine));
      }
      for (std::size_t k = 0; k < requests.size(); ++k) requests[k].answer.set_value(std::move(shares[k]));
    } catch (...) {
      if (requests.size() == 1) return requests[0].answer.set_exception(std::current_exception());
      // One of them is at fault; the others get what they would get without it.
      for (Request& r : requests) {
        std::vector<Request> alone;
        alone.push_back(std::move(r));
        answer(alone, predict);
      }
    }
  }

  void work() {
    const NoGrad no_tape;
    const ComputeScope scope(options.compute);
    RecordedPrediction predict(*task);
    for (std::vector<Request> taken = take(); !taken.empty(); taken = take()) {
      if (taken[0].job)
        taken[0].job(*task);
      else
        answer(taken, predict);
    }
  }
};

Predictor::Predictor(std::unique_ptr<Task> task, PredictorOptions options) : impl_(std::make_unique<Impl>()) {
  require<ValueError>(options.most >= 1 && options.wait >= 0 && options.wait < 3600 && options.queue >= 0,
                      "predictor: most = ", options.most, ", wait = ", options.wait,
                      " s, queue = ", options.queue,
                      "; at least one sample, 0 to 3600 seconds, and 0 or more waiting are possible");
  impl_->task = std::move(task);
  impl_->options = options;
  impl_->task->net().eval();
  impl_->thread = std::thread([impl = impl_.get()] { impl->work(); });
}

Predictor::~Predictor() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wanted.notify_all();
  impl_->thread.join();
}

const Task& Predictor::task() const { return *impl_->task; }

std::future<Outputs> Predictor::submit(Batch batch, std::stop_token gone) {
  require<ValueError>(batch.size() > 0, "predictor: the batch has no samples");
  return impl_->ask(std::move(batch), false, std::move(gone));
}

std::int64_t Predictor::waiting() const {
  const std::lock_guard lock(impl_->mutex);
  impl_->leave();
  return impl_->waiting;
}

Outputs Predictor::run(const Batch& batch) { return impl_->ask(batch, true).get(); }

void Predictor::post(std::function<void(Task&)> job) {
  Request request;
  request.job = std::move(job);
  impl_->push(std::move(request));
}

}  // namespace gadolin
