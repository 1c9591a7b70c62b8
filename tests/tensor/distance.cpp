// The helper that other tests measure with: a NaN, wherever it stands, must reach the end.
#include "tests/distance.h"

#include <gtest/gtest.h>

namespace gadolin::test {
namespace {

TEST(Distance, NanStaysWhateverFollows) {
  const double nan = std::nan("");
  EXPECT_EQ(distance({1, 2, 4}, {1, 2, 2}), 1);
  EXPECT_EQ(distance(Rows{}, Rows{{1}}) <= 1e300, false);
  EXPECT_EQ(distance({1, 2}, {1}) <= 1e300, false);
  for (std::size_t at = 0; at < 3; ++at) {
    std::vector<double> a{1, 2, 3}, b = a;
    a[at] = nan;
    EXPECT_TRUE(std::isnan(distance(a, b))) << at;
    EXPECT_TRUE(std::isnan(distance(b, a))) << at;
  }
  Largest most;
  for (const double v : {1.0, nan, 3.0}) most.see(v);
  EXPECT_TRUE(std::isnan(most.value()));
}

}  // namespace
}  // namespace gadolin::test
