// bench startup: starting the process that is measured, and reading what it says; see startup.h.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <sstream>

#include "apps/bench/startup.h"
#include "apps/program/events.h"
#include "tensor/check.h"

extern char** environ;

namespace gadolin {

ProgramRun run_this_program(const std::vector<std::string>& args) {
  std::vector<std::string> held{"gadolin"};
  held.insert(held.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& arg : held) argv.push_back(arg.data());
  argv.push_back(nullptr);
  int ends[2] = {-1, -1};
  pid_t child = 0;
  bool started = pipe2(ends, O_CLOEXEC) == 0;
  if (started) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
                                     0);  // errors are events, too
    started = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ProgramRun run;
  char piece[4096];
  for (ssize_t n; started && (n = read(ends[0], piece, sizeof piece)) > 0;)
    run.printed.append(piece, static_cast<std::size_t>(n));
  if (ends[0] >= 0) close(ends[0]);
  int status = 0;
  started = started && waitpid(child, &status, 0) == child;
  run.exit = !started ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

std::vector<Json> events_of(const ProgramRun& run) {
  std::vector<Json> events;
  std::istringstream lines(run.printed);
  for (std::string line; std::getline(lines, line);) {
    Json event = Json::parse(line, nullptr, false);
    if (event.is_object()) events.push_back(std::move(event));
  }
  const std::string last = events.empty() ? "" : events.back().value("event", "");
  if (last == "error") throw_error_event(events.back(), run.exit);
  require<ValueError>(run.exit == 0 && last == "done",
                      "bench startup: the measured process ended early with code ", run.exit);
  return events;
}

std::vector<std::string> gpu_libraries(const std::string& maps) {
  std::set<std::string> found;
  std::istringstream lines(maps);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t slash = line.rfind('/');
    const std::string file = slash == std::string::npos ? "" : line.substr(slash + 1);
    for (const char* name : {"libcuda.", "libcudart", "libcudnn", "libcublas", "libnvrtc", "libnvJitLink",
                             "libnccl", "libnvidia"}) {
      if (file.rfind(name, 0) == 0) found.insert(file);
    }
  }
  return {found.begin(), found.end()};
}

}  // namespace gadolin
