#include "tasks/detection/anchor_sheet.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "data/image/warp.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// Places in an order of n: `each` from the beginning, the middle and the end, none twice.
std::vector<std::size_t> places_to_show(std::size_t n, std::size_t each) {
  std::set<std::size_t> chosen;
  for (std::size_t k = 0; k < std::min(each, n); ++k) {
    chosen.insert(k);
    chosen.insert(std::min(n - 1, n / 2 - std::min(n / 2, each / 2) + k));
    chosen.insert(n - 1 - k);
  }
  return {chosen.begin(), chosen.end()};
}

// The part of the picture to show: the box in its middle, some of what is around it.
Box surroundings(const Corners& c, const MarkedPicture& p) {
  const double side =
      std::clamp(4 * std::max(c.x2 - c.x1, c.y2 - c.y1), 48.0, 1.0 * std::max({p.width, p.height, 48}));
  const auto from = [&](double middle, int length) {
    return static_cast<int>(std::clamp(middle - side / 2, 0.0, std::max(0.0, length - side)));
  };
  const int x = from((c.x1 + c.x2) / 2, p.width), y = from((c.y1 + c.y2) / 2, p.height);
  return {x, y, std::min(static_cast<int>(side), p.width - x),
          std::min(static_cast<int>(side), p.height - y)};
}

}  // namespace

ContactSheet anchor_sheet(const DetectionSet& set, const std::vector<SeenBox>& boxes, std::size_t each,
                          const std::string& title) {
  ContactSheet sheet(title, 240);
  std::vector<std::size_t> order(boxes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return boxes[a].overlap > boxes[b].overlap; });
  if (boxes.empty()) return sheet;
  for (const std::size_t place : places_to_show(boxes.size(), each)) {
    const SeenBox& s = boxes[order[place]];
    const ObjectBox& o = set.picture(s.picture).boxes[s.box].box;
    const Box part = surroundings({o.x1, o.y1, o.x2, o.y2}, set.picture(s.picture));
    const auto in_part = [&](const Corners& c) {
      return Corners{c.x1 - part.x, c.y1 - part.y, c.x2 - part.x, c.y2 - part.y};
    };
    std::vector<DrawnBox> drawn;
    if (s.overlap > 0) {
      const Corners anchor = moved(s.anchor, s.map.inverse(), INFINITY, INFINITY).box;
      drawn.push_back({in_part(anchor), 0, 0, "", false, class_colour(1)});
    }
    drawn.push_back({in_part({o.x1, o.y1, o.x2, o.y2}), o.label, 1,
                     set.classes()[static_cast<std::size_t>(o.label)], !s.matched,
                     s.matched ? good_colour : bad_colour});
    try {
      sheet.add(crop(set.image(s.picture), part), drawn,
                {set.name(s.picture),
                 cat(fixed(s.seen.x2 - s.seen.x1, 0), " x ", fixed(s.seen.y2 - s.seen.y1, 0),
                     " pixels for the net"),
                 cat(s.matched ? "overlap " : "NO ANCHOR, overlap ", fixed(s.overlap, 2))});
    } catch (const Error&) {  // data check names it
    }
  }
  return sheet;
}

}  // namespace gadolin
