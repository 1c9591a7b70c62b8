// The rule of random crops that are resized, by what they take of a picture that shows its own coordinates.
#include "data/image/transforms.h"

#include <cmath>
#include <map>

#include "data/image/warp.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

TEST(Pipeline, RandomResizedCropFollowsTorchvisionsRule) {
  // A picture that encodes its coordinates tells which box was taken.
  Image map(200, 150, 3, 16);
  for (int y = 0; y < 150; ++y) {
    for (int x = 0; x < 200; ++x) {
      map.row<std::uint16_t>(y)[3 * x] = static_cast<std::uint16_t>(x * 256);
      map.row<std::uint16_t>(y)[3 * x + 1] = static_cast<std::uint16_t>(y * 256);
    }
  }
  const Pipeline pipeline("random-resized-crop:2:0.2:0.6");
  double area = 0, left = 0, log_ratio = 0;
  const int rounds = 2000;
  for (int i = 0; i < rounds; ++i) {
    const Image out = pipeline.apply(map, {5, 0, static_cast<std::uint64_t>(i)});
    // The triangle is as wide as the box, cut at the picture's border only: centres of mass lie half a box
    // apart or less.
    const double x0 = out.row<std::uint16_t>(0)[0] / 256.0, x1 = out.row<std::uint16_t>(0)[3] / 256.0;
    const double y0 = out.row<std::uint16_t>(0)[1] / 256.0, y1 = out.row<std::uint16_t>(1)[1] / 256.0;
    ASSERT_LT(x0, x1);
    ASSERT_LT(y0, y1);
    area += (x1 - x0) * (y1 - y0) * 4 / (200 * 150) / rounds;
    left += (x0 + x1) / 2 / rounds;
    log_ratio += std::log((x1 - x0) / (y1 - y0)) / rounds;
  }
  EXPECT_NEAR(left, 99.5, 1.5);
  EXPECT_NEAR(area, 0.4, 0.06);
  EXPECT_NEAR(log_ratio, 0.0, 0.06);
}

}  // namespace
