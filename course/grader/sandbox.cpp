// Starts programs behind walls. Between fork and exec only what is prepared before the fork is used, and no
// handler of a library runs (_Fork): that of libomp needs what the child no longer has.
#include "course/grader/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "course/grader/landlock.h"
#include "course/grader/namespaces.h"
#include "course/grader/seccomp.h"

namespace gadolin::course {
namespace {

constexpr uid_t nobody = 65534;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Whether `trial` works, in a child that ends with it.
template <class F> bool works(F trial) {
  const pid_t child = ::_Fork();
  if (child == 0) ::_exit(trial() ? 0 : 1);
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

bool enter_seccomp(std::vector<sock_filter>& filter) {
  sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return !filter.empty() && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Threads that the user runs already: RLIMIT_NPROC counts them too.
std::uint64_t threads_of(uid_t user) {
  std::uint64_t count = 0;
  DIR* all = ::opendir("/proc");
  if (!all) return 4096;
  while (const dirent* entry = ::readdir(all)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const std::string tasks = std::string("/proc/") + entry->d_name + "/task";
    struct stat facts;
    if (::stat(tasks.c_str(), &facts) == 0 && facts.st_uid == user && facts.st_nlink > 2)
      count += facts.st_nlink - 2;
  }
  ::closedir(all);
  return count;
}

void limit(int resource, std::uint64_t soft, std::uint64_t hard) {
  const rlimit value{soft, hard};
  ::setrlimit(static_cast<__rlimit_resource>(resource), &value);
}

// Everything the child needs, made before the fork.
struct Prepared {
  std::vector<char*> words, environment;
  const Policy& policy;
  std::vector<sock_filter> filter;
  int rules = -1, program = -1;
  std::uint64_t threads = 0;
  int to = -1, from = -1, log = -1, status = -1;

  // Descriptors of the grader that were open at the fork, those of programs beside this one among them: who
  // held them on would keep the others' channels open after their end.
  void close_others() const {
    for (int fd = 3; fd < 4096; ++fd)
      if (fd != rules && fd != program && fd != to && fd != from && fd != log && fd != status) ::close(fd);
  }
  // Ends the child before the program has begun; the watcher hears why.
  [[noreturn]] static void give_up(int tell, int reason) {
    [[maybe_unused]] const auto done = ::write(tell, &reason, sizeof reason);
    ::_exit(126);
  }
  [[noreturn]] void run_program(int tell) {
    ::setsid();
    const auto cpu = static_cast<std::uint64_t>(policy.cpu_seconds);
    limit(RLIMIT_CPU, cpu, cpu + 1);
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_FSIZE, static_cast<std::uint64_t>(policy.file_size),
          static_cast<std::uint64_t>(policy.file_size));
    limit(RLIMIT_STACK, 8 << 20, 8 << 20);
    if (policy.memory > 0)
      limit(RLIMIT_AS, static_cast<std::uint64_t>(policy.memory), static_cast<std::uint64_t>(policy.memory));
    if (!policy.processes) limit(RLIMIT_NPROC, threads + 8, threads + 8);
    if (::chdir(policy.folder.c_str()) != 0) give_up(tell, errno);
    const int none = ::open("/dev/null", O_RDONLY);
    ::dup2(none, 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    // 3 and 4 may be in use by each other: by way of numbers far away.
    const int in = ::fcntl(from, F_DUPFD, 200), out = ::fcntl(to, F_DUPFD, 200);
    const int rule_set = rules < 0 ? -1 : ::fcntl(rules, F_DUPFD_CLOEXEC, 200);
    const int file = ::fcntl(program, F_DUPFD_CLOEXEC, 200);
    tell = ::fcntl(tell, F_DUPFD_CLOEXEC, 200);
    ::dup2(in, 3);
    ::dup2(out, 4);
    for (int fd = 5; fd < 256; ++fd)
      if (fd != rule_set && fd != file && fd != tell) ::close(fd);
    ::syscall(SYS_close_range, 256, ~0u, 0);
    limit(RLIMIT_NOFILE, policy.processes ? 256 : 64, policy.processes ? 256 : 64);
    if (policy.other_user && ::geteuid() == 0) {
      // The calls themselves: the C library's functions wait for threads that a fork does not copy.
      if (::syscall(SYS_setgroups, 0, nullptr) != 0 ||
          ::syscall(SYS_setresgid, nobody, nobody, nobody) != 0 ||
          ::syscall(SYS_setresuid, nobody, nobody, nobody) != 0)
        give_up(tell, errno);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (rule_set >= 0) {
      landlock_also(rule_set, shared_memory);  // here, where it is the one of these namespaces
      landlock_enter(rule_set);
    }
    for (sock_filter& step : filter)
      if (step.code == (BPF_JMP | BPF_JEQ | BPF_K) && step.k == 0xfffffffeu)
        step.k = static_cast<std::uint32_t>(::getpid());
    if (!filter.empty()) enter_seccomp(filter);
    ::syscall(SYS_execveat, file, "", words.data(), environment.data(), AT_EMPTY_PATH);
    give_up(tell, errno);
  }
  // Starts the program, waits for it and tells how it ended; then all that it left behind ends too.
  [[noreturn]] void watch() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int trouble[2] = {-1, -1};
    if (::pipe2(trouble, O_CLOEXEC) != 0) ::_exit(126);
    const pid_t child = ::_Fork();
    if (child == 0) run_program(trouble[1]);
    ::close(trouble[1]);
    ::close(to);
    ::close(from);
    ::close(log);
    int end[2] = {0, 0x7fff};  // why it could not be started; how it ended
    if (child < 0 || ::read(trouble[0], &end[0], sizeof end[0]) < 0) end[0] = EAGAIN;
    if (child > 0) {
      while (::waitpid(child, &end[1], 0) < 0 && errno == EINTR) {
      }
      ::kill(-child, SIGKILL);
    }
    [[maybe_unused]] const auto done = ::write(status, end, sizeof end);
    ::_exit(0);
  }
};

}  // namespace

const Isolation& isolation() {
  static const Isolation found = [] {
    Isolation result;
    result.namespaces = works([] { return enter_namespaces(); });
    result.landlock_version = landlock_version();
    result.landlock = result.landlock_version > 0;
    result.seccomp = works([] {
      std::vector<sock_filter> filter = seccomp_filter(false, ::getpid());
      return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && enter_seccomp(filter);
    });
    result.other_user = ::geteuid() == 0;
    return result;
  }();
  return found;
}

std::string Isolation::text() const {
  std::string out;
  if (namespaces) out += "namespaces, ";
  if (landlock) out += "Landlock " + std::to_string(landlock_version) + ", ";
  if (seccomp) out += "seccomp, ";
  if (other_user) out += "another user, ";
  return out + "limits";
}

Sandboxed::Sandboxed(const std::vector<std::string>& command, const Policy& policy) {
  Prepared child{{}, {}, policy, {}};
  for (const std::string& word : command) child.words.push_back(const_cast<char*>(word.c_str()));
  child.words.push_back(nullptr);
  for (const std::string& word : policy.environment)
    child.environment.push_back(const_cast<char*>(word.c_str()));
  child.environment.push_back(nullptr);
  child.program = ::open(command[0].c_str(), O_PATH | O_CLOEXEC);
  if (child.program < 0)
    throw std::runtime_error(command[0] + ": cannot be started; " + std::strerror(errno));
  std::vector<std::filesystem::path> executes = policy.executes;
  executes.push_back(command[0]);
  for (const char* loader : {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"})
    executes.push_back(loader);
  child.rules = landlock_rules(policy.reads, policy.writes, executes);
  if (isolation().seccomp) child.filter = seccomp_filter(policy.processes, -2);
  child.threads = threads_of(policy.other_user && ::geteuid() == 0 ? nobody : ::geteuid());
  int to[2], from[2], log[2], status[2];
  for (int* ends : {to, from, log, status})
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe for a program");
  child.from = to[0];
  child.to = from[1];
  child.log = log[1];
  child.status = status[1];
  const bool namespaces = isolation().namespaces;
  pid_ = ::_Fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    child.close_others();
    if (!namespaces || !enter_namespaces()) child.watch();
    own_shared_memory();
    const pid_t first = ::_Fork();  // number 1 of the new process ids: all others end with it
    if (first == 0) child.watch();
    for (int fd : {child.to, child.from, child.log, child.status}) ::close(fd);
    while (::waitpid(first, nullptr, 0) < 0 && errno == EINTR) {
    }
    ::_exit(0);
  }
  for (int fd : {to[0], from[1], log[1], status[1], child.program}) ::close(fd);
  if (child.rules >= 0) ::close(child.rules);
  to_ = to[1];
  from_ = from[0];
  log_ = log[0];
  status_ = status[0];
  if (pid_ < 0) throw std::runtime_error("no process for a program");
  ::fcntl(to_, F_SETFL, O_NONBLOCK);
  ::fcntl(from_, F_SETFL, O_NONBLOCK);
  ::fcntl(log_, F_SETFL, O_NONBLOCK);
}

void Sandboxed::close_to() {
  if (to_ >= 0) ::close(to_);
  to_ = -1;
}

namespace {

struct ProcessFacts {
  pid_t pid = 0, parent = 0;
};
// State and parent from a line of /proc: the name before them may hold anything.
char state_of(const std::string& file, pid_t* parent) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos || line.size() < end + 5) return 'X';
  if (parent) *parent = static_cast<pid_t>(std::atol(line.c_str() + end + 4));
  return line[end + 2];
}

std::vector<ProcessFacts> all_processes() {
  std::vector<ProcessFacts> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    ProcessFacts facts{static_cast<pid_t>(std::atol(name.c_str())), 0};
    state_of(entry.path() / "stat", &facts.parent);
    all.push_back(facts);
  }
  return all;
}

}  // namespace

bool Sandboxed::busy() const {
  std::vector<pid_t> ours{pid_};
  const std::vector<ProcessFacts> all = all_processes();
  for (std::size_t i = 0; i < ours.size(); ++i)
    for (const ProcessFacts& one : all)
      if (one.parent == ours[i]) ours.push_back(one.pid);
  for (int look = 0; look < 10; ++look) {
    for (pid_t pid : ours) {
      std::error_code ignored;
      for (const auto& thread :
           std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
        const char state = state_of(thread.path() / "stat", nullptr);
        if (state == 'R' || state == 'D') return true;
      }
    }
    ::usleep(20000);
  }
  return false;
}

void Sandboxed::kill() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  // The others end a moment later; who still lives holds the other end of this.
  pollfd ready{log_, POLLIN, 0};
  char bytes[8192];
  while (log_ >= 0 && ::poll(&ready, 1, 2000) > 0 && ::read(log_, bytes, sizeof bytes) != 0) {
  }
}

