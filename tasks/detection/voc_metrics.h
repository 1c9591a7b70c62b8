// Average precision of Pascal VOC (Everingham et al. 2010, sections 3.4 and 4.2): one IoU, all detections of
// a class in one list.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tasks/detection/detected_pictures.h"

namespace gadolin {

// all_points: the area under the envelope of precision (since VOC2010). eleven_points: its mean at recall 0,
// 0.1 ... 1 (VOC2007). many_points: at 0, 0.01 ... 1, as COCO.
enum class ApForm { all_points, eleven_points, many_points };
// hit [N]: whether each detection found a truth, by falling score. NaN without truths.
double detection_average_precision(std::span<const std::uint8_t> hit, std::int64_t truths,
                                   ApForm form = ApForm::all_points);

// What counts.
struct VocOptions {
  double iou = 0.5;                  // a hit has at least this
  double score_threshold = 0.05;     // a detection has more than this; below 0: all
  int max_detections = 100;          // of a picture, over all classes, best scores first
  ApForm form = ApForm::all_points;  // of the area under the curve
};

// Numbers of a set.
struct VocMetrics {
  // Numbers of a class.
  struct Class {
    std::int64_t instances = 0, detections = 0, hits = 0;  // truths; detections that count; of these, hits
    double ap = 0;                                         // NaN: no instances
  };
  std::vector<Class> classes;  // in the order of their numbers
  double map = 0;              // mean over the classes with instances; NaN: there are none
  double weighted_map = 0;     // weighted by instances
  std::int64_t before_threshold = 0, detections = 0;  // detections given, and those that count
};

// A detection is a hit when the truth of its class that it overlaps most has enough IoU and is not taken; a
// further one on the same truth is a miss. Difficult truths and crowds count in neither way, nor do the
// detections on them. Equal scores keep the order of pictures and detections. Throws as check_detections.
VocMetrics voc_metrics(std::span<const DetectedPicture> pictures, int classes,
                       const VocOptions& options = {});

}  // namespace gadolin
