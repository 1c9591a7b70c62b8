// Affine maps of the plane and rectangles behind them.
#include "data/image/affine.h"

#include <cmath>
#include <limits>

#include "data/image/warp.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"
#include "tests/distance.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

double apart(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }

Affine any_map(RandomStream& random) {
  const auto number = [&] { return 4.0 * random.uniform() - 2; };
  Affine map{number(), number(), 50 * number(), number(), number(), 50 * number()};
  if (std::abs(map.determinant()) < 0.1) map.xx += 3, map.yy += 3;
  return map;
}

}  // namespace

TEST(Affine, ComposesFromLeftToRight) {
  const Affine shift = Affine::shift(3, -1), scale = Affine::scale(2, 0.5);
  EXPECT_EQ(shift.then(scale), (Affine{2, 0, 6, 0, 0.5, -0.5}));
  EXPECT_EQ(scale.then(shift), (Affine{2, 0, 3, 0, 0.5, -1}));
  EXPECT_EQ(Affine().then(scale), scale);
  EXPECT_EQ(scale.then({}), scale);
  RandomStream random(7, 1);
  Largest worst;
  for (int i = 0; i < 1000; ++i) {
    const Affine a = any_map(random), b = any_map(random), c = any_map(random);
    const Point p{100.0 * random.uniform(), 100.0 * random.uniform()};
    worst.see(apart(a.then(b)(p), b(a(p))));
    worst.see(apart(a.then(b).then(c)(p), a.then(b.then(c))(p)));
  }
  EXPECT_LT(worst.value(), 1e-9);
}

TEST(Affine, InverseLeadsBack) {
  RandomStream random(8, 1);
  Largest worst;
  for (int i = 0; i < 1000; ++i) {
    const Affine map = any_map(random);
    const Point p{100.0 * random.uniform(), 100.0 * random.uniform()};
    worst.see(apart(map.inverse()(map(p)), p));
    worst.see(apart(map.then(map.inverse())(p), p));
  }
  EXPECT_LT(worst.value(), 1e-8);
  EXPECT_EQ(Affine().inverse()({4, 5}).x, 4);
  EXPECT_EQ(message_of<ValueError>([] { Affine::scale(2, 0).inverse(); }),
            "affine: a map of determinant 0 has no way back");
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(Affine::scale(none, 1).inverse(), ValueError);
  EXPECT_THROW((Affine{1, 2, 0, 2, 4, 0}.inverse()), ValueError);
}

TEST(Affine, RotationOfAPictureKeepsItsMiddle) {
  AffineOptions turn;
  turn.angle = 90;  // clockwise: the top goes to the right
  const Affine forward = affine_map(40, 20, turn).inverse();
  EXPECT_LT(apart(forward({20, 10}), {20, 10}), 1e-12);
  EXPECT_LT(apart(forward({20, 0}), {30, 10}), 1e-12);
  EXPECT_LT(apart(forward({40, 10}), {20, 30}), 1e-12);
}

TEST(MovedBoxes, AreCutAndSayWhatIsLeft) {
  const Corners box{10, 20, 30, 60};
  EXPECT_EQ(moved(box, {}, 100, 100).box, box);
  EXPECT_EQ(moved(box, {}, 100, 100).inside, 1);
  const MovedBox half = moved(box, Affine::shift(-20, 0), 100, 50);
  EXPECT_EQ(half.box, (Corners{0, 20, 10, 50}));
  EXPECT_DOUBLE_EQ(half.inside, 0.5 * 0.75);
  const MovedBox mirrored = moved(box, {-1, 0, 100, 0, 1, 0}, 100, 100);
  EXPECT_EQ(mirrored.box, (Corners{70, 20, 90, 60}));
  EXPECT_EQ(mirrored.inside, 1);
  const MovedBox gone = moved(box, Affine::shift(200, 0), 100, 100);
  EXPECT_EQ(gone.box, (Corners{100, 20, 100, 60}));
  EXPECT_EQ(gone.inside, 0);
  // Turned by 45 degrees: the hull of a square is twice as large.
  const double c = std::sqrt(0.5);
  const MovedBox turned = moved({-1, -1, 1, 1}, {c, -c, 5, c, c, 5}, 10, 10);
  EXPECT_NEAR(turned.box.x1, 5 - 2 * c, 1e-12);
  EXPECT_NEAR(turned.box.y2, 5 + 2 * c, 1e-12);
  EXPECT_EQ(turned.inside, 1);
  // Without area: lines by their length, points by their place.
  EXPECT_EQ(moved({4, 0, 4, 20}, {}, 10, 10).inside, 0.5);
  EXPECT_EQ(moved({4, 4, 4, 4}, {}, 10, 10).inside, 1);
  EXPECT_EQ(moved({14, 4, 14, 4}, {}, 10, 10).inside, 0);
}
