// One mutex for the list of jobs; decoding happens outside of it.
#include "data/sets/loader_pool.h"

#include <algorithm>
#include <system_error>

namespace gadolin::detail {

LoaderPool::LoaderPool(int threads, std::int64_t chunk, std::function<void(void*, std::int64_t)> fill)
    : fill_(std::move(fill)), chunk_(chunk) {
  try {
    for (int t = 0; t < threads; ++t) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // Fewer threads than asked for still do all the work; none at all is the synchronous way.
  }
}

LoaderPool::~LoaderPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wanted_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void LoaderPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Job* job = nullptr;
    wanted_.wait(lock, [&] {
      if (stop_) return true;
      for (const auto& j : jobs_) {
        if (j->begun == j->parts) continue;
        job = j.get();
        return true;
      }
      return false;
    });
    if (stop_) return;
    const std::int64_t begin = job->begun, end = std::min(begin + chunk_, job->parts);
    job->begun = end;
    ++in_work_;
    lock.unlock();
    for (std::int64_t part = begin; part < end; ++part) fill_(job->job, part);
    lock.lock();
    --in_work_;
    job->done += end - begin;
    if (job->done == job->parts || in_work_ == 0) finished_.notify_all();
  }
}

void LoaderPool::push(void* job, std::int64_t parts) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::make_unique<Job>(Job{job, parts}));
  }
  wanted_.notify_all();
}

bool LoaderPool::front_done() {
  const std::lock_guard lock(mutex_);
  return !jobs_.empty() && jobs_.front()->done == jobs_.front()->parts;
}

void LoaderPool::wait_front() {
  std::unique_lock lock(mutex_);
  Job& job = *jobs_.front();
  if (threads_.empty()) {
    lock.unlock();
    for (; job.done < job.parts; job.begun = ++job.done) fill_(job.job, job.done);
    return;
  }
  finished_.wait(lock, [&] { return job.done == job.parts; });
}

void LoaderPool::pop_front() {
  const std::lock_guard lock(mutex_);
  jobs_.pop_front();
}

void LoaderPool::clear() {
  std::unique_lock lock(mutex_);
  for (const auto& job : jobs_) job->begun = job->parts;
  finished_.wait(lock, [&] { return in_work_ == 0; });
  jobs_.clear();
}

}  // namespace gadolin::detail
