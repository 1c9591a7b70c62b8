#include "train/signals.h"

#include <csignal>
#include <mutex>

namespace gadolin {
namespace {

volatile std::sig_atomic_t last_signal = 0;
constexpr int watched[] = {SIGINT, SIGTERM, SIGUSR1};
struct sigaction before[3];
std::mutex guards_mutex;
int guards = 0;  // alive

void note(int number) {
  last_signal = number;
  std::signal(number, SIG_DFL);  // the second one does what it always did
}

}  // namespace

SignalsElsewhere::SignalsElsewhere() {
  sigset_t others;
  ::sigfillset(&others);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) ::sigdelset(&others, fault);
  ::pthread_sigmask(SIG_SETMASK, &others, &before_);
}
SignalsElsewhere::~SignalsElsewhere() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

SignalGuard::SignalGuard() {
  const std::lock_guard lock(guards_mutex);
  if (guards++ > 0) return;
  last_signal = 0;
  struct sigaction action {};
  action.sa_handler = note;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // no read or write is cut short
  for (int i = 0; i < 3; ++i) sigaction(watched[i], &action, &before[i]);
}
SignalGuard::~SignalGuard() {
  const std::lock_guard lock(guards_mutex);
  if (--guards > 0) return;
  for (int i = 0; i < 3; ++i) sigaction(watched[i], &before[i], nullptr);
}
const char* SignalGuard::received() {
  switch (last_signal) {
    case 0: return nullptr;
    case SIGINT: return "SIGINT";
    case SIGTERM: return "SIGTERM";
    default: return "SIGUSR1";
  }
}

}  // namespace gadolin
