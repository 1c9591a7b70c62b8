// Which anchor learns which object: the targets of a detector's losses.
#pragma once

#include "tasks/detection/boxes.h"

namespace gadolin {

// When an anchor learns an object.
struct MatchOptions {
  // By the overlap of an anchor with the object that it overlaps most: an object from `object` on, background
  // up to `background`, ignored between the two (Lin et al. 2017, "Focal loss", section 4).
  double object = 0.5, background = 0.4;
  bool background_open = false;  // an overlap of `background` itself is ignored: torchvision, legacy
  // What an object gets that no anchor overlaps enough. best: the anchor that overlaps it most, the first of
  // equals, if that is more than nothing; of two objects with the same one, the object that it overlaps more.
  // ties: as torchvision, every anchor with the largest overlap of some object learns the object that the
  // anchor itself overlaps most.
  // What an object gets that no anchor overlaps enough.
  enum class Rescue : std::uint8_t { none, best, ties } rescue = Rescue::none;
  // Anchors whose centre lies right of the picture or below it, in its padding, are ignored.
  bool ignore_padding = true;
  bool plus_one = false;  // overlaps count the last pixel: legacy
  BoxCoder coder = {};    // what the net's numbers mean
  bool encoded = true;    // targets are the coder's numbers; false: corners, for GIoU
};

// Throws UsageError unless 0 <= background <= object <= 1 and object > 0.
void check_match(const MatchOptions& options);

// What each anchor should say.
struct AnchorTargets {
  Tensor label;      // int64 [N, A]: class, -1 background, -2 ignored (tasks/detection/anchor_loss.h)
  Tensor box;        // fp32 [N, A, 4]: what the net should say; 0 where there is no object
  Tensor object;     // int64 [N, A]: the number of the object, -1 where there is none
  Tensor best;       // fp32 [N, M]: the largest overlap of each object with any anchor; -1 behind the last
  Tensor positives;  // int64 [N]: anchors with an object
};

// anchors fp32 [A, 4]; of a batch (DetectionCollation, data/sets/collation.h): boxes fp32 [N, M, 4], label
// int64 [N, M], count int64 [N], size int64 [N, 2]. Objects with a label below 0 are regions to leave alone:
// anchors that overlap them most, from `object` on, are ignored. A box with NaN matches nothing. Takes memory
// for N A numbers, not for N A M, and reads nothing on the host, so a step with it can be recorded. Throws
// ShapeError, DTypeError, DeviceError.
AnchorTargets match_anchors(const Tensor& anchors, const Tensor& boxes, const Tensor& label,
                            const Tensor& count, const Tensor& size, const MatchOptions& options = {});

}  // namespace gadolin
