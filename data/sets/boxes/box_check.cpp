#include "data/sets/boxes/box_check.h"

#include <algorithm>
#include <array>
#include <map>

#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::size_t most_twins = 20;  // of a picture are named

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
    std::map<std::array<double, 5>, std::size_t> first;  // the first of equal boxes
    std::size_t twins = 0;
    for (std::size_t k = 0; k < p.boxes.size(); ++k) {
      const ObjectBox& b = p.boxes[k].box;
      const auto [known, fresh] =
          first.emplace(std::array{b.x1, b.y1, b.x2, b.y2, static_cast<double>(b.label)}, k);
      if (fresh || ++twins > most_twins) continue;
      warn("box-twice", cat(set.place(p.boxes[k].origin), " repeats the box of ",
                            set.place(p.boxes[known->second].origin)));
    }
    if (twins > most_twins)
      warn("box-twice", cat(name, " has ", twins - most_twins, " more boxes that repeat another"));
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
