#include "train/processes/mpi_thread.h"

#include <sys/prctl.h>

#include <chrono>

#include "tensor/check.h"
#include "train/signals.h"

namespace gadolin::detail {
namespace {

using std::chrono::steady_clock;
constexpr auto between_looks = std::chrono::milliseconds(20);  // for what other ranks say
constexpr unsigned long timer_slack = 5000;  // ns; usually sleeps take 50 us longer than asked

}  // namespace

MpiThread::MpiThread(double patience) {
  std::unique_lock lock(mutex_);
  busy_ = true;
  {
    const SignalsElsewhere elsewhere;
    thread_ = std::thread([this, patience] {
      ::prctl(PR_SET_TIMERSLACK, timer_slack);
      try {
        int given = 0;
        MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given);
        wire_.emplace(patience);
      } catch (...) {
        error_ = std::current_exception();
      }
      work();
    });
  }
  done_.wait(lock, [&] { return !busy_; });
  if (!error_) return;
  ends_ = true;
  lock.unlock();
  given_.notify_all();
  thread_.join();
  std::rethrow_exception(error_);
}

MpiThread::~MpiThread() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  given_.notify_all();
  thread_.join();
}

void MpiThread::work() {
  std::unique_lock lock(mutex_);
  busy_ = false;
  done_.notify_all();
  for (;;) {
    if (!given_.wait_for(lock, between_looks, [&] { return ends_ || !queue_.empty(); })) {
      look(lock);
      continue;
    }
    if (queue_.empty()) return;
    const Work next = std::move(queue_.front());
    queue_.pop_front();
    if (!error_) {
      busy_ = true;
      lock.unlock();
      std::exception_ptr error;
      try {
        next(*wire_);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      error_ = error;
      busy_ = false;
    }
    if (queue_.empty()) done_.notify_all();
  }
}

void MpiThread::look(std::unique_lock<std::mutex>& lock) {
  const bool failed = error_ != nullptr;
  lock.unlock();
  std::exception_ptr error;
  try {
    wire_->listen();
    if (look_ && !failed) look_(*wire_);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (error) error_ = error;
}

void MpiThread::start(Work work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  given_.notify_one();
}

void MpiThread::wait() {
  std::unique_lock lock(mutex_);
  const auto began = steady_clock::now();
  done_.wait(lock, [&] { return queue_.empty() && !busy_; });
  waited_ += std::chrono::duration<double>(steady_clock::now() - began).count();
  if (error_) std::rethrow_exception(error_);
}

void MpiThread::run_last(const Work& work) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return queue_.empty() && !busy_; });
  error_ = nullptr;
  lock.unlock();
  run(work);
}

}  // namespace gadolin::detail
