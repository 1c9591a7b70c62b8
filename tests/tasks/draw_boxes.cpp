// Outlines of boxes: which pixels they cover, which colour lies on top, boxes taken back from a net's input.
#include "tasks/draw_boxes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "data/image/transforms.h"
#include "tasks/colours.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

bool has_colour(const Image& image, int x, int y, int label) {
  const Colour c = class_colour(label);
  const double parts[3] = {c.red, c.green, c.blue};
  for (int i = 0; i < 3; ++i)
    if (image.row<std::uint8_t>(y)[3 * x + i] != std::lround(255 * parts[i])) return false;
  return true;
}
int drawn(const Image& image, int label) {
  int n = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) n += has_colour(image, x, y, label);
  return n;
}

TEST(DrawBoxes, CoversTheEdgeInwards) {
  const DrawnBox box{{10, 20, 30, 50}, 2, 0.9};
  const Image image = draw_boxes(Image(60, 70, 1, 16), {&box, 1}, {}, 3);
  ASSERT_EQ(image.channels, 3);
  ASSERT_EQ(image.bits, 8);
  for (int y = 0; y < 70; ++y) {
    for (int x = 0; x < 60; ++x) {
      const bool outer = x >= 10 && x < 30 && y >= 20 && y < 50,
                 inner = x >= 13 && x < 27 && y >= 23 && y < 47;
      ASSERT_EQ(has_colour(image, x, y, 2), outer && !inner) << x << " " << y;
    }
  }
}

TEST(DrawBoxes, ThicknessFollowsThePicture) {
  const DrawnBox box{{0, 0, 100, 100}};
  const auto sides = [&](int width) {
    const Image image = draw_boxes(Image(width, 200, 1), {&box, 1});
    int n = 0;
    while (has_colour(image, n, 50, 0)) ++n;
    return n;
  };
  EXPECT_EQ(sides(200), 2);
  EXPECT_EQ(sides(900), 3);
  EXPECT_EQ(sides(3000), 10);
}

TEST(DrawBoxes, LeavesThePictureAloneOutside) {
  const Image picture = pattern(40, 30, 3);
  EXPECT_EQ(draw_boxes(picture, {}), picture);
  const DrawnBox away[] = {{{-100, -100, -50, -50}}, {{50, 3, 60, 9}}, {{-1e300, -1e300, 1e300, 1e300}}};
  EXPECT_EQ(draw_boxes(picture, away), picture);
  // Of a box that leaves the picture the sides inside are drawn.
  const DrawnBox half{{-10, 5, 20, 60}};
  const Image image = draw_boxes(Image(40, 30, 1), {&half, 1}, {}, 1);
  EXPECT_TRUE(has_colour(image, 0, 5, 0) && has_colour(image, 19, 29, 0));
  EXPECT_EQ(drawn(image, 0), 20 + 24);
}

TEST(DrawBoxes, SmallThingsStayVisible) {
  // No more than a quarter of the shorter side is covered, also by wide lines; boxes of no size show.
  const DrawnBox small{{20, 20, 28, 32}};
  const Image image = draw_boxes(pattern(60, 60, 1), {&small, 1}, {}, 6);
  for (int y = 23; y < 29; ++y)
    for (int x = 23; x < 25; ++x) EXPECT_FALSE(has_colour(image, x, y, 0)) << x << " " << y;
  EXPECT_TRUE(has_colour(image, 21, 25, 0) && has_colour(image, 16, 25, 0));
  const DrawnBox points[] = {{{5, 5, 5, 5}}, {{12.4, 9.2, 12.5, 9.3}}, {{22, 3, 22, 12}}};
  const Image some = draw_boxes(Image(30, 20, 1), points, {}, 2);
  EXPECT_GE(drawn(some, 0), 2 * 8 + 2 * 10);
  EXPECT_LE(drawn(some, 0), 2 * 25 + 5 * 14);
}

