// FROC: how many lesions are found at how many false alarms a picture (Chakraborty 1989; Bandos et al. 2009),
// and the numbers of readers that need no place: AUC of pictures, breasts and patients, cases found, silent
// normals.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tasks/detection/detected_pictures.h"
#include "tasks/intervals.h"

namespace gadolin {

// What a hit is, and which rates are reported.
struct FrocOptions {
  // When a detection hits a lesion: IoU of at least `iou`, or its centre inside the lesion's box.
  // By overlap, or by the detection's centre within the lesion.
  enum class Hit { iou, centre } hit = Hit::iou;
  double iou = 0.2;                               // that a hit has at least
  bool same_class = true;                         // it also needs the lesion's class
  std::vector<double> rates{0.25, 0.5, 1, 2, 4};  // false alarms a picture to report sensitivities at
  double threshold = 0.5;                         // of cases found and silent normals
  BootstrapOptions bootstrap = {};                // 0 resamples: no intervals (they are NaN)
};

// A point of the curve.
struct FrocPoint {
  double threshold;          // detections of this score or more
  double sensitivity;        // lesions found / lesions
  double false_per_picture;  // over all pictures
  double false_per_normal;   // on normal pictures, over these; NaN without any
};

// At a number of false alarms: the largest sensitivity that is reached with no more of them, 0 when even the
// first detections are too many. Nothing is interpolated.
struct SensitivityAt {
  double rate;        // false alarms a picture
  Share sensitivity;  // lesions found
  double threshold;   // the lowest score that gives it; NaN: no detection counts
};

// Sensitivity against false alarms, and what is said of pictures, breasts and patients.
struct FrocMetrics {
  std::int64_t pictures = 0, normals = 0, lesions = 0, detections = 0;  // a normal picture has no lesion
  std::vector<FrocPoint> curve;                       // by falling threshold, a point a distinct score
  std::vector<SensitivityAt> over_all, over_normals;  // false alarms over all pictures; on and over normals
  std::vector<SensitivityAt> band;  // over all, from 0 to twice the last rate: a curve to draw, its intervals
  Share mean_sensitivity, mean_sensitivity_normals;  // of these
  // Of the largest score of each picture, of each breast, and of each patient: lesion or none. Pictures of
  // which the breast is unknown count in the other two alone.
  Share picture_auc, breast_auc, patient_auc;
  std::int64_t breasts = 0, without_breast = 0;  // known ones; pictures without one
  // At options.threshold. A case is a patient with a lesion, found when one of the lesions is hit.
  Share case_sensitivity, specificity;                   // cases found; normal pictures without a detection
  double alarms_per_picture = 0, alarms_per_normal = 0;  // on all pictures, and on normal ones
};

// "AUC of 12 breasts", and how many pictures, called so, belong to none.
std::string breasts_text(const FrocMetrics& m, const char* pictures);

// A lesion counts once; each detection takes the lesion not yet found that it overlaps most, by falling
// score. A further detection on a lesion is neither found nor false. Crowds and difficult truths are no
// lesions, and detections on them count in neither way. Values without a denominator (no lesion, no normal
// picture) are NaN. Intervals by patient: the bootstrap of tasks/metrics.h. Throws as check_detections, and
// ValueError for rates that do not rise.
FrocMetrics froc(std::span<const DetectedPicture> pictures, int classes, const FrocOptions& options = {});

}  // namespace gadolin
