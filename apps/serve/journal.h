// Lines of a log, written by a thread of their own: whoever reads them slowly does not hold up who writes
// them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "tensor/check.h"

namespace gadolin::serve {

class Journal {
 public:
  explicit Journal(std::function<void(const std::string&)> write)
      : write_(std::move(write)), thread_([this](const std::stop_token& stop) { work(stop); }) {}
  ~Journal() {
    thread_.request_stop();
    wake_.notify_all();
  }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  // Beyond 10,000 lines that wait, further ones are counted and left out.
  void add(std::string line) {
    {
      const std::lock_guard lock(mutex_);
      if (lines_.size() < 10000)
        lines_.push_back(std::move(line));
      else
        ++left_out_;
    }
    wake_.notify_one();
  }

 private:
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (wake_.wait(lock, stop, [&] { return !lines_.empty(); })) {
      const std::string line = std::move(lines_.front());
      lines_.pop_front();
      const std::int64_t left_out = lines_.empty() ? std::exchange(left_out_, 0) : 0;
      lock.unlock();
      write_(line);
      if (left_out > 0) write_(cat(left_out, " further lines are left out: the log was read too slowly"));
      lock.lock();
    }
  }
  std::function<void(const std::string&)> write_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::string> lines_;
  std::int64_t left_out_ = 0;
  std::jthread thread_;
};

}  // namespace gadolin::serve