TEST(DrawBoxes, LinesHaveABlackEdge) {
  const DrawnBox box{{10, 10, 40, 40}};
  Image white(50, 50, 3);
  std::fill(white.pixels.begin(), white.pixels.end(), std::uint8_t{255});
  const Image image = draw_boxes(white, {&box, 1}, {}, 4);
  const auto grey = [&](int x, int y) { return image.row<std::uint8_t>(y)[3 * x]; };
  EXPECT_EQ(grey(8, 25), 255);
  EXPECT_EQ(grey(9, 25), 0);
  EXPECT_TRUE(has_colour(image, 10, 25, 0) && has_colour(image, 13, 25, 0));
  EXPECT_EQ(grey(14, 25), 0);
  EXPECT_EQ(grey(15, 25), 255);
}

TEST(DrawBoxes, BrokenLinesHaveGapsOnEverySideAndNoneAtCorners) {
  for (const double side : {12.0, 40.0, 90.0}) {
    DrawnBox box{{10, 10, 10 + side, 10 + side}, 1};
    box.dashed = true;
    const Image broken = draw_boxes(Image(120, 120, 1), {&box, 1}, {}, 2);
    box.dashed = false;
    const Image whole = draw_boxes(Image(120, 120, 1), {&box, 1}, {}, 2);
    const int end = static_cast<int>(10 + side) - 1;
    for (const auto& [x, y] : {std::pair{10, 10}, {end, 10}, {10, end}, {end, end}})
      EXPECT_TRUE(has_colour(broken, x, y, 1)) << side;
    for (const bool down : {false, true}) {
      int gaps = 0;
      for (int i = 11; i <= end; ++i) {
        const auto on = [&](int at) {
          return down ? has_colour(broken, 10, at, 1) : has_colour(broken, at, end, 1);
        };
        gaps += on(i - 1) && !on(i);
      }
      EXPECT_GE(gaps, 2) << side;
    }
    EXPECT_GT(drawn(broken, 1), drawn(whole, 1) / 3) << side;
    EXPECT_LT(drawn(broken, 1), drawn(whole, 1) * 3 / 4) << side;
  }
}

TEST(DrawBoxes, NamesStandBesideTheirBoxes) {
  const Colour red{1, 0, 0};
  const auto painted = [&](const Image& image, int x, int y) {
    const std::uint8_t* p = image.row<std::uint8_t>(y) + 3 * x;
    return p[0] == 255 && p[1] == 0 && p[2] == 0;
  };
  DrawnBox box{{30, 40, 90, 80}, 0, 0.5, "mass 0.50", false, red};
  const Image above = draw_boxes(Image(120, 120, 1), {&box, 1}, {}, 1);
  EXPECT_TRUE(painted(above, 31, 38) && !painted(above, 31, 83));
  // At the upper edge there is no room above; in the corner of a box as large as the picture, inside.
  box.box = {30, 0, 90, 80};
  const Image below = draw_boxes(Image(120, 120, 1), {&box, 1}, {}, 1);
  EXPECT_TRUE(painted(below, 31, 82));
  box.box = {0, 0, 120, 120};
  const Image inside = draw_boxes(Image(120, 120, 1), {&box, 1}, {}, 1);
  EXPECT_TRUE(painted(inside, 2, 2) && painted(inside, 20, 2));
  // A broken box has its name below, on black.
  box = {{30, 40, 90, 80}, 0, 0.5, "mass", true, red};
  Image white(120, 120, 3);
  std::fill(white.pixels.begin(), white.pixels.end(), std::uint8_t{255});
  const Image truth = draw_boxes(white, {&box, 1}, {}, 1);
  EXPECT_EQ(truth.row<std::uint8_t>(82)[3 * 31], 0);
  EXPECT_EQ(truth.row<std::uint8_t>(38)[3 * 31], 255);
  // Names that would cover one another are left out, those of the least scores first.
  std::vector<DrawnBox> many;
  for (int i = 0; i < 40; ++i)
    many.push_back({{30, 40, 60, 60}, 0, i / 40.0, "name", false, i == 39 ? red : Colour{0, 0, 1}});
  const Image crowded = draw_boxes(Image(120, 120, 1), many, {}, 1);
  EXPECT_TRUE(painted(crowded, 31, 38));
}

