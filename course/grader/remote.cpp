#include "course/grader/remote.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>

#include "course/grader/frames.h"

namespace gadolin::course {
namespace {
constexpr std::size_t log_limit = 65536;

std::uint64_t fresh_nonce() {
  static thread_local std::random_device source;
  return static_cast<std::uint64_t>(source()) << 32 | source();
}
}  // namespace

Remote::Remote(std::filesystem::path probe, const Limits& limits, bool sanitized,
               std::filesystem::path writes)
    : probe_(std::move(probe)), writes_(std::move(writes)), limits_(limits), sanitized_(sanitized),
      allowed_(limits.wall_seconds * (sanitized ? 4 : 1)) {
  ::signal(SIGPIPE, SIG_IGN);
}

double Remote::left() const {
  return allowed_ - used_ - std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

bool Remote::waits_longer() {
  if (allowed_ >= 20.0 * limits_.wall_seconds * (sanitized_ ? 4 : 1) || !program_ || !program_->busy())
    return false;
  allowed_ += limits_.wall_seconds;
  return true;
}

void Remote::start() {
  Policy policy;
  policy.reads = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/sys/devices/system/cpu"};
  if (sanitized_) policy.reads.push_back("/proc");
  // The probe lies in BUILD/course/cache; the device made of software is a library of the build.
  policy.reads.push_back(probe_.parent_path().parent_path().parent_path() / "tests/device");
  if (!writes_.empty()) policy.writes = {writes_};
  policy.folder = writes_.empty() ? std::filesystem::path("/") : writes_;
  policy.other_user = true;
  policy.cpu_seconds = limits_.cpu_seconds * (sanitized_ ? 4 : 1);
  policy.memory = sanitized_ ? 0 : limits_.memory;
  policy.file_size = limits_.file_size;
  policy.environment = {"OMP_NUM_THREADS=2", "OMP_WAIT_POLICY=passive", "OMP_DYNAMIC=false", "LC_ALL=C"};
  // Another order of blocks and threads, for who looks for races: assignment 4.
  if (const char* seed = std::getenv("GADOLIN_SOFTWARE_SEED"))
    policy.environment.push_back(std::string("GADOLIN_SOFTWARE_SEED=") + seed);
  if (sanitized_) {
    policy.environment.push_back(
        "ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:detect_stack_use_after_return=0:"
        "hard_rss_limit_mb=" +
        std::to_string(limits_.memory >> 20));
    policy.environment.push_back("UBSAN_OPTIONS=print_stacktrace=0");
  }
  program_ = std::make_unique<Sandboxed>(std::vector<std::string>{probe_.string()}, policy);
  ended_.clear();
}

std::optional<Values> Remote::end(const std::string& why) {
  ended_ = why;
  if (why.empty()) {
    const Sandboxed::Ending ending = program_->wait(std::max(0.0, std::min(left(), 2.0)));
    ended_ = ending.text();
    out_of_time_ = ending.out_of_time && ending.signal == SIGXCPU;
    if (out_of_time_) {
      ended_ = "time limit of " + std::to_string(limits_.cpu_seconds) + " s";
    } else if (ending.out_of_time) {
      ended_ = "it closed the channel to the grader";
    }
  }
  program_.reset();
  return std::nullopt;
}

std::optional<Values> Remote::ask(const Values& request) {
  begin_ = std::chrono::steady_clock::now();
  const auto answer = answer_to(request);
  used_ = allowed_ - left();
  return answer;
}

std::optional<Values> Remote::answer_to(const Values& request) {
  const auto timeout = [&] {
    out_of_time_ = true;
    return end("time limit of " + std::to_string(limits_.cpu_seconds) + " s");
  };
  if (out_of_time_ || left() <= 0) {
    out_of_time_ = true;
    ended_ = "not run: the task's time of " + std::to_string(limits_.cpu_seconds) + " s was used up";
    return std::nullopt;
  }
  if (!program_) start();
  const std::string payload = to_bytes(request);
  FrameHeader header{payload.size(), ++asked_, fresh_nonce(), 1};
  std::string out(reinterpret_cast<const char*>(&header), sizeof header), in;
  out += payload;
  std::size_t sent = 0;
  for (;;) {
    const double seconds = left();
    if (seconds <= 0) {
      if (waits_longer()) continue;
      return timeout();
    }
    pollfd ready[3] = {{program_->from(), POLLIN, 0},
                       {program_->log(), POLLIN, 0},
                       {sent < out.size() ? program_->to() : -1, POLLOUT, 0}};
    const int count = ::poll(ready, 3, static_cast<int>(1000 * seconds) + 1);
    if (count == 0) continue;
    if (count < 0) continue;
    if (ready[2].revents != 0 && sent < out.size()) {
      const ssize_t done = ::write(program_->to(), out.data() + sent, out.size() - sent);
      if (done > 0) sent += static_cast<std::size_t>(done);
      if (done < 0 && errno == EPIPE) sent = out.size();  // it will say how it ended
    }
    if (ready[1].revents & POLLIN) {
      char bytes[8192];
      const ssize_t done = ::read(program_->log(), bytes, sizeof bytes);
      if (done > 0) log_.append(bytes, static_cast<std::size_t>(done));
      if (log_.size() > log_limit) {
        log_.resize(log_limit);
        return end("it printed more than 64 KiB");
      }
    }
    if (ready[0].revents == 0) continue;
    char bytes[65536];
    const ssize_t done = ::read(program_->from(), bytes, sizeof bytes);
    if (done == 0) return end("");
    if (done < 0) continue;
    in.append(bytes, static_cast<std::size_t>(done));
    if (in.size() < sizeof header) continue;
    FrameHeader answer;
    std::memcpy(&answer, in.data(), sizeof answer);
    if ((answer.kind != 2 && answer.kind != 3) || answer.number != header.number ||
        answer.nonce != header.nonce || answer.length > largest_frame ||
        in.size() > sizeof answer + answer.length)
      return end("it sent a frame that nobody had asked for");
    if (in.size() < sizeof answer + answer.length) continue;
    if (answer.kind == 3) program_.reset();  // the next request finds a fresh one
    try {
      return from_bytes(std::string_view(in).substr(sizeof answer));
    } catch (const std::exception& error) {
      return end(std::string("it sent a ") + error.what());
    }
  }
}

}  // namespace gadolin::course
