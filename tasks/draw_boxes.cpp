#include "tasks/draw_boxes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "data/image/resize.h"
#include "tasks/draw_text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// The four sides of a box behind a map, as half planes: distance(p) >= 0 inside, in pixels of the picture.
struct Outline {
  struct Side {
    double nx, ny, offset, along;  // along: of its beginning, in the direction (ny, -nx)
    double length;
    double distance(Point p) const { return nx * p.x + ny * p.y - offset; }
    double from_begin(Point p) const { return ny * p.x - nx * p.y - along; }
  };
  Side sides[4];
  Corners hull;
  double shorter;  // of its sides

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
      const Point& next = p[(i + 1) % 4];
      s.along = std::min(s.ny * p[i].x - s.nx * p[i].y, s.ny * next.x - s.nx * next.y);
      s.length = std::hypot(next.x - p[i].x, next.y - p[i].y);
      hull = {std::min(hull.x1, p[i].x), std::min(hull.y1, p[i].y), std::max(hull.x2, p[i].x),
              std::max(hull.y2, p[i].y)};
    }
    // A box thinner than a pixel would fall between the centres of pixels.
    for (int i = 0; i < 2; ++i) {
      const double missing = std::max(0.0, 1 + sides[i].offset + sides[i + 2].offset);
      sides[i].offset -= missing / 2;
      sides[i + 2].offset -= missing / 2;
    }
    shorter = std::min(sides[0].length, sides[1].length);
  }
  // The side that a place is nearest to, and how far inside the outline it is; negative outside.
  const Side& nearest(Point p, double& depth) const {
    const Side* best = sides;
    depth = best->distance(p);
    for (const Side& side : sides) {
      if (const double d = side.distance(p); d < depth) {
        depth = d;
        best = &side;
      }
    }
    return *best;
  }
};

// Of a broken line: at least two gaps a side, none at a corner.
bool in_gap(const Outline::Side& side, Point p, double line) {
  const double pieces = std::max(2.0, std::round(side.length / (8 * line)));
  const double at = side.from_begin(p) / side.length * pieces;
  return std::abs(at - std::floor(at) - 0.5) < 0.22;
}

int pixel_of(double place, int most) {
  return place > 0 ? static_cast<int>(std::min(place, static_cast<double>(most))) : 0;
}

void paint(std::uint8_t* pixel, const Colour& c) {
  pixel[0] = static_cast<std::uint8_t>(std::lround(255 * c.red));
  pixel[1] = static_cast<std::uint8_t>(std::lround(255 * c.green));
  pixel[2] = static_cast<std::uint8_t>(std::lround(255 * c.blue));
}

void draw_outline(Image& out, const Outline& outline, const DrawnBox& box, double line) {
  const Colour colour = box.colour.value_or(class_colour(box.label)), black{0, 0, 0};
  const double inner = std::min(line, outline.shorter / 4), outer = line - inner,
               edge = line < 2 ? 0 : std::max(1.0, std::round(line / 4));
  const double reach = outer + edge + 1;
  const int left = pixel_of(outline.hull.x1 - reach, out.width),
            right = pixel_of(outline.hull.x2 + reach, out.width),
            top = pixel_of(outline.hull.y1 - reach, out.height),
            bottom = pixel_of(outline.hull.y2 + reach, out.height);
  for (int y = top; y < bottom; ++y) {
    std::uint8_t* row = out.row<std::uint8_t>(y);
    for (int x = left; x < right; ++x) {
      const Point p{x + 0.5, y + 0.5};
      double depth = 0;
      const Outline::Side& side = outline.nearest(p, depth);
      // A pixel further on it has changed by one at most: the inside is left out.
      if (depth >= inner + edge)
        x += static_cast<int>(std::min(depth - inner - edge, static_cast<double>(out.width)));
      if (!(depth >= -outer - edge && depth < inner + edge)) continue;
      const bool on_line = depth >= -outer && depth < inner;
      paint(row + 3 * x, on_line && !(box.dashed && in_gap(side, p, line)) ? colour : black);
    }
  }
}

