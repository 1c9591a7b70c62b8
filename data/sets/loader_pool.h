// The threads of a loader: they fill batches, sample by sample, in the order the batches were queued.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace gadolin::detail {

// Jobs of several parts. Parts are begun in the order of jobs and within a job; the first job is waited for.
class LoaderPool {
 public:
  // fill(job, part) runs on any worker and must not throw. threads = 0: wait_front() runs it.
  LoaderPool(int threads, std::int64_t chunk, std::function<void(void* job, std::int64_t part)> fill);
  ~LoaderPool();
  LoaderPool(const LoaderPool&) = delete;
  LoaderPool& operator=(const LoaderPool&) = delete;

  void push(void* job, std::int64_t parts);
  bool front_done();
  void wait_front();  // until every part of the oldest job is done
  void pop_front();   // forgets it; it must be done
  void clear();       // forgets all jobs; waits for parts in work
  std::size_t size() const { return jobs_.size(); }

 private:
  struct Job {
    void* job;
    std::int64_t parts, begun = 0, done = 0;
  };
  void work();
  std::function<void(void*, std::int64_t)> fill_;
  std::int64_t chunk_;
  std::mutex mutex_;
  std::condition_variable wanted_, finished_;
  std::deque<std::unique_ptr<Job>> jobs_;  // changed by the owner only, under the mutex
  std::size_t in_work_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gadolin::detail
