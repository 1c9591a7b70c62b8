// Which boxes of a set have an anchor to learn them: the question to ask before training a detector, since
// boxes that are small, long or thin behind the pipeline may have none, and then nothing is learnt of them.
#pragma once

#include "data/image/transforms.h"
#include "data/sets/boxes/detection_set.h"
#include "tasks/detection/settings.h"
#include "tasks/task.h"

namespace gadolin {

// A box behind the pipeline.
struct SeenBox {
  std::int64_t picture = 0;  // of the set
  std::size_t box = 0;       // of the picture
  ObjectBox seen;            // in pixels of the net's input
  double overlap = 0;        // the largest with an anchor
  Corners anchor;            // that anchor, in the same pixels
  Affine map;                // from pixels of the file to those
  bool matched = false;      // enough to learn it
};

// How well anchors fit the boxes of a set.
struct AnchorRecall {
  // Boxes of about one size.
  struct Group {
    // Root of the box's area in pixels of the net's input; the last `to` is infinite.
    double from = 0, to = 0;
    std::int64_t boxes = 0, matched = 0;  // all; those with an anchor that learns them
    double overlap = 0;                   // mean of the boxes' largest overlaps
  };
  std::vector<Group> groups;            // by rising size
  std::int64_t boxes = 0, matched = 0;  // all; those with an anchor that learns them
  std::int64_t dropped = 0;  // of the boxes looked at: cut away, or made too loose, and not in `boxes`
  std::int64_t pictures = 0, of_pictures = 0;  // looked at, in the set
};

// A box is matched when some anchor overlaps it by settings.match.object or more. Crowds and difficult boxes
// do not count. Where the pipeline only resizes and mirrors, boxes are scaled as their picture is. Where it
// crops, turns or draws sizes it is run with one draw a picture, of at most 300 pictures spread over the set,
// and boxes are those that a batch of training would hold. `each`: gets the boxes one by one.
AnchorRecall anchor_recall(const DetectionSet& set, const Pipeline& pipeline,
                           const DetectorSettings& settings, std::vector<SeenBox>* each = nullptr);

// A row a group, and one of all.
TextRows recall_table(const AnchorRecall& recall);

// Throws DataError when more than a fifth of the boxes have no anchor, unless the settings rescue them.
void require_matches(const AnchorRecall& recall, const DetectorSettings& settings);

}  // namespace gadolin
