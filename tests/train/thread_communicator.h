// Ranks that are threads of one process, for tests of what several processes do.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "train/communicator.h"

namespace gadolin::test {

// Runs f on `size` threads, each a rank, and throws what the first rank that failed threw. Ranks that then
// wait for it get a ProcessError, and so do ranks that make different calls.
class Ranks {
 public:
  static void run(int size, const std::function<void(Communicator&)>& f) {
    Ranks ranks(size);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank) {
      threads.emplace_back([&ranks, &f, rank, size] {
        Rank communicator(ranks, rank, size);
        try {
          f(communicator);
          ranks.leaves({});
        } catch (...) {
          ranks.leaves(std::current_exception());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (ranks.error_) std::rethrow_exception(ranks.error_);
  }

 private:
  struct Post {
    std::string call;
    Tensor tensor;  // a handle: who posted it may have failed and gone while others still read
    std::string bytes;
  };

  class Rank final : public Communicator {
   public:
    Rank(Ranks& ranks, int rank, int size) : Communicator(rank, size), ranks_(ranks) {}

   private:
    // Every rank adds in the order of ranks, so all get the same bits.
    void sum_all(const Tensor& t) override {
      ranks_.meet(rank(), {cat("sum of ", t.dtype(), " ", t.shape(), " ", t.strides()), t, {}});
      const NoGrad guard;
      Tensor total = ranks_.posts_[0].tensor.clone();
      for (std::size_t other = 1; other < ranks_.posts_.size(); ++other)
        total = add(total, ranks_.posts_[other].tensor);
      ranks_.wait();
      Tensor(t.detach()).copy_(total);
    }
    void broadcast_all(const Tensor& t) override {
      ranks_.meet(rank(), {cat("broadcast of ", t.dtype(), " ", t.shape(), " ", t.strides()), t, {}});
      const NoGrad guard;
      const Tensor first = ranks_.posts_[0].tensor.clone();
      ranks_.wait();
      if (rank() > 0) Tensor(t.detach()).copy_(first);
    }
    void barrier_all() override {
      ranks_.meet(rank(), {"barrier", {}, {}});
      ranks_.wait();
    }
    std::vector<std::string> gather_all(const std::string& bytes) override {
      ranks_.meet(rank(), {"gather", {}, bytes});
      std::vector<std::string> all;
      for (std::size_t other = 0; rank() == 0 && other < ranks_.posts_.size(); ++other)
        all.push_back(ranks_.posts_[other].bytes);
      ranks_.wait();
      return all;
    }
    std::string broadcast_all(const std::string& bytes) override {
      ranks_.meet(rank(), {"broadcast", {}, bytes});
      std::string first = ranks_.posts_[0].bytes;
      ranks_.wait();
      return first;
    }
    Ranks& ranks_;
  };

  explicit Ranks(int size) : size_(size), posts_(static_cast<std::size_t>(size)) {}

  void meet(int rank, Post post) {
    Post& own = posts_[static_cast<std::size_t>(rank)];
    own = std::move(post);
    wait();
    for (const Post& other : posts_) {
      require<ProcessError>(other.call == own.call, "threads: a rank called ", own.call, ", another one ",
                            other.call);
    }
  }
  void wait() {
    std::unique_lock lock(mutex_);
    const std::int64_t round = round_;
    if (++waiting_ == size_) {
      waiting_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || ended_ > 0; });
    require<ProcessError>(round_ != round, "threads: a rank has ended, but others wait for it");
  }
  void leaves(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    ++ended_;
    if (!error_) error_ = error;
    changed_.notify_all();
  }

  int size_;
  std::vector<Post> posts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t round_ = 0;
  int waiting_ = 0, ended_ = 0;
  std::exception_ptr error_;
};

}  // namespace gadolin::test