bool crosses(const Box& a, const Box& b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

// Beside the box, inside the picture, on none of `taken`; nullopt when there is no such place.
std::optional<Box> place_of_name(const Corners& hull, int width, int height, double line, bool below_first,
                                 const Image& picture, const std::vector<Box>& taken) {
  const auto whole = [](double v) { return static_cast<int>(std::lround(std::clamp(v, -1e6, 1e6))); };
  const int gap = whole(line), above = whole(hull.y1) - gap - height, below = whole(hull.y2) + gap,
            left = whole(hull.x1), flush = whole(hull.x2) - width, beside = whole(hull.x2) + gap,
            before = whole(hull.x1) - gap - width, first = below_first ? below : above,
            second = below_first ? above : below;
  const Point places[] = {{1.0 * left, 1.0 * first},
                          {1.0 * flush, 1.0 * first},
                          {1.0 * left, 1.0 * second},
                          {1.0 * flush, 1.0 * second},
                          {1.0 * beside, hull.y1},
                          {1.0 * before, hull.y1},
                          {1.0 * beside, hull.y2 - height},
                          {1.0 * before, hull.y2 - height},
                          {hull.x1 + line, below_first ? hull.y2 - line - height : hull.y1 + line}};
  for (const Point& p : places) {
    const Box box{std::clamp(whole(p.x), 0, std::max(0, picture.width - width)),
                  std::clamp(whole(p.y), 0, std::max(0, picture.height - height)), width, height};
    // Pushed into the picture, it may have come to lie on what it names; the last place always does.
    const Box named{left, whole(hull.y1), whole(hull.x2) - left, whole(hull.y2) - whole(hull.y1)};
    if (&p != std::end(places) - 1 && crosses(box, named)) continue;
    if (std::ranges::none_of(taken, [&](const Box& other) { return crosses(box, other); })) return box;
  }
  return {};
}

void draw_name(Image& out, const Outline& outline, const DrawnBox& box, double line,
               std::vector<Box>& taken) {
  const Corners& h = outline.hull;
  if (box.name.empty() || h.x2 < 0 || h.y2 < 0 || h.x1 > out.width || h.y1 > out.height) return;
  const int dot = std::max(1, (std::max(out.width, out.height) + 300) / 600), room = 2 * dot;
  const std::string text = shortened(box.name, out.width - 2 * room, dot);
  if (text.empty()) return;
  const int width = text_width(text, dot) + 2 * room, height = text_height(dot) + room + dot;
  const auto place = place_of_name(h, width, height, line, box.dashed, out, taken);
  if (!place) return;
  taken.push_back(*place);
  const Colour colour = box.colour.value_or(class_colour(box.label)), black{0, 0, 0};
  const Colour lighter{0.4 + 0.6 * colour.red, 0.4 + 0.6 * colour.green, 0.4 + 0.6 * colour.blue};
  fill_box(out, *place, box.dashed ? black : colour);
  draw_text(out, place->x + room, place->y + room, text, box.dashed ? lighter : ink_on(colour), dot);
}

}  // namespace

Image draw_boxes(const Image& picture, std::span<const DrawnBox> boxes, const Affine& seen_from,
                 int thickness) {
  require<ValueError>(thickness >= 0, "draw_boxes: thickness = ", thickness,
                      " is below 0; 0 chooses one by the picture");
  Image out = to_rgb(to_8bit(picture));
  const Affine back = seen_from.inverse();
  const double line = thickness > 0 ? thickness : std::max(2, (std::max(out.width, out.height) + 150) / 300);
  std::vector<Outline> outlines;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const Corners& b = boxes[i].box;
    require<ValueError>(b.x1 <= b.x2 && b.y1 <= b.y2 && std::isfinite(b.x1 + b.x2 + b.y1 + b.y2),
                        "draw_boxes: box ", i, " from (", b.x1, ", ", b.y1, ") to (", b.x2, ", ", b.y2,
                        ") is no rectangle");
    outlines.emplace_back(b, back);
  }
  std::vector<std::size_t> order(boxes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return boxes[a].score < boxes[b].score; });
  for (const std::size_t i : order) draw_outline(out, outlines[i], boxes[i], line);
  std::vector<Box> taken;
  for (auto i = order.rbegin(); i != order.rend(); ++i) draw_name(out, outlines[*i], boxes[*i], line, taken);
  return out;
}

Image drawn_small(const Image& picture, std::span<const DrawnBox> boxes, int longest) {
  const double scale = static_cast<double>(longest) / std::max(picture.width, picture.height);
  const auto side = [&](int pixels) { return std::max(1, static_cast<int>(std::lround(pixels * scale))); };
  const Image small = resize(to_rgb(to_8bit(picture)), side(picture.width), side(picture.height));
  return draw_boxes(small, boxes,
                    Affine::scale(static_cast<double>(picture.width) / small.width,
                                  static_cast<double>(picture.height) / small.height));
}

}  // namespace gadolin