TEST(DrawBoxes, TheSurestLiesOnTop) {
  const DrawnBox boxes[] = {{{5, 5, 25, 25}, 1, 0.9}, {{5, 5, 35, 15}, 2, 0.3}, {{5, 5, 15, 35}, 3, 0.5}};
  const Image image = draw_boxes(Image(40, 40, 3), boxes, {}, 1);
  EXPECT_TRUE(has_colour(image, 5, 5, 1));
  EXPECT_TRUE(has_colour(image, 34, 14, 2));
  EXPECT_TRUE(has_colour(image, 5, 30, 3));
  EXPECT_TRUE(has_colour(image, 14, 14, 3) && has_colour(image, 14, 10, 3));
}

TEST(DrawBoxes, GoBackThroughThePipeline) {
  const Image picture(120, 80, 1);
  const Corners lesion{20, 30, 50, 70};
  DrawnBox straight{lesion, 4};
  const Image want = draw_boxes(picture, {&straight, 1}, {}, 2);
  for (const char* steps : {"resize:40", "hflip:1", "vflip:1", "resize:60x160,hflip:1,vflip:1",
                            "center-crop:110x76", "center-crop:200,resize:100,hflip:1"}) {
    const Transformed seen = Pipeline(steps).transform(picture, {});
    const MovedBox found = moved(lesion, seen.map, seen.image.width, seen.image.height);
    DrawnBox box{found.box, 4};
    const Image got = draw_boxes(picture, {&box, 1}, seen.map, 2);
    EXPECT_EQ(got, want) << steps;
  }
  // Turned: corners of the box in the input lie on the outline.
  const Transformed seen = Pipeline("rotate:30").transform(picture, {1, 2, 3});
  const Corners there{40, 30, 80, 55};
  DrawnBox box{there, 0};
  const Image turned = draw_boxes(picture, {&box, 1}, seen.map, 3);
  const Affine back = seen.map.inverse();
  for (const Point p :
       {Point{41.5, 31.5}, {78.5, 31.5}, {41.5, 53.5}, {78.5, 53.5}, {60, 31.5}, {41.5, 40}}) {
    const Point at = back(p);
    EXPECT_TRUE(has_colour(turned, static_cast<int>(at.x), static_cast<int>(at.y), 0)) << p.x << " " << p.y;
  }
  const Point middle = back({60, 42});
  EXPECT_FALSE(has_colour(turned, static_cast<int>(middle.x), static_cast<int>(middle.y), 0));
  EXPECT_NEAR(drawn(turned, 0), 40 * 25 - 34 * 19, 25);
}

TEST(DrawBoxes, Messages) {
  const Image picture(4, 4, 1);
  const auto says = [&](const DrawnBox& box) {
    return message_of<ValueError>([&] { draw_boxes(picture, {&box, 1}); });
  };
  EXPECT_EQ(says({{3, 1, 2, 2}}), "draw_boxes: box 0 from (3, 1) to (2, 2) is no rectangle");
  EXPECT_NE(says({{0, 0, std::numeric_limits<double>::quiet_NaN(), 1}}), "");
  EXPECT_NE(says({{0, 0, std::numeric_limits<double>::infinity(), 1}}), "");
  EXPECT_EQ(message_of<ValueError>([&] { draw_boxes(picture, {}, {}, -1); }),
            "draw_boxes: thickness = -1 is below 0; 0 chooses one by the picture");
  EXPECT_THROW(draw_boxes(picture, {}, Affine::scale(0, 1)), ValueError);
}

}  // namespace
}  // namespace gadolin::test
