// Threads of OpenMP's go to sleep where cores are short.
#include "apps/program/waiting.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gadolin {
namespace {

constexpr const char* settings[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"};

class WithoutSettings {
 public:
  WithoutSettings() {
    for (std::size_t i = 0; i < std::size(settings); ++i) {
      if (const char* value = std::getenv(settings[i])) before_[i] = value;
      ::unsetenv(settings[i]);
    }
  }
  ~WithoutSettings() {
    for (std::size_t i = 0; i < std::size(settings); ++i)
      if (before_[i]) ::setenv(settings[i], before_[i]->c_str(), 1);
  }

 private:
  std::optional<std::string> before_[std::size(settings)];
};

std::ptrdiff_t threads_of_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

template <class Condition> bool comes_true(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// More threads that compute than cores: the watch makes its sleeping team, and lets it go afterwards.
TEST(CoreWatch, HasThreadsSleepWhileCoresAreShort) {
  if (!std::filesystem::exists("/proc/self/schedstat"))
    GTEST_SKIP() << "this system does not say how long threads wait for cores";
  const WithoutSettings bare;
  const auto cores = static_cast<std::ptrdiff_t>(std::thread::hardware_concurrency());
  const std::ptrdiff_t before = threads_of_process();
  const CoreWatch watch;
  {
    std::atomic<bool> done{false};
    std::vector<std::jthread> busy;
    for (std::ptrdiff_t i = 0; i < 2 * cores; ++i)
      busy.emplace_back([&] {
        while (!done) {
        }
      });
    EXPECT_TRUE(comes_true([&] { return threads_of_process() > before + 1 + 2 * cores + cores; }))
        << threads_of_process() << " threads, " << before << " before";
    done = true;
  }
#ifndef __clang__  // its OpenMP keeps the threads of a team for later
  EXPECT_TRUE(comes_true([&] { return threads_of_process() == before + 1; })) << threads_of_process();
#endif
}

TEST(CoreWatch, LeavesTheChoiceToTheUser) {
  const WithoutSettings bare;
  ::setenv("OMP_WAIT_POLICY", "active", 1);
  const std::ptrdiff_t before = threads_of_process();
  const CoreWatch watch;
  EXPECT_EQ(threads_of_process(), before);
  EXPECT_EQ(waiting(), "OMP_WAIT_POLICY=active");
  ::unsetenv("OMP_WAIT_POLICY");
  EXPECT_EQ(waiting(), "spinning, asleep where cores are short");
}

}  // namespace
}  // namespace gadolin
