// Linked into every test program. With GADOLIN_REQUIRE_CUDA=1 (tools/gpu.sh) a test skipped for want of a GPU
// fails: on the one machine that has one, "skipped" would read like "passed".
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

namespace {

class SkipIsFailure : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& info) override {
    const testing::TestResult& result = *info.result();
    for (int i = 0; i < result.total_part_count(); ++i) {
      const testing::TestPartResult& part = result.GetTestPartResult(i);
      if (!part.skipped()) continue;
      std::string reason = part.message();
      std::transform(reason.begin(), reason.end(), reason.begin(),
                     [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
      const bool other = reason.find("cuda") == std::string::npos && reason.find("gpu") == std::string::npos;
      if (other && reason.size() > 9) continue;  // "Skipped\n" alone gives no reason
      ADD_FAILURE() << "skipped, but GADOLIN_REQUIRE_CUDA is set: " << part.message();
    }
  }
};

const bool added = [] {
  const char* wanted = std::getenv("GADOLIN_REQUIRE_CUDA");
  if (wanted != nullptr && std::string(wanted) == "1") {
    testing::UnitTest::GetInstance()->listeners().Append(new SkipIsFailure);
  }
  return true;
}();

}  // namespace
