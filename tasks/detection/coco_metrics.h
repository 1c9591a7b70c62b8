// COCO's twelve numbers of a detector (Lin et al. 2014; cocodataset.org, "Metrics"), of boxes.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "tasks/detection/coco_matching.h"
#include "tasks/detection/detected_pictures.h"
#include "tasks/intervals.h"

namespace gadolin {

// What counts.
struct CocoOptions {
  // Detections of a class that count in each picture, best scores first; rising. AP takes the last.
  std::array<int, 3> max_detections{1, 10, 100};
};

// The twelve numbers and what they are made of.
struct CocoMetrics {
  // AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl. NaN where it is not defined, as no class has truth
  // in that range of areas (pycocotools writes -1).
  std::array<double, 12> values;
  std::vector<double> class_ap, class_ap50;               // [classes]; NaN: no truth
  std::vector<std::int64_t> class_truths;                 // [classes]
  std::int64_t pictures = 0, truths = 0, detections = 0;  // of the set
  // On pictures without truth: how many there are, how many of them have no detection, and all detections.
  std::int64_t normals = 0, silent_normals = 0, normal_alarms = 0;
  std::vector<std::string> notes;  // a sentence on everything that a reader of the numbers should know
};
// Names of CocoMetrics::values.
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

// Precision of a class at recall 0, 0.01 ... 1, under the envelope: at IoU 0.5, and its mean over 0.5 to
// 0.95.
struct PrecisionCurve {
  std::vector<double> at50, mean;  // [101]; empty for a class without truth
};
inline constexpr int recall_points = 101;  // from 0 to 1 in steps of 0.01

// The same in two parts: who takes whom, once; then numbers with a weight a picture, as for intervals by
// patient (bootstrap_all of tasks/metrics.h). A picture of weight 2 counts as two pictures that are equal.
class CocoMatches {
 public:
  // As coco_metrics. `pictures` are not needed afterwards.
  CocoMatches(std::span<const DetectedPicture> pictures, int classes, const CocoOptions& options = {});
  const CocoMetrics& metrics() const { return metrics_; }  // as computed
  // The twelve numbers, then AP of each class, then AP50 of each. weight [pictures]; empty: 1 each. May be
  // called by several threads at once.
  std::vector<double> values(Reals weight = {}) const;
  PrecisionCurve precision_of(int label) const;  // throws ValueError for a class that is not there

 private:
  struct Truths {
    std::uint32_t picture;
    std::array<std::int32_t, detail::area_ranges> count;  // of each range of areas
  };
  struct OfClass {
    std::vector<detail::JudgedDetection> judged;  // by falling score
    std::vector<Truths> truths;                   // a picture each
    std::int64_t all_truths = 0;
    // By range of areas; `w`: weight of a picture.
    std::array<double, detail::area_ranges> count(Reals w) const;
  };
  CocoOptions options_;
  std::vector<OfClass> classes_;
  CocoMetrics metrics_;
};

// A value as people read it: "0.5050", or "not defined: no truth"; `missing` is what there is none of.
std::string detection_value_text(double value, const char* missing = "no truth");
// The same with its interval, if it has one: "0.5050 (0.3211 to 0.6702)".
std::string detection_share_text(const Share& share, const char* missing = "no truth");

}  // namespace gadolin
