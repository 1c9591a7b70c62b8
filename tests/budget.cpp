// Linked into every test program. With GADOLIN_TEST_BUDGET=SECONDS the ten tests that took longest are
// printed, and the program fails when all its tests together took more processor time than that: a suite that
// grows until nobody runs it says so first. tools/test.sh sets it for what runs on the device made of
// software.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

namespace {

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

class Budget : public testing::EmptyTestEventListener {
 public:
  explicit Budget(double seconds) : seconds_(seconds) {}
  void OnTestStart(const testing::TestInfo&) override { began_ = processor_seconds(); }
  void OnTestEnd(const testing::TestInfo& info) override {
    took_.emplace_back(processor_seconds() - began_, std::string(info.test_suite_name()) + "." + info.name());
  }
  void OnEnvironmentsTearDownStart(const testing::UnitTest&) override {
    double all = 0;
    for (const auto& [seconds, name] : took_) all += seconds;
    std::sort(took_.rbegin(), took_.rend());
    for (std::size_t i = 0; i < std::min<std::size_t>(took_.size(), 10); ++i)
      std::printf("slow: %.2f s  %s\n", took_[i].first, took_[i].second.c_str());
    if (!(all <= seconds_))
      ADD_FAILURE() << "the tests took " << all << " processor seconds, the budget is " << seconds_
                    << "; make the first of them cheaper, or raise the budget where it is set";
  }

 private:
  double seconds_, began_ = 0;
  std::vector<std::pair<double, std::string>> took_;
};

const bool budget_added = [] {
  if (const char* seconds = std::getenv("GADOLIN_TEST_BUDGET"); seconds && *seconds)
    testing::UnitTest::GetInstance()->listeners().Append(new Budget(std::strtod(seconds, nullptr)));
  return true;
}();

}  // namespace
