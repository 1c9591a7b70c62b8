// One sample as training sees it, with what its anchors learn drawn on it.
#pragma once

#include "data/image/transforms.h"
#include "data/sets/boxes/detection_set.h"
#include "tasks/detection/settings.h"

namespace gadolin {

struct AnchorPictureOptions {
  bool anchors = false;  // those that learn an object, as thin lines
  bool boxes = false;    // a whole line, bluish green: it has an anchor; broken, vermilion: it has none
  std::string title;     // in the lower left corner; empty: none
};

struct AnchorPicture {
  Image image;  // behind the pipeline, without padding; 8-bit colour
  std::int64_t boxes = 0, without_anchor = 0, anchors = 0;
  std::int64_t dropped = 0;  // boxes that the pipeline cut away or made too loose
};

// Sample i of the set behind the pipeline, with the anchors that `settings` give its objects, rescue
// included. Throws what reading the picture throws.
AnchorPicture anchor_picture(const DetectionSet& set, std::int64_t i, const Pipeline& pipeline, SampleKey key,
                             const DetectorSettings& settings, const AnchorPictureOptions& options);

}  // namespace gadolin
