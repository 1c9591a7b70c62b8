// Pictures that tell most about a detector: those that it does best, its surest false alarms, what it missed.
#pragma once

#include <string>
#include <vector>

#include "tasks/detection/detected_pictures.h"

namespace gadolin {

// One picture at a threshold. A detection finds the truth of its class that it overlaps most, by `overlap` or
// more and not found yet; a further one on it, and one on a crowd or a difficult truth, counts in neither
// way.
struct PictureVerdict {
  std::size_t picture = 0;
  int truths = 0, found = 0, false_alarms = 0;
  double mean_overlap = 0;  // of those found
  double surest_alarm = 0;  // largest score of a false alarm
};
PictureVerdict judge_picture(const DetectedPicture& picture, std::size_t number, double threshold,
                             double overlap = 0.5);

// "2 of 3 found, 1 false alarm"; "no object, 2 false alarms".
std::string verdict_text(const PictureVerdict& verdict);

struct TellingPictures {
  std::vector<PictureVerdict> best;    // with truth: most of it found, fewest false alarms, largest overlaps
  std::vector<PictureVerdict> worst;   // by their surest false alarm
  std::vector<PictureVerdict> missed;  // by how many truths were not found, then by the share of them
};
// At most `each` of a kind, a picture in one of them.
TellingPictures telling_pictures(const std::vector<DetectedPicture>& pictures, double threshold,
                                 std::size_t each);

}  // namespace gadolin