Sandboxed::~Sandboxed() {
  kill();
  for (int fd : {to_, from_, log_, status_})
    if (fd >= 0) ::close(fd);
}

Sandboxed::Ending Sandboxed::wait(double seconds) {
  Ending ending;
  pollfd ready{status_, POLLIN, 0};
  int told[2] = {0, 0x7fff};
  const auto begin = Clock::now();
  for (double allowed = seconds;;) {
    const double left = allowed - seconds_since(begin);
    const int count = ::poll(&ready, 1, left > 0 ? static_cast<int>(1000 * left) + 1 : 0);
    if (count > 0 || (count < 0 && errno != EINTR)) break;
    if (count == 0 && (allowed >= 20 * seconds || !busy())) break;
    if (count == 0) allowed += seconds;
  }
  if ((ready.revents & POLLIN) == 0 || ::read(status_, told, sizeof told) != sizeof told) {
    ending.out_of_time = (ready.revents & POLLHUP) == 0;
    ending.signal = SIGKILL;
  } else if (told[0] != 0) {
    kill();
    throw std::runtime_error(std::string("sandbox: a program cannot be started; ") + std::strerror(told[0]));
  } else if (WIFEXITED(told[1])) {
    ending.code = WEXITSTATUS(told[1]);
  } else {
    ending.signal = WTERMSIG(told[1]);
    ending.out_of_time = ending.signal == SIGXCPU;
  }
  kill();
  return ending;
}

