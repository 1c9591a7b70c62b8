// The thread that makes all calls of MPI, in the order in which it is given work: so the library needs no
// locks, and a sum goes on while the caller computes.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "train/processes/wire.h"

namespace gadolin::detail {

class MpiThread {
 public:
  using Work = std::function<void(Wire&)>;
  explicit MpiThread(double patience);  // calls MPI_Init_thread
  ~MpiThread();                         // ends the thread; MPI_Finalize is work
  MpiThread(const MpiThread&) = delete;
  MpiThread& operator=(const MpiThread&) = delete;

  void start(Work work);
  // Until all that was started is done. Throws what failed first; what is started later fails with the same.
  void wait();
  void run(Work work) {
    start(std::move(work));
    wait();
  }
  // Also after a failure.
  void run_last(const Work& work);
  // What is done now and then while there is no other work, until something has failed; what it throws is a
  // failure as well. Set by work.
  void between(Work look) { look_ = std::move(look); }
  Wire& wire() { return *wire_; }
  double seconds_waited() const { return waited_; }  // in wait()

 private:
  void work();
  void look(std::unique_lock<std::mutex>& lock);
  std::optional<Wire> wire_;
  Work look_;
  std::mutex mutex_;
  std::condition_variable given_, done_;
  std::deque<Work> queue_;
  bool busy_ = false, ends_ = false;
  std::exception_ptr error_;
  double waited_ = 0;
  std::thread thread_;
};

}  // namespace gadolin::detail
