#include "data/sets/boxes/box_check.h"

#include <algorithm>

#include "tensor/check.h"

namespace gadolin {
namespace {

DataStats::Range spread(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

}  // namespace

std::vector<Problem> check_boxes(const DetectionSet& set, const std::vector<SampleFacts>& facts) {
  require<ValueError>(facts.size() == static_cast<std::size_t>(set.size()), "check_boxes: facts of ",
                      facts.size(), " samples for a set of ", set.size());
  std::vector<Problem> problems;
  const auto warn = [&](const char* kind, std::string text) {
    problems.push_back({Problem::Level::warning, kind, std::move(text)});
  };
  for (const std::string& note : set.notes()) warn("box-note", note);
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const MarkedPicture& p = set.picture(i);
    const std::string name = printable(set.name(i));
    const SampleFacts& f = facts[static_cast<std::size_t>(i)];
    if (p.stated_width > 0 && p.stated_height > 0 &&
        (p.stated_width != p.width || p.stated_height != p.height)) {
      warn("box-size", cat(name, " has ", p.width, " x ", p.height, " pixels, ", set.place(p.origin),
                           " says ", p.stated_width, " x ", p.stated_height));
    }
    if (f.error.empty() && (f.width != p.width || f.height != p.height))
      warn("box-size", cat(name, " has ", f.width, " x ", f.height, " pixels, its header says ", p.width,
                           " x ", p.height));
    if (p.orientation != 1) {
      warn("box-orientation", cat(name, " has the EXIF orientation ", p.orientation,
                                  "; its pixels are taken as they are stored, and boxes lie on them",
                                  p.doubtful ? "; if they were drawn on the picture as it is shown, give "
                                               "--boxes-on-shown"
                                             : ""));
    }
    for (std::size_t k = 0; k < p.boxes.size(); ++k) {
      const auto twin = std::find_if(p.boxes.begin(), p.boxes.begin() + static_cast<std::ptrdiff_t>(k),
                                     [&](const MarkedBox& b) { return b.box == p.boxes[k].box; });
      if (twin != p.boxes.begin() + static_cast<std::ptrdiff_t>(k))
        warn("box-twice", cat(set.place(p.boxes[k].origin), " repeats the box of ", set.place(twin->origin)));
      if (k == 1000) break;  // every pair of a million would take for ever
    }
  }
  return problems;
}

BoxStats box_stats(const DetectionSet& set) {
  BoxStats stats;
  stats.class_boxes.resize(set.classes().size());
  std::vector<double> counts, widths, heights, ratios;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const auto& boxes = set.picture(i).boxes;
    counts.push_back(static_cast<double>(boxes.size()));
    stats.empty_pictures += boxes.empty();
    for (const MarkedBox& b : boxes) {
      const double w = b.box.x2 - b.box.x1, h = b.box.y2 - b.box.y1;
      widths.push_back(w);
      heights.push_back(h);
      ratios.push_back(h / w);
      ++stats.by_area[w * h < 32 * 32 ? 0 : w * h < 96 * 96 ? 1 : 2];
      ++stats.class_boxes[static_cast<std::size_t>(b.box.label)][static_cast<std::size_t>(set.info(i).split)];
      stats.crowds += b.crowd;
      stats.difficult += b.difficult;
      stats.truncated += b.truncated;
      ++stats.boxes;
    }
  }
  stats.per_picture = spread(std::move(counts));
  stats.width = spread(std::move(widths));
  stats.height = spread(std::move(heights));
  stats.ratio = spread(std::move(ratios));
  return stats;
}

}  // namespace gadolin
