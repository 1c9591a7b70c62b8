// Affine maps of the plane, and rectangles behind them.
#include "data/image/affine.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"

namespace gadolin {
namespace {

// [low, high] cut to 0..length, and the share that is left.
double cut(double& low, double& high, double length) {
  const double whole = high - low, at = low;
  low = std::clamp(low, 0.0, length);
  high = std::clamp(high, 0.0, length);
  if (whole > 0) return (high - low) / whole;
  return at >= 0 && at <= length ? 1 : 0;
}

}  // namespace

Affine Affine::then(const Affine& n) const {
  return {n.xx * xx + n.xy * yx, n.xx * xy + n.xy * yy, n.xx * x0 + n.xy * y0 + n.x0,
          n.yx * xx + n.yy * yx, n.yx * xy + n.yy * yy, n.yx * x0 + n.yy * y0 + n.y0};
}

Affine Affine::inverse() const {
  const double d = determinant();
  require<ValueError>(std::abs(d) > 1e-300 && std::isfinite(d), "affine: a map of determinant ", d,
                      " has no way back");
  Affine back{yy / d, -xy / d, 0, -yx / d, xx / d, 0};
  back.x0 = -(back.xx * x0 + back.xy * y0);
  back.y0 = -(back.yx * x0 + back.yy * y0);
  return back;
}

MovedBox moved(const Corners& b, const Affine& map, double width, double height, Outlined outlined) {
  const double own = (b.x2 - b.x1) * (b.y2 - b.y1) * std::abs(map.determinant());
  const Point corners[] = {map({b.x1, b.y1}), map({b.x2, b.y1}), map({b.x1, b.y2}), map({b.x2, b.y2})};
  Corners hull{corners[0].x, corners[0].y, corners[0].x, corners[0].y};
  for (const Point& p : corners) {
    hull.x1 = std::min(hull.x1, p.x);
    hull.y1 = std::min(hull.y1, p.y);
    hull.x2 = std::max(hull.x2, p.x);
    hull.y2 = std::max(hull.y2, p.y);
  }
  if (outlined ==
      Outlined::ellipse) {  // the moved unit circle reaches as far as the rows of the map are long
    const Point middle = map({(b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2});
    const double a = (b.x2 - b.x1) / 2, c = (b.y2 - b.y1) / 2, w = std::hypot(map.xx * a, map.xy * c),
                 h = std::hypot(map.yx * a, map.yy * c);
    hull = {middle.x - w, middle.y - h, middle.x + w, middle.y + h};
  }
  const double growth = own > 0 ? (hull.x2 - hull.x1) * (hull.y2 - hull.y1) / own : 1;
  const double across = cut(hull.x1, hull.x2, width), down = cut(hull.y1, hull.y2, height);
  return {hull, across * down, growth};
}

}  // namespace gadolin
