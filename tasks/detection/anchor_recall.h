// Which boxes of a set have an anchor to learn them: the question to ask before training a detector, since
// boxes that are small, long or thin behind the pipeline may have none, and then nothing is learnt of them.
#pragma once

#include "data/image/transforms.h"
#include "data/sets/boxes/detection_set.h"
#include "tasks/detection/settings.h"
#include "tasks/task.h"

namespace gadolin {

struct AnchorRecall {
  struct Group {
    double from = 0,
           to = 0;  // root of the box's area in pixels of the net's input; the last `to` is infinite
    std::int64_t boxes = 0, matched = 0;
    double overlap = 0;  // mean of the boxes' largest overlaps
  };
  std::vector<Group> groups;
  std::int64_t boxes = 0, matched = 0;
};

// A box is matched when some anchor overlaps it by settings.match.object or more. Crowds and difficult boxes
// do not count. Boxes are scaled as the sides of their picture are, the largest that random steps give; what
// a crop would cut off counts too.
AnchorRecall anchor_recall(const DetectionSet& set, const Pipeline& pipeline,
                           const DetectorSettings& settings);

// A row a group, and one of all.
TextRows recall_table(const AnchorRecall& recall);

// Throws DataError when more than a fifth of the boxes have no anchor, unless the settings rescue them.
void require_matches(const AnchorRecall& recall, const DetectorSettings& settings);

}  // namespace gadolin
