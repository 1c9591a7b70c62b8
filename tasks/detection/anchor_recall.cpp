#include "tasks/detection/anchor_recall.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "data/sets/collation.h"
#include "io/text.h"
#include "tasks/detection/canvas.h"
#include "tasks/detection/detected_pictures.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr double limits[] = {8, 16, 32, 64, 96, 192, 384};
constexpr double most_unmatched = 0.2;

// The anchor that a box overlaps most, among those around the places nearest to its middle: of one shape, the
// nearest anchor overlaps most.
double best_overlap(const ObjectBox& box, const AnchorOptions& o, int width, int height, Corners& anchor) {
  double best = 0;
  const double x = (box.x1 + box.x2) / 2, y = (box.y1 + box.y2) / 2;
  for (std::size_t level = 0; level < o.sizes.size(); ++level) {
    const double stride = o.strides[level], middle = o.torchvision ? 0 : 0.5;
    const auto nearest_place = [&](double at, int side) {
      const double last = std::ceil(side / stride) - 1;
      return (std::clamp(std::round(at / stride - middle), 0.0, last) + middle) * stride;
    };
    const double cx = nearest_place(x, width), cy = nearest_place(y, height);
    for (const auto& a : anchors_at_origin(o, level)) {
      const ObjectBox there{cx + a[0], cy + a[1], cx + a[2], cy + a[3], 0};
      const double overlap = intersection_over_union(there, box);
      if (!(overlap > best)) continue;
      best = overlap;
      anchor = {there.x1, there.y1, there.x2, there.y2};
    }
  }
  return best;
}

// The steps that move pixels, and whether they do no more than scale and mirror. nullopt: the pipeline has
// steps of a program's own, which have no text.
struct Geometry {
  Pipeline pipeline;
  bool scales = true;
};
std::optional<Geometry> geometry_of(const Pipeline& pipeline) {
  static const std::set<std::string, std::less<>> others{
      "grey",     "rgb",        "window", "rescale",   "percentile", "brightness", "brightness-shift",
      "contrast", "saturation", "hue",    "normalize", "gamma"},
      scaling{"resize", "fit", "hflip", "vflip"};
  Geometry geometry;
  std::string steps;
  const std::string text = pipeline.text();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string step = text.substr(at, end - at), name = step.substr(0, step.find(':'));
    at = end + 1;
    if (others.contains(name)) continue;
    geometry.scales = geometry.scales && scaling.contains(name);
    steps += (steps.empty() ? "" : ",") + step;
  }
  try {
    geometry.pipeline = Pipeline(steps);
  } catch (const UsageError&) {
    return {};
  }
  return geometry;
}

// Where a picture's pixels go, and how large it is then.
struct SeenPicture {
  Affine map;
  int width, height;
};

// Pictures that are run through the pipeline: enough for a table, and not for minutes.
std::int64_t pictures_to_draw(const DetectionSet& set) {
  constexpr double most_pictures = 300, most_pixels = 4e8;
  double pixels = 0;
  for (std::int64_t i = 0; i < set.size(); ++i)
    pixels += static_cast<double>(set.picture(i).width) * set.picture(i).height;
  const double mean = std::max(1.0, pixels / static_cast<double>(set.size()));
  return std::min(set.size(), static_cast<std::int64_t>(std::clamp(most_pixels / mean, 20.0, most_pictures)));
}

}  // namespace

AnchorRecall anchor_recall(const DetectionSet& set, const Pipeline& pipeline,
                           const DetectorSettings& settings, std::vector<SeenBox>* each) {
  AnchorRecall recall;
  for (const double limit : limits)
    recall.groups.push_back({recall.groups.empty() ? 0 : recall.groups.back().to, limit});
  recall.groups.push_back({recall.groups.back().to, INFINITY});
  const std::optional<Geometry> geometry = geometry_of(pipeline);
  const bool drawn = geometry && !geometry->scales;
  recall.of_pictures = set.size();
  recall.pictures = drawn ? pictures_to_draw(set) : set.size();
  const auto seen_picture = [&](std::int64_t i) -> SeenPicture {
    const MarkedPicture& p = set.picture(i);
    if (drawn) {
      const Transformed t =
          geometry->pipeline.transform(Image(p.width, p.height, 1), {0, 0, static_cast<std::uint64_t>(i)});
      return {t.map, t.image.width, t.image.height};
    }
    const auto [width, height] = pipeline.size_of(p.width, p.height);
    return {Affine::scale(static_cast<double>(width) / p.width, static_cast<double>(height) / p.height),
            width, height};
  };
  for (std::int64_t k = 0; k < recall.pictures; ++k) {
    const std::int64_t i = k * set.size() / recall.pictures;
    const MarkedPicture& picture = set.picture(i);
    if (picture.boxes.empty()) continue;
    const SeenPicture there = seen_picture(i);
    for (std::size_t b = 0; b < picture.boxes.size(); ++b) {
      const MarkedBox& marked = picture.boxes[b];
      if (marked.crowd || marked.difficult) continue;
      const ObjectBox& o = marked.box;
      const double width = drawn ? there.width : static_cast<double>(INFINITY),
                   height = drawn ? there.height : static_cast<double>(INFINITY);
      const MovedBox moved_box = moved({o.x1, o.y1, o.x2, o.y2}, there.map, width, height,
                                       o.ellipse ? Outlined::ellipse : Outlined::corners);
      const Corners& c = moved_box.box;
      if (!(c.x1 < c.x2 && c.y1 < c.y2 && moved_box.growth <= loosest_box)) {
        ++recall.dropped;
        continue;
      }
      const ObjectBox seen{c.x1, c.y1, c.x2, c.y2, o.label};
      Corners anchor;
      const double side = std::sqrt((seen.x2 - seen.x1) * (seen.y2 - seen.y1)),
                   overlap = best_overlap(seen, settings.anchors, canvas_side(there.width, settings.padding),
                                          canvas_side(there.height, settings.padding), anchor);
      auto& group = *std::ranges::find_if(recall.groups, [&](const auto& g) { return !(side >= g.to); });
      const bool matched = overlap >= settings.match.object;
      ++group.boxes;
      group.overlap += overlap;
      group.matched += matched;
      if (each) each->push_back({i, b, seen, overlap, anchor, there.map, matched});
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
  const std::string all = recall.pictures < recall.of_pictures
                              ? cat("all in ", recall.pictures, " of ", recall.of_pictures, " pictures")
                              : std::string("all");
  if (recall.boxes > 0) add(all, recall.boxes, recall.matched, "");
  if (recall.dropped > 0)
    rows.push_back(
        {"cut away or made too loose by the pipeline", std::to_string(recall.dropped), "", "", ""});
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
