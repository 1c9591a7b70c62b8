// Heat maps painted over the pictures that they explain: after every kind of step the heat lies where the net
// saw it.
#include "tasks/overlay.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tasks/colours.h"
#include "tensor/ops.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

namespace gadolin::test {
namespace {

// Rows and columns where the overlay differs from the picture: {left, top, width, height}.
Box painted(const Image& picture, const Image& result) {
  int left = 1 << 20, top = 1 << 20, right = -1, bottom = -1;
  const Image before = to_rgb(to_8bit(picture));
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      if (std::equal(result.row<std::uint8_t>(y) + 3 * x, result.row<std::uint8_t>(y) + 3 * x + 3,
                     before.row<std::uint8_t>(y) + 3 * x))
        continue;
      left = std::min(left, x);
      top = std::min(top, y);
      right = std::max(right, x);
      bottom = std::max(bottom, y);
    }
  }
  return {left, top, right - left + 1, bottom - top + 1};
}

Image over(const Image& picture, const char* steps, const Tensor& heat, double alpha) {
  return overlay(picture, Pipeline(steps).transform(picture, {}), heat, alpha);
}

TEST(Overlay, LiesWhereThePipelineLooked) {
  const Image picture(120, 80, 1);
  const Tensor hot = ones({3, 3});
  // The short side becomes 40, the middle 32 x 32 of 60 x 40 are seen: 64 x 64 pixels, 28 from the left, 8
  // from the top.
  EXPECT_EQ(painted(picture, over(picture, "grey,resize:40,center-crop:32", hot, 0.5)), (Box{28, 8, 64, 64}));
  EXPECT_EQ(painted(picture, over(picture, "grey,resize:32x32", hot, 0.5)), (Box{0, 0, 120, 80}));
  EXPECT_EQ(painted(picture, over(picture, "rgb,resize:40,center-crop:100", hot, 0.5)), (Box{0, 0, 120, 80}))
      << "padded";
  EXPECT_EQ(painted(picture, over(picture, "grey,resize:32x32", zeros({3, 3}), 0.5)).width, -(1 << 20));
  // Half of what was seen is hot: the left one of a mirrored input is the right one of the picture.
  Tensor left = zeros({1, 2});
  left.slice(1, 0, 1).copy_(ones({1, 1}));
  const Image mirrored = over(picture, "hflip:1", left, 1);
  EXPECT_EQ(painted(picture, mirrored).x + painted(picture, mirrored).width, 120);
  EXPECT_GT(mirrored.row<std::uint8_t>(40)[3 * 100], mirrored.row<std::uint8_t>(40)[3 * 20]);
}

// The net's input is one spot on black; the heat is the input itself. Whatever the steps did, the hottest
// place of the overlay is the spot's place in the picture, and so is the middle of the heat.
class OverlayBehind : public testing::TestWithParam<const char*> {};
TEST_P(OverlayBehind, LightsThePlaceThatTheNetSaw) {
  const Pipeline pipeline(GetParam());
  int seen_whole = 0;
  Largest worst;
  for (std::uint64_t i = 0; i < 12; ++i) {
    const double at_x = 60 + 7.0 * static_cast<double>(i), at_y = 90 - 3.0 * static_cast<double>(i);
    Image picture(201, 151, 1, 8);
    for (int y = 0; y < 151; ++y) {
      for (int x = 0; x < 201; ++x) {
        const double d = std::hypot(x + 0.5 - at_x, y + 0.5 - at_y) / 9;
        picture.row<std::uint8_t>(y)[x] = static_cast<std::uint8_t>(std::lround(255 * std::exp(-d * d)));
      }
    }
    const Transformed seen = pipeline.transform(encode_png(picture, 1), "spot.png", {4, 0, i});
    Tensor heat = empty({seen.image.height, seen.image.width});
    for (std::size_t k = 0; k < seen.image.numel(); ++k)
      heat.data<float>()[k] =
          static_cast<float>(sample_at(seen.image, k)) / (seen.image.bits == 8 ? 255 : 65535);
    const Image result = overlay(Image(201, 151, 1), seen, heat, 1);
    const Point lies = seen.map({at_x, at_y});
    const double wide = 22 * std::sqrt(std::abs(seen.map.determinant()));
    if (lies.x < wide || lies.y < wide || lies.x > seen.image.width - wide ||
        lies.y > seen.image.height - wide)
      continue;  // cut off in part
    // Where the paint is light: heat_colour grows lighter with the heat.
    double sum = 0, x_sum = 0, y_sum = 0;
    for (int y = 0; y < result.height; ++y) {
      for (int x = 0; x < result.width; ++x) {
        const std::uint8_t* p = result.row<std::uint8_t>(y) + 3 * x;
        const double light = std::max(0, p[0] + p[1] + p[2] - 250);
        sum += light;
        x_sum += light * (x + 0.5);
        y_sum += light * (y + 0.5);
      }
    }
    worst.see(std::hypot(x_sum / sum - at_x, y_sum / sum - at_y));
    ++seen_whole;
  }
  EXPECT_LT(worst.value(), 1.0);  // pixels of the picture, of a spot of 18
  EXPECT_GE(seen_whole, 3);
}
INSTANTIATE_TEST_SUITE_P(Steps, OverlayBehind,
                         testing::Values("grey", "resize:75", "resize:300x90:bicubic", "random-resize:60:200",
                                         "hflip:1", "vflip:1", "hflip,vflip", "central-fraction:0.8",
                                         "center-crop:130", "center-crop:260x240", "random-crop:140:20",
                                         "random-resized-crop:96:0.5:1", "rotate:40", "rotate:180",
                                         "affine:30:0.1:0.8:1.2:10", "brightness:0", "percentile:0:100",
                                         "resize:112,center-crop:96,hflip:1,rotate:15",
                                         "random-resized-crop:128:0.6:1,hflip,center-crop:120"));

