// Leaving a long job in order: the first SIGINT, SIGTERM or SIGUSR1 asks it to save and stop, a second one
// ends it at once.
#pragma once

#include <signal.h>

namespace gadolin {

// Threads that are started while one is alive inherit what is blocked: they leave signals to the threads that
// were there before, but for faults of their own, which whoever looks for them must see.
class SignalsElsewhere {
 public:
  SignalsElsewhere();
  ~SignalsElsewhere();  // this thread has its signals again
  SignalsElsewhere(const SignalsElsewhere&) = delete;
  SignalsElsewhere& operator=(const SignalsElsewhere&) = delete;

 private:
  sigset_t before_;
};

class SignalGuard {
 public:
  SignalGuard();   // of several at a time, all see the same signal
  ~SignalGuard();  // the last one puts back what was there before
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
  // The signal's name once one has come, otherwise nullptr.
  static const char* received();
};

}  // namespace gadolin
