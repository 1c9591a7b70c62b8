// The step random-transform against the product of matrices that defines it, and the steps of colour.
#include <array>
#include <cmath>

#include "data/image/transforms.h"
#include "tensor/check.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

namespace gadolin::test {
namespace {

using Matrix = std::array<std::array<double, 3>, 3>;
Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 3; ++k) c[i][j] += a[i][k] * b[k][j];
  return c;
}

// keras-retinanet utils/transform.py as apps-spec.md 4.7 states it.
TEST(RandomTransformStep, IsTheProductOfItsMatrices) {
  const RandomTransform step({});
  const Image film = pattern(60, 40, 1);
  Largest worst;
  for (std::uint64_t n = 0; n < 50; ++n) {
    RandomStream draws(3, n), again(3, n);
    const Transformed moved = step.apply(film, draws);
    const auto within = [&](double most) { return most * (2.0 * again.uniform() - 1.0); };
    const double turn = within(0.1), tx = within(0.1), ty = within(0.1), shear = within(0.1);
    const double sx = 0.9 + (1.1 - 0.9) * again.uniform(), sy = 0.9 + (1.1 - 0.9) * again.uniform();
    const double fx = again.chance(0.5F) ? -1 : 1, fy = again.chance(0.5F) ? -1 : 1;
    Matrix m =
        Matrix{{{std::cos(turn), -std::sin(turn), 0}, {std::sin(turn), std::cos(turn), 0}, {0, 0, 1}}} *
        Matrix{{{1, 0, tx}, {0, 1, ty}, {0, 0, 1}}} *
        Matrix{{{1, -std::sin(shear), 0}, {0, std::cos(shear), 0}, {0, 0, 1}}} *
        Matrix{{{sx, 0, 0}, {0, sy, 0}, {0, 0, 1}}} * Matrix{{{fx, 0, 0}, {0, fy, 0}, {0, 0, 1}}};
    m[0][2] *= 60;  // shares of the sides
    m[1][2] *= 40;
    m = Matrix{{{1, 0, 30}, {0, 1, 20}, {0, 0, 1}}} * m * Matrix{{{1, 0, -30}, {0, 1, -20}, {0, 0, 1}}};
    for (const Point p : {Point{0, 0}, Point{60, 0}, Point{13, 40}}) {
      const Point q = moved.map(p);
      worst.see(std::hypot(q.x - (m[0][0] * p.x + m[0][1] * p.y + m[0][2]),
                           q.y - (m[1][0] * p.x + m[1][1] * p.y + m[1][2])));
    }
    ASSERT_EQ(moved.image.width, 60);
  }
  EXPECT_LE(worst.value(), 1e-9);
}

// What lies outside is the nearest pixel of the edge: a film of stripes that run to the edges has no black.
TEST(RandomTransformStep, RepeatsTheEdge) {
  Image film(40, 40, 1);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 40; ++x) film.row<std::uint8_t>(y)[x] = x < 20 ? 100 : 200;
  const RandomTransform step({});
  for (std::uint64_t n = 0; n < 20; ++n) {
    RandomStream draws(4, n);
    for (const std::uint8_t v : step.apply(film, draws).image.pixels) ASSERT_TRUE(v >= 100 && v <= 200);
  }
}

// A painted box goes where the map says: the box around its four moved corners holds its light.
TEST(RandomTransformStep, BoxesFollowTheirPixels) {
  Image film(120, 90, 1);
  for (int y = 30; y < 50; ++y)
    for (int x = 40; x < 70; ++x) film.row<std::uint8_t>(y)[x] = 255;
  const RandomTransform step({});
  for (std::uint64_t n = 0; n < 30; ++n) {
    RandomStream draws(5, n);
    const Transformed t = step.apply(film, draws);
    const Corners box = moved({40, 30, 70, 50}, t.map, 120, 90).box;
    Corners light{1e9, 1e9, -1, -1};
    for (int y = 0; y < 90; ++y)
      for (int x = 0; x < 120; ++x)
        if (t.image.row<std::uint8_t>(y)[x] > 127)
          light = {std::min<double>(light.x1, x), std::min<double>(light.y1, y),
                   std::max<double>(light.x2, x + 1), std::max<double>(light.y2, y + 1)};
    for (const double off : {light.x1 - box.x1, box.x2 - light.x2, light.y1 - box.y1, box.y2 - light.y2})
      ASSERT_TRUE(off > -1.5 && off < 3) << n << ": " << off;
  }
}

TEST(ColourSteps, TurnHuesAndLeaveGreyAlone) {
  Image colour(2, 1, 3);
  colour.pixels = {200, 100, 50, 70, 70, 70};
  EXPECT_EQ(shift_hue(colour, 0), colour);
  // Red, green and blue are a third of the circle apart.
  EXPECT_EQ(shift_hue(colour, 2.0 / 3).pixels, (std::vector<std::uint8_t>{50, 200, 100, 70, 70, 70}));
  EXPECT_EQ(shift_hue(colour, -2.0 / 3).pixels, (std::vector<std::uint8_t>{100, 50, 200, 70, 70, 70}));
  EXPECT_EQ(adjust_saturation(colour, 1), colour);
  EXPECT_EQ(adjust_saturation(colour, 0).pixels, (std::vector<std::uint8_t>{200, 200, 200, 70, 70, 70}));
  EXPECT_EQ(adjust_saturation(colour, 0.5).pixels, (std::vector<std::uint8_t>{200, 150, 125, 70, 70, 70}));
  const Image grey = pattern(8, 8, 1);
  EXPECT_EQ(shift_hue(grey, 0.3), grey);
  EXPECT_EQ(adjust_saturation(grey, 2), grey);
}

TEST(ColourSteps, AreWrittenAndRead) {
  const std::string text = "rgb,random-transform:0.1:0.1:0.1:0.9:1.1:0.5:0.5,hue:0.05,saturation:0.05";
  EXPECT_EQ(Pipeline(text).text(), text);
  EXPECT_EQ(Pipeline("random-transform").text(), "random-transform:0.1:0.1:0.1:0.9:1.1:0.5:0.5");
  EXPECT_TRUE(Pipeline("hue:0.1").random());
  EXPECT_EQ(message_of<UsageError>([] { Pipeline("hue:2"); }),
            "transform: 'hue:2': 2 is not in 0..1; write hue:SHARE");
  EXPECT_EQ(message_of<UsageError>([] { Pipeline("random-transform:4"); }),
            "transform: 'random-transform:4': 4 is not in 0..3.2; write "
            "random-transform[:ROTATION:SHIFT:SHEAR:SMIN:SMAX:PX:PY]");
}

}  // namespace
}  // namespace gadolin::test
