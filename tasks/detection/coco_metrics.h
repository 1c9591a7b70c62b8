// COCO's twelve numbers of a detector (Lin et al. 2014; cocodataset.org, "Metrics"), of boxes.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "tasks/detection/detected_pictures.h"

namespace gadolin {

struct CocoOptions {
  // Detections of a class that count in each picture, best scores first; rising. AP takes the last.
  std::array<int, 3> max_detections{1, 10, 100};
};

struct CocoMetrics {
  // AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl. NaN where it is not defined, as no class has truth
  // in that range of areas (pycocotools writes -1).
  std::array<double, 12> values;
  std::vector<double> class_ap, class_ap50;  // [classes]; NaN: no truth
  std::int64_t pictures = 0, truths = 0, detections = 0;
  // On pictures without truth: how many there are, how many of them have no detection, and all detections.
  std::int64_t normals = 0, silent_normals = 0, normal_alarms = 0;
  std::vector<std::string> notes;  // a sentence on everything that a reader of the numbers should know
};
extern const std::array<const char*, 12> coco_metric_names;

// IoU 0.5:0.05:0.95; 101 points of recall under the envelope of precision; matching in the order of scores,
// to the best truth that is still free, at equal IoU to the later one; truths that count before those that do
// not. A crowd takes any number of detections, which then do not count, by the share of their own area inside
// it. Small is below 32^2, medium below 96^2, by the area of the truth (MarkedBox::area); a detection without
// a match does not count when its own area is outside. Equal to pycocotools 2.0 to 1e-9, but for ids: there
// an annotation with id 0 is never found, and of annotations with one id the last stands for all. Such cases
// are notes here. Of equal scores those of the picture with the lower id come first. Throws as
// check_detections.
//
// Memory beside the input: 32 bytes a detection, and 16 for each pair of a detection and a truth of one
// picture and class that overlap by half; no matrix of all pairs.
CocoMetrics coco_metrics(std::span<const DetectedPicture> pictures, int classes,
                         const CocoOptions& options = {});

// A value as people read it: "0.505", or "not defined: no truth".
std::string detection_value_text(double value);

}  // namespace gadolin