TEST(Overlay, PutsHeatInItsPlace) {
  const Image picture(90, 90, 1, 16);
  Tensor heat = zeros({9, 9});
  heat.slice(0, 2, 3).slice(1, 6, 7).copy_(ones({1, 1}));
  const auto hottest = [&](const char* steps) {
    const Image result = over(picture, steps, heat, 1);
    EXPECT_EQ(result.channels, 3);
    int most = -1;
    Box at;
    for (int y = 0; y < 90; ++y) {
      for (int x = 0; x < 90; ++x) {
        const std::uint8_t* p = result.row<std::uint8_t>(y) + 3 * x;
        if (p[0] + p[1] + p[2] > most) most = p[0] + p[1] + p[2], at.x = x, at.y = y;
      }
    }
    return at;
  };
  const auto near = [](Box a, int x, int y) { return std::abs(a.x - x) <= 1 && std::abs(a.y - y) <= 1; };
  EXPECT_TRUE(near(hottest("grey,resize:32x32"), 64, 24));
  EXPECT_TRUE(near(hottest("grey,resize:32x32,hflip:1"), 25, 24));
  EXPECT_TRUE(near(hottest("vflip:1,grey,resize:32x32"), 64, 65));
  EXPECT_TRUE(near(hottest("center-crop:45"), 22 + 32, 22 + 12));
  EXPECT_TRUE(near(hottest("center-crop:180"), 130 - 45, 50 - 45));
}

TEST(Overlay, NeedsAMap) {
  EXPECT_EQ(message_of<ShapeError>([] {
              over(Image(4, 4, 1), "grey", zeros({1, 2, 2}), 0.5);
            }),
            "overlay: heat [1, 2, 2] is not [h, w]");
}

TEST(Colours, OfHeatGrowLighter) {
  double before = -1;
  for (int i = 0; i <= 100; ++i) {
    const Colour c = heat_colour(i / 100.0);
    for (const double v : {c.red, c.green, c.blue}) EXPECT_TRUE(v >= 0 && v <= 1) << i;
    const auto linear = [](double v) {
      return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    };
    const double luminance = 0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue);
    EXPECT_TRUE(luminance > before) << i;
    before = luminance;
  }
}

TEST(Colours, OfClassesAreBrightAndApart) {
  for (int a = 0; a < 12; ++a) {
    const Colour p = class_colour(a);
    EXPECT_GT(std::max({p.red, p.green, p.blue}), 0.55) << a;
    for (int b = 0; b < a; ++b) {
      const Colour q = class_colour(b);
      EXPECT_GT(std::hypot(p.red - q.red, p.green - q.green, p.blue - q.blue), 0.2) << a << " " << b;
    }
  }
  EXPECT_EQ(class_colour(3).red, class_colour(3).red);
  EXPECT_TRUE(class_colour(-1).red >= 0 && class_colour(1 << 30).green <= 1);
}

}  // namespace
}  // namespace gadolin::test
