// gadolin launch: the same command as several processes, which MPI's mpirun starts, here and on other
// machines.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "apps/commands.h"
#include "apps/launch/mpirun.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "io/bytes.h"
#include "tensor/check.h"
#include "train/processes/processes.h"

namespace gadolin {
namespace {

volatile std::sig_atomic_t child = 0, asked = 0;

// The first one asks all processes to save and stop, as SIGTERM asks one alone; a second one ends them.
// mpirun hands on SIGUSR1, but ends everything at SIGTERM.
void hand_on(int) {
  const int before = errno;
  if (child > 0) ::kill(static_cast<pid_t>(child), asked ? SIGTERM : SIGUSR1);
  asked = 1;
  errno = before;
}

// mpirun ends the others within a few seconds once a process has failed; but not when it cannot reach a host:
// then it waits for its daemon there.
constexpr double end_seconds = 10;

struct Ended {
  std::string killed;    // what mpirun said of a process that was killed; empty: none was
  bool gave_up = false;  // it has not ended by itself
};

// What `mpirun` prints on stderr, line by line, without its own words.
Ended pass_on(int from) {
  MpirunWords words;
  Ended ended;
  double failed = 0;  // when a process said that it has
  const auto take = [&](const std::string& line) {
    std::fputs(words.of_others(line).c_str(), stderr);
    if (failed == 0 && line.find("gadolin: ") != std::string::npos && line.find(" [GD-") != std::string::npos)
      failed = seconds_now();
  };
  std::string rest;
  char piece[4096];
  for (pollfd stream{from, POLLIN, 0};;) {
    const int ready = ::poll(&stream, 1, 200);
    ended.gave_up = failed > 0 && seconds_now() - failed > end_seconds;
    if (ended.gave_up) break;
    if (ready <= 0) continue;
    const ssize_t n = ::read(from, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    rest.append(piece, static_cast<std::size_t>(n));
    for (std::size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1))
      take(rest.substr(0, end + 1));
  }
  if (!rest.empty()) take(rest);
  std::fputs(words.rest().c_str(), stderr);
  ::close(from);
  ended.killed = words.killed();
  return ended;
}

// All that this process has started, and what they have left behind.
void end_children() {
  for (int tries = 0; tries < 50; ++tries) {
    std::ifstream list(cat("/proc/self/task/", ::getpid(), "/children"));
    int count = 0;
    for (pid_t pid; list >> pid; ++count) ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (count == 0) return;
    ::usleep(20000);
  }
}

int run(const std::vector<std::string>& words, Ended& ended) {
  int ends[2];
  require<FileError>(::pipe(ends) == 0, "launch: no pipe to mpirun; close other programs");
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  struct sigaction action {
  }, ignored{};
  action.sa_handler = hand_on;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) ::sigaction(signal, &action, nullptr);
  ignored.sa_handler = SIG_DFL;
  const pid_t pid = ::fork();
  if (pid == 0) {
    // Not with the terminal's signals: those are handed on. It goes when this process goes.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) ::sigaction(signal, &ignored, nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  require<ProcessError>(pid > 0, "launch: no process can be started; close other programs");
  child = pid;
  ended = pass_on(ends[0]);
  if (ended.gave_up) {
    ::kill(pid, SIGKILL);  // a kernel may list no children
    end_children();
    return static_cast<int>(Exit::failure);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct LaunchOptions {
  int processes = 2;
  double patience = 600;
  std::string hosts, mpirun = "mpirun";
};

void launch(Session& session, const LaunchOptions& o, const std::vector<std::string>& command) {
  require<UsageError>(!command.empty(),
                      "launch: there is no command; write it behind --: gadolin launch -n 2 -- train ...");
  require<UsageError>(command[0] != "launch",
                      "launch: processes that launch others are not possible; use one "
                      "launch with a larger -n");
  require<Unsupported>(
      mpi_available(),
      "launch: Gadolin was built without MPI; apt-get install libopenmpi-dev openmpi-bin and "
      "configure with -DGADOLIN_MPI=ON");
  require<FileError>(o.hosts.empty() || std::filesystem::is_regular_file(o.hosts), "launch: --hosts ",
                     printable(o.hosts), " is no file; give one with a line a machine: NAME slots=N");
  MpirunOptions options;
  options.mpirun = o.mpirun;
  options.processes = o.processes;
  options.hosts = o.hosts;
  options.patience = o.patience;
  options.open_mpi = mpi_library().starts_with("Open MPI");
  options.root = ::geteuid() == 0;
  std::vector<std::string> words = mpirun_words(options);
  words.push_back(std::filesystem::canonical("/proc/self/exe").string());
  words.insert(words.end(), command.begin(), command.end());
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what mpirun leaves behind comes to this process
  Ended ended;
  const int code = run(words, ended);
  require<ProcessError>(code != 127, "launch: ", o.mpirun,
                        " cannot be started; apt-get install openmpi-bin, or name it with --mpirun");
  require<ProcessError>(!ended.gave_up, "launch: mpirun has not ended ", end_seconds,
                        " s after a process failed, as when a host cannot be reached, and was ended; look at "
                        "what that process said");
  require<ProcessError, 2>(ended.killed.empty(), "launch: ", ended.killed,
                           ", and the others were ended; a training goes on with --resume auto");
  session.ends_with(code);
}

}  // namespace

void add_launch(Program& program) {
  const auto o = std::make_shared<LaunchOptions>();
  CLI::App* app = program.add(
      "launch", "The command behind -- on several processes, which train one model together",
      [o, &program](Session& s) { launch(s, *o, program.behind_dashes()); },
      "gadolin launch -n 2 -- train examples/data/cxr-nih14-small/view.csv --input-size 112 --epochs 12 "
      "--out "
      "runs/view");
  app->add_option("-n,--processes", o->processes, "How many")->check(between(1, 4096))->capture_default_str();
  app->add_option("--hosts", o->hosts,
                  "File of machines: a line each, NAME slots=N; the program and the data must be there too");
  app->add_option("--patience", o->patience, "Seconds that a process is waited for before all end")
      ->check(above(0))
      ->capture_default_str();
  app->add_option("--mpirun", o->mpirun, "What starts them")->capture_default_str();
}

}  // namespace gadolin