std::string Sandboxed::Ending::text() const {
  if (out_of_time) return "time limit";
  if (signal == 0) return "exit " + std::to_string(code);
  const char* name = ::sigabbrev_np(signal);
  return "signal " + std::to_string(signal) + (name ? " (SIG" + std::string(name) + ")" : "");
}

Run run(const std::vector<std::string>& command, const Policy& policy, double seconds,
        std::size_t log_limit) {
  Run result;
  Sandboxed program(command, policy);
  program.close_to();
  const auto begin = Clock::now();
  const double longest = 20 * seconds;
  for (double allowed = seconds;;) {
    const double left = allowed - seconds_since(begin);
    pollfd ready{program.log(), POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(1000 * left) + 1) == 0) {
      if (allowed >= longest || !program.busy()) break;
      allowed += seconds;
      continue;
    }
    char bytes[8192];
    const ssize_t count = ::read(program.log(), bytes, sizeof bytes);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) break;
    if (count > 0) result.log.append(bytes, static_cast<std::size_t>(count));
    if (result.log.size() > log_limit) {
      result.log_full = true;
      result.log.resize(log_limit);
      break;
    }
  }
  if (result.log_full) program.kill();
  result.ending = program.wait(result.log_full ? 0 : 5);
  return result;
}

}  // namespace gadolin::course
