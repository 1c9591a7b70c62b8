#include "apps/pipeline/step_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "apps/program/command.h"
#include "apps/program/events.h"
#include "io/atomic_file.h"
#include "tensor/check.h"
#include "train/signals.h"

namespace gadolin::pipeline {
namespace {

// Between fork and exec only what is safe there: no memory is asked for.
[[noreturn]] void become(char** argv, char** environment, bool silent, int locked, int events, pid_t parent) {
  ::setpgid(0, 0);  // a Ctrl-C comes once, from the pipeline
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  if (silent) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
  }
  ::fcntl(locked, F_SETFD, 0);
  ::fcntl(events, F_SETFD, 0);
  ::execve("/proc/self/exe", argv, environment);
  ::_exit(127);
}

int signal_number(std::string_view name) {
  return name == "SIGINT" ? SIGINT : name == "SIGUSR1" ? SIGUSR1 : SIGTERM;
}

// What has come through the pipe, line by line.
class Events {
 public:
  Events(Json& last, const std::function<void(const Json&)>& each) : last_(last), each_(each) {}
  void take(std::string_view piece) {
    pending_ += piece;
    for (std::size_t end; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1)) {
      const Json event = Json::parse(pending_.substr(0, end), nullptr, false);
      if (!event.is_object()) continue;
      const std::string kind = event.value("event", "");
      if (kind == "done" || kind == "error") last_ = event;
      each_(event);
    }
  }

 private:
  Json& last_;
  const std::function<void(const Json&)>& each_;
  std::string pending_;
};

}  // namespace

StepRun run_step(const std::vector<std::string>& words, bool silent, int locked,
                 const std::function<void(const Json&)>& each) {
  std::vector<std::string> held{"gadolin"}, settings;
  held.insert(held.end(), words.begin(), words.end());
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_file("pipeline", "/proc/self/exe", errno);
  for (char** entry = environ; *entry != nullptr; ++entry) settings.emplace_back(*entry);
  settings.push_back(cat("GADOLIN_EVENTS=", ends[1]));
  std::vector<char*> argv, environment;
  for (std::string& word : held) argv.push_back(word.data());
  for (std::string& setting : settings) environment.push_back(setting.data());
  argv.push_back(nullptr);
  environment.push_back(nullptr);

  const SignalGuard guard;
  const double began = seconds_now();
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) become(argv.data(), environment.data(), silent, locked, ends[1], parent);
  const int error = errno;
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    fail_file("pipeline", "/proc/self/exe", error);
  }
  StepRun run;
  Events events(run.last, each);
  bool told = false;
  char piece[4096];
  for (;;) {
    if (SignalGuard::received() != nullptr && !std::exchange(told, true))
      ::kill(child, signal_number(SignalGuard::received()));
    pollfd readable{ends[0], POLLIN, 0};
    if (::poll(&readable, 1, 100) <= 0) continue;
    const ssize_t n = ::read(ends[0], piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    events.take({piece, static_cast<std::size_t>(n)});
  }
  ::close(ends[0]);
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  run.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  run.seconds = seconds_now() - began;
  run.peak_bytes = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
  return run;
}

void check_end(const std::string& place, const StepRun& run) {
  if (run.exit == 0) return;
  if (run.exit == static_cast<int>(Exit::stopped) || run.exit == 128 + SIGTERM || run.exit == 128 + SIGINT)
    fail<Stopped>(place, " was stopped; start the same command again");
  if (run.last.is_object() && run.last.value("event", "") == "error")
    throw_error_event(run.last, run.exit, place);
  require<ProcessError>(run.exit != 128 + SIGKILL, place,
                        " was killed, as the system does when memory is short; start the same command again");
  fail<ProcessError>(place, " ended with code ", run.exit, " and said nothing; run its command by itself");
}

}  // namespace gadolin::pipeline
