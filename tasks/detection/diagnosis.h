// Why a detector's AP is 0: what an evaluation ends with when nothing was found.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tasks/detection/detected_pictures.h"

namespace gadolin {

// When detections count as good.
struct DiagnosisOptions {
  double iou = 0.5;               // a truth is found by a box of at least this
  double score_threshold = 0.05;  // detections above it are those that count
};

// Why a detector finds nothing, if it does.
struct DetectionDiagnosis {
  // Reasons.
  enum class Cause {
    none,  // truths are found; AP is low for reasons of its own
    no_truth,
    no_detections,
    threshold,            // what finds truths has too low a score
    shifted,              // right boxes, every class off by the same number
    confused,             // right boxes, other classes
    swapped,              // x and y exchanged
    scaled,               // all boxes too large or too small by one factor, or shares of the picture
    elsewhere,            // boxes that have nothing to do with the truth: other weights, other pictures
  } cause = Cause::none;  // the likeliest
  std::string text;       // the cause and the numbers behind it, for people
  // Of the set; given; of these, above the threshold.
  std::int64_t truths = 0, detections = 0, above_threshold = 0;
  double best_iou = 0;  // of a truth with any detection of its picture, whatever class and score; median
  double found = 0;     // share of the truths found by class and threshold
};

// Compares the detections of all scores with the truth, as they are and under each suspicion. `classes` are
// the names. Throws as check_detections.
DetectionDiagnosis diagnose_detections(std::span<const DetectedPicture> pictures,
                                       const std::vector<std::string>& classes,
                                       const DiagnosisOptions& options = {});

}  // namespace gadolin
