#include "tasks/detection/coco_matching.h"

#include <algorithm>

namespace gadolin::detail {
namespace {

// np.linspace(0.5, 0.95, 10), to the last bit.
double iou_threshold(int t) {
  constexpr double all[iou_thresholds] = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999,
                                          0.95};
  return all[t];
}

}  // namespace

void CocoMatcher::match(std::span<const MarkedBox* const> truth, std::span<const Detection* const> found,
                        JudgedDetection* out) {
  candidates_.clear();
  begin_.assign(1, 0);
  for (const Detection* d : found) {
    for (std::size_t g = 0; g < truth.size(); ++g) {
      const double iou = intersection_over_union(d->box, truth[g]->box, truth[g]->crowd);
      if (iou >= iou_threshold(0)) candidates_.push_back({static_cast<int>(g), iou});
    }
    begin_.push_back(candidates_.size());
  }
  for (int a = 0; a < area_ranges; ++a) {
    ignored_.assign(truth.size(), 0);
    for (std::size_t g = 0; g < truth.size(); ++g)
      ignored_[g] = truth[g]->crowd || truth[g]->area < area_from[a] || truth[g]->area > area_to[a];
    for (int t = 0; t < iou_thresholds; ++t) at_threshold(truth, found, a, t, out);
  }
}

void CocoMatcher::at_threshold(std::span<const MarkedBox* const> truth,
                               std::span<const Detection* const> found, int a, int t, JudgedDetection* out) {
  taken_.assign(truth.size(), 0);
  const auto bit = static_cast<std::uint16_t>(1 << t);
  for (std::size_t d = 0; d < found.size(); ++d) {
    int match = best(truth, d, t, false);
    if (match < 0) match = best(truth, d, t, true);
    bool ignored = false;
    if (match >= 0) {
      taken_[static_cast<std::size_t>(match)] = 1;
      ignored = ignored_[static_cast<std::size_t>(match)] != 0;
    } else {
      const ObjectBox& b = found[d]->box;
      const double area = (b.x2 - b.x1) * (b.y2 - b.y1);
      ignored = area < area_from[a] || area > area_to[a];
    }
    if (match >= 0) out[d].hit[a] = static_cast<std::uint16_t>(out[d].hit[a] | bit);
    if (!ignored) out[d].counts[a] = static_cast<std::uint16_t>(out[d].counts[a] | bit);
  }
}
int CocoMatcher::best(std::span<const MarkedBox* const> truth, std::size_t d, int t,
                      bool among_ignored) const {
  double least = std::min(iou_threshold(t), 1 - 1e-10);
  int match = -1;
  for (std::size_t c = begin_[d]; c < begin_[d + 1]; ++c) {
    const auto g = static_cast<std::size_t>(candidates_[c].truth);
    if ((ignored_[g] != 0) != among_ignored || (taken_[g] && !truth[g]->crowd)) continue;
    if (candidates_[c].iou < least) continue;
    least = candidates_[c].iou;
    match = candidates_[c].truth;
  }
  return match;
}

}  // namespace gadolin::detail
