#include "tasks/draw_boxes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tasks/colours.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// The four sides of a box behind a map, as half planes: distance(p) >= 0 inside, in pixels of the picture.
struct Outline {
  struct Side {
    double nx, ny, offset;
    double distance(Point p) const { return nx * p.x + ny * p.y - offset; }
  };
  Side sides[4];
  Corners hull;

  Outline(const Corners& b, const Affine& map) {
    const Point p[4] = {map({b.x1, b.y1}), map({b.x2, b.y1}), map({b.x2, b.y2}), map({b.x1, b.y2})};
    hull = {p[0].x, p[0].y, p[0].x, p[0].y};
    const double way_round = map.determinant() < 0 ? -1 : 1;
    // Directions come from the map, so that a box without width has them too.
    const Point across{map.xx * way_round, map.yx * way_round}, down{map.xy * way_round, map.yy * way_round};
    const Point directions[4] = {across, down, {-across.x, -across.y}, {-down.x, -down.y}};
    for (int i = 0; i < 4; ++i) {
      const double length = std::hypot(directions[i].x, directions[i].y);
      Side& s = sides[i];
      s.nx = -directions[i].y / length;
      s.ny = directions[i].x / length;
      s.offset = s.nx * p[i].x + s.ny * p[i].y;
      hull = {std::min(hull.x1, p[i].x), std::min(hull.y1, p[i].y), std::max(hull.x2, p[i].x),
              std::max(hull.y2, p[i].y)};
    }
    // A box thinner than a pixel would fall between the centres of pixels.
    for (int i = 0; i < 2; ++i) {
      const double missing = std::max(0.0, 1 + sides[i].offset + sides[i + 2].offset);
      sides[i].offset -= missing / 2;
      sides[i + 2].offset -= missing / 2;
    }
  }
  // How far inside the outline a place is; negative outside.
  double depth(Point p) const {
    return std::min(std::min(sides[0].distance(p), sides[1].distance(p)),
                    std::min(sides[2].distance(p), sides[3].distance(p)));
  }
};

int pixel_of(double place, int most) {
  return place > 0 ? static_cast<int>(std::min(place, static_cast<double>(most))) : 0;
}

}  // namespace

Image draw_boxes(const Image& picture, std::span<const DrawnBox> boxes, const Affine& seen_from,
                 int thickness) {
  require<ValueError>(thickness >= 0, "draw_boxes: thickness = ", thickness,
                      " is below 0; 0 chooses one by the picture");
  Image out = to_rgb(to_8bit(picture));
  const Affine back = seen_from.inverse();
  const double line = thickness > 0 ? thickness : std::max(2, (std::max(out.width, out.height) + 150) / 300);
  std::vector<std::size_t> order(boxes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return boxes[a].score < boxes[b].score; });
  for (const std::size_t i : order) {
    const Corners& b = boxes[i].box;
    require<ValueError>(b.x1 <= b.x2 && b.y1 <= b.y2 && std::isfinite(b.x1 + b.x2 + b.y1 + b.y2),
                        "draw_boxes: box ", i, " from (", b.x1, ", ", b.y1, ") to (", b.x2, ", ", b.y2,
                        ") is no rectangle");
    const Outline outline(b, back);
    const Colour colour = class_colour(boxes[i].label);
    const double parts[3] = {colour.red, colour.green, colour.blue};
    const int left = pixel_of(outline.hull.x1 - 1, out.width),
              right = pixel_of(outline.hull.x2 + 1, out.width),
              top = pixel_of(outline.hull.y1 - 1, out.height),
              bottom = pixel_of(outline.hull.y2 + 1, out.height);
    for (int y = top; y < bottom; ++y) {
      std::uint8_t* row = out.row<std::uint8_t>(y);
      for (int x = left; x < right; ++x) {
        const double depth = outline.depth({x + 0.5, y + 0.5});
        // A pixel further on it has changed by one at most: the inside is left out.
        if (depth >= line) x += static_cast<int>(std::min(depth - line, static_cast<double>(out.width)));
        if (!(depth >= 0 && depth < line)) continue;
        for (int c = 0; c < 3; ++c) row[3 * x + c] = static_cast<std::uint8_t>(std::lround(255 * parts[c]));
      }
    }
  }
  return out;
}

}  // namespace gadolin
