// Leaving a long job in order: the first SIGINT, SIGTERM or SIGUSR1 asks it to save and stop, a second one
// ends it at once.
#pragma once

namespace gadolin {

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
