// Runs a program that nobody trusts: namespaces, Landlock, seccomp, another user and limits, as far as this
// machine lets them work. What was reached is named, because hidden cases ask for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gadolin::course {

struct Policy {
  std::vector<std::filesystem::path> reads;   // with what is below
  std::vector<std::filesystem::path> writes;  // read and write, with what is below
  // May be started besides the program itself and the loader of shared libraries.
  std::vector<std::filesystem::path> executes;
  std::vector<std::string> environment;  // NAME=VALUE
  std::filesystem::path folder = "/";    // where it runs
  bool processes = false;                // a compiler starts its parts
  bool other_user = false;               // where we are root: run as nobody
  int cpu_seconds = 10;
  std::int64_t memory = 0;  // of address space; 0: no limit (AddressSanitizer maps terabytes)
  std::int64_t file_size = std::int64_t{16} << 20;
};

// What works here. Found once, by trying.
struct Isolation {
  bool namespaces = false, landlock = false, seccomp = false, other_user = false;
  // Whether the program cannot see the grader's files and memory: hidden cases run only then.
  bool hides() const { return landlock && seccomp; }
  std::string text() const;  // "namespaces, Landlock 7, seccomp, limits"
  int landlock_version = 0;
};
const Isolation& isolation();

// A running program. Frames go by `to` and `from` (its descriptors 3 and 4), what it prints comes by `log`.
class Sandboxed {
 public:
  // Throws std::runtime_error when the program cannot be started.
  Sandboxed(const std::vector<std::string>& command, const Policy& policy);
  ~Sandboxed();  // ends it and everything that it started
  Sandboxed(const Sandboxed&) = delete;
  Sandboxed& operator=(const Sandboxed&) = delete;

  int to() const { return to_; }
  int from() const { return from_; }
  int log() const { return log_; }
  void close_to();
  void kill();
  // Whether some thread of it wants a processor: it was not given one, on a machine with much to do. Who only
  // sleeps is not busy.
  bool busy() const;
  // Waits, at most `seconds`; then ends it. Says how it ended: "exit 0", "signal 11 (SIGSEGV)", "time limit".
  struct Ending {
    int code = -1, signal = 0;
    bool out_of_time = false;
    std::string text() const;
  };
  Ending wait(double seconds);

 private:
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1, log_ = -1, status_ = -1;
};

// Runs to the end and collects at most `log_limit` bytes of what it prints; more ends it.
struct Run {
  Sandboxed::Ending ending;
  std::string log;
  bool log_full = false;
};
Run run(const std::vector<std::string>& command, const Policy& policy, double seconds,
        std::size_t log_limit = 65536);

}  // namespace gadolin::course
