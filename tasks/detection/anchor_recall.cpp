#include "tasks/detection/anchor_recall.h"

#include <algorithm>
#include <cmath>

#include "io/text.h"
#include "tasks/detection/canvas.h"
#include "tasks/detection/detected_pictures.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr double limits[] = {8, 16, 32, 64, 96, 192, 384};
constexpr double most_unmatched = 0.2;

// The largest overlap of a box with an anchor around one of the places nearest to its middle: of one shape,
// the nearest anchor overlaps most.
double best_overlap(const ObjectBox& box, const AnchorOptions& o, int width, int height) {
  double best = 0;
  const double x = (box.x1 + box.x2) / 2, y = (box.y1 + box.y2) / 2;
  for (std::size_t level = 0; level < o.sizes.size(); ++level) {
    const double stride = o.strides[level], middle = o.torchvision ? 0 : 0.5;
    const auto nearest_place = [&](double at, int side) {
      const double last = std::ceil(side / stride) - 1;
      return (std::clamp(std::round(at / stride - middle), 0.0, last) + middle) * stride;
    };
    const double cx = nearest_place(x, width), cy = nearest_place(y, height);
    for (const auto& a : anchors_at_origin(o, level))
      best = std::max(best, intersection_over_union({cx + a[0], cy + a[1], cx + a[2], cy + a[3], 0}, box));
  }
  return best;
}

}  // namespace

AnchorRecall anchor_recall(const DetectionSet& set, const Pipeline& pipeline,
                           const DetectorSettings& settings) {
  AnchorRecall recall;
  for (const double limit : limits)
    recall.groups.push_back({recall.groups.empty() ? 0 : recall.groups.back().to, limit});
  recall.groups.push_back({recall.groups.back().to, INFINITY});
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const MarkedPicture& picture = set.picture(i);
    const auto [width, height] = pipeline.size_of(picture.width, picture.height);
    const double across = static_cast<double>(width) / picture.width,
                 down = static_cast<double>(height) / picture.height;
    for (const MarkedBox& marked : picture.boxes) {
      if (marked.crowd || marked.difficult) continue;
      const ObjectBox& b = marked.box;
      const ObjectBox seen{b.x1 * across, b.y1 * down, b.x2 * across, b.y2 * down, b.label};
      const double side = std::sqrt((seen.x2 - seen.x1) * (seen.y2 - seen.y1)),
                   overlap = best_overlap(seen, settings.anchors, canvas_side(width, settings.padding),
                                          canvas_side(height, settings.padding));
      auto& group = *std::ranges::find_if(recall.groups, [&](const auto& g) { return !(side >= g.to); });
      ++group.boxes;
      group.overlap += overlap;
      group.matched += overlap >= settings.match.object;
    }
  }
  for (AnchorRecall::Group& g : recall.groups) {
    recall.boxes += g.boxes;
    recall.matched += g.matched;
    g.overlap = g.boxes > 0 ? g.overlap / static_cast<double>(g.boxes) : NAN;
  }
  return recall;
}

TextRows recall_table(const AnchorRecall& recall) {
  TextRows rows{{"box side in pixels", "boxes", "with an anchor", "share", "mean overlap"}};
  const auto add = [&](const std::string& name, std::int64_t boxes, std::int64_t matched,
                       const std::string& overlap) {
    const double share = static_cast<double>(matched) / static_cast<double>(boxes);
    rows.push_back({name, std::to_string(boxes), std::to_string(matched), fixed(share, 3), overlap});
  };
  for (const AnchorRecall::Group& g : recall.groups) {
    if (g.boxes == 0) continue;
    const std::string from = fixed(g.from, 0);
    add(std::isinf(g.to) ? from + " and more" : from + " to " + fixed(g.to, 0), g.boxes, g.matched,
        fixed(g.overlap, 3));
  }
  if (recall.boxes > 0) add("all", recall.boxes, recall.matched, "");
  return rows;
}

void require_matches(const AnchorRecall& recall, const DetectorSettings& settings) {
  const std::int64_t lost = recall.boxes - recall.matched;
  std::string sizes, of_boxes;
  for (const AnchorRecall::Group& g : recall.groups) {
    if (g.boxes == g.matched) continue;
    of_boxes += cat(of_boxes.empty() ? "" : ", ", g.boxes - g.matched, " of ", g.boxes, " with sides of ",
                    fixed(g.from, 0), std::isinf(g.to) ? " and more" : " to " + fixed(g.to, 0));
  }
  for (const double size : settings.anchors.sizes) sizes += (sizes.empty() ? "" : "/") + exact_text(size);
  if (settings.match.rescue != MatchOptions::Rescue::none) return;
  require<DataError>(static_cast<double>(lost) <= most_unmatched * static_cast<double>(recall.boxes),
                     "detection: ", lost, " of ", recall.boxes,
                     " boxes have no anchor that overlaps them by ", settings.match.object, " (", of_boxes,
                     " pixels behind the pipeline), so nothing would be learnt of them; use a larger "
                     "--input-size, other --net-option anchor_sizes than ",
                     sizes, ", other anchor_ratios, or --net-option rescue=best");
}

}  // namespace gadolin
