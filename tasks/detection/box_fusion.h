// Boxes of several detectors, or of several views of a picture, as one list. On the host, in double.
#pragma once

#include <string>
#include <vector>

#include "tasks/detection/detected_pictures.h"

namespace gadolin {

// In pixels of one picture, the same for all detectors; scores from 0 to 1.
using ScoredBoxes = std::vector<Detection>;

// How soft_nms lowers scores.
struct SoftNmsOptions {
  // By which function of the overlap.
  enum class Decay : std::uint8_t { linear, gaussian } decay = Decay::gaussian;
  double overlap = 0.5;  // linear: scores fall by 1 - overlap where it is above this
  double sigma = 0.5;    // gaussian: scores fall by exp(-overlap^2 / sigma)
  double score = 0.001;  // boxes that fall to this or below go
};
// Soft-NMS (Bodla et al. 2017), each class for itself: the best box lowers the scores of those that overlap
// it, then the best of the rest, and so on. By falling score, equal ones in the order in which they came.
// Throws ValueError for options outside their ranges, and as fuse_boxes for boxes.
ScoredBoxes soft_nms(ScoredBoxes boxes, const SoftNmsOptions& options = {}, const std::string& source = "");

// How fuse_boxes joins boxes.
struct FusionOptions {
  std::vector<double> weights = {};  // of the detectors, 0: as if it were not there; empty: all 1
  double overlap = 0.55;             // boxes that overlap a fused one by more are fused with it
  double score = 0;                  // boxes that score this or below are left out
};
// Weighted boxes fusion (Solovyev et al. 2021, section 3), a list a detector, each class for itself. Corners
// are the means of a cluster's, weighed with weight times score. The score is the weighted mean of the
// scores, times the share of all weights that the cluster's boxes bring, at most 1; so it never exceeds 1,
// and a box that all detectors give with score 1 keeps it.
// By falling score. Throws ValueError for weights that are negative, all 0, or not one a detector; DataError
// naming `source`, such as the picture's file, for a box with a number that is not finite, with x2 < x1 or
// y2 < y1, or a score outside [0, 1].
ScoredBoxes fuse_boxes(const std::vector<ScoredBoxes>& detectors, const FusionOptions& options = {},
                       const std::string& source = "");

}  // namespace gadolin
