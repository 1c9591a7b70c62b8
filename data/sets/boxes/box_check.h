// A look at boxes before training: what is odd about them, and what they are like.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "data/sets/boxes/detection_set.h"
#include "data/sets/inspect.h"

namespace gadolin {

// Problems of boxes, beside those of check_dataset: box-size (a table's size of a picture is not the file's),
// box-orientation (EXIF asks for a turn), box-twice (one box of one class twice in a picture), box-note (what
// was taken for granted while reading). `facts` are those of inspect_samples.
std::vector<Problem> check_boxes(const DetectionSet& set, const std::vector<SampleFacts>& facts);

struct BoxStats {
  DataStats::Range per_picture, width, height, ratio;  // ratio: height / width
  std::int64_t boxes = 0, empty_pictures = 0, crowds = 0, difficult = 0, truncated = 0;
  std::array<std::int64_t, 3> by_area{};  // COCO's small (below 32^2), medium (below 96^2) and large
  std::vector<std::array<std::int64_t, 4>> class_boxes;  // [class][none, train, val, test]
};
BoxStats box_stats(const DetectionSet& set);

}  // namespace gadolin
