// Which detection takes which truth, as COCO's numbers count them: one picture and class at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tasks/detection/detected_pictures.h"

namespace gadolin::detail {

inline constexpr int iou_thresholds = 10, area_ranges = 4;
inline constexpr double area_from[area_ranges] = {0, 0, 32 * 32, 96 * 96},
                        area_to[area_ranges] = {1e10, 32 * 32, 96 * 96, 1e10};

// A detection of one class. Bit t of a mask belongs to IoU threshold t.
struct JudgedDetection {
  double score = 0;
  std::uint16_t hit[area_ranges] = {}, counts[area_ranges] = {};
  int rank = 0;               // by score among the picture's
  std::uint32_t picture = 0;  // its place among the pictures
};

class CocoMatcher {
 public:
  // `found` by falling score; writes masks of out[0, found.size()).
  void match(std::span<const MarkedBox* const> truth, std::span<const Detection* const> found,
             JudgedDetection* out);

 private:
  struct OverlappingTruth {
    int truth;
    double iou;
  };
  void at_threshold(std::span<const MarkedBox* const> truth, std::span<const Detection* const> found, int a,
                    int t, JudgedDetection* out);
  int best(std::span<const MarkedBox* const> truth, std::size_t d, int t, bool among_ignored) const;
  std::vector<OverlappingTruth> candidates_;
  std::vector<std::size_t> begin_;  // of each detection's candidates
  std::vector<char> ignored_, taken_;
};

}  // namespace gadolin::detail
