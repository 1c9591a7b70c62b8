#include "apps/program/waiting.h"

#include <omp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>

#include "train/signals.h"

namespace gadolin {
namespace {

using std::chrono::steady_clock;
constexpr auto period = std::chrono::milliseconds(200);
constexpr double crowded_share = 0.05;  // of a core's time: more waiting than this means that cores are short
constexpr int quiet_periods = 10;       // without it before threads spin again

std::string setting() {
  for (const char* name : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"})
    if (const char* value = std::getenv(name)) return std::string(name) + "=" + value;
  return "";
}

// Nanoseconds for which this process's living threads have been ready to run without a core.
std::int64_t waited_for_cores() {
  std::int64_t sum = 0;
  std::error_code error;
  using Entries = std::filesystem::directory_iterator;
  for (Entries entry("/proc/self/task", error), end; !error && entry != end; entry.increment(error)) {
    std::int64_t ran = 0, waited = 0;
    if (std::ifstream(entry->path() / "schedstat") >> ran >> waited) sum += waited;
  }
  return sum;
}

// Sleeps until `stop` or the time is over; whether it may go on.
bool sleep_for(const std::stop_token& stop, steady_clock::duration time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

// As long as OpenMP has more threads than there are cores, libgomp lets waiting threads spin for no more than
// 100 turns (gomp_throttled_spin_count_var, read at every wait, while GOMP_SPINCOUNT is read before main).
// So this is a team of that many threads, all of them asleep.
class SleepingTeam {
 public:
  SleepingTeam()
      : thread_([](const std::stop_token& stop) {
          std::atomic<int> started{0};
#pragma omp parallel num_threads(omp_get_num_procs() + 1)
          ++started;  // the compiler would leave out a team that does nothing
          while (sleep_for(stop, std::chrono::hours(24))) {
          }
        }) {
  }

 private:
  std::jthread thread_;
};

void watch(const std::stop_token& stop) {
  std::optional<SleepingTeam> team;
  int quiet = 0;
  auto before = steady_clock::now();
  std::int64_t waited_before = waited_for_cores();
  while (sleep_for(stop, period)) {
    const auto now = steady_clock::now();
    const std::int64_t waited = waited_for_cores();
    const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(now - before).count();
    const bool crowded =
        static_cast<double>(waited - waited_before) > crowded_share * static_cast<double>(time);
    quiet = crowded ? 0 : quiet + 1;
    if (crowded && !team) team.emplace();
    if (quiet == quiet_periods) team.reset();
    before = now;
    waited_before = waited;
  }
}

}  // namespace

CoreWatch::CoreWatch() {
  if (!setting().empty()) return;
  const SignalsElsewhere elsewhere;
  thread_ = std::jthread(watch);
}

std::string waiting() {
  const std::string set = setting();
  return set.empty() ? "spinning, asleep where cores are short" : set;
}

}  // namespace gadolin
