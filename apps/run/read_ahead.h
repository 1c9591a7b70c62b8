// Items that threads make in advance, taken one after another in their order: pictures are read and decoded
// while a net answers the one before.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace gadolin {

// ReadAhead<Batch> samples({.first = 0, .end = set.size()}, [&](std::int64_t i) { return one(set, i); });
// while (...) use(samples.next());
template <class T> class ReadAhead {
 public:
  struct Range {
    std::int64_t first = 0, step = 1, end = 0;
    int threads = 1;  // at most two items a thread are made and not yet taken
  };
  ReadAhead(const Range& range, std::function<T(std::int64_t)> make)
      : range_(range), make_(std::move(make)), begun_(range.first), taken_(range.first) {
    for (int t = 0; t < range.threads; ++t) threads_.emplace_back([this] { work(); });
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wanted_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // The next item. Throws what making it threw; the one behind it can be taken all the same.
  T next() {
    std::unique_lock lock(mutex_);
    made_.wait(lock, [&] { return items_.contains(taken_); });
    Item item = std::move(items_.extract(taken_).mapped());
    taken_ += range_.step;
    lock.unlock();
    wanted_.notify_one();
    if (item.error) std::rethrow_exception(item.error);
    return std::move(*item.value);
  }

 private:
  struct Item {
    std::optional<T> value;
    std::exception_ptr error;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wanted_.wait(lock, [&] { return stopped_ || may_begin() || begun_ >= range_.end; });
      if (stopped_ || begun_ >= range_.end) return;
      const std::int64_t i = begun_;
      begun_ += range_.step;
      lock.unlock();
      Item item;
      try {
        item.value = make_(i);
      } catch (...) {
        item.error = std::current_exception();
      }
      lock.lock();
      items_.emplace(i, std::move(item));
      made_.notify_one();
    }
  }
  bool may_begin() const { return begun_ < taken_ + 2 * range_.threads * range_.step; }

  Range range_;
  std::function<T(std::int64_t)> make_;
  std::int64_t begun_, taken_;  // the next item to be made, and to be taken
  bool stopped_ = false;
  std::map<std::int64_t, Item> items_;  // made, not taken
  std::mutex mutex_;
  std::condition_variable made_, wanted_;
  std::vector<std::thread> threads_;
};

}  // namespace gadolin
