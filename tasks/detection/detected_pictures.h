// What a detector found in a picture beside what is true of it: the input of every number about detectors.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "data/sets/boxes/detection_set.h"

namespace gadolin {

// In pixels of the stored picture, as ObjectBox says; the class is box.label.
struct Detection {
  ObjectBox box;     // in pixels of the file
  double score = 0;  // from 0 to 1
  bool operator==(const Detection&) const = default;
};

// A picture, what was found in it and what is there.
struct DetectedPicture {
  std::string name;              // as messages call it
  std::int64_t id = 0;           // of COCO; its order decides among equal scores
  std::string patient;           // empty: unknown, then the picture counts as a patient of its own
  std::vector<MarkedBox> truth;  // what is there, with crowds and difficult ones
  std::vector<Detection> found;  // in any order
  std::string breast = {};       // patient and side; empty: one of them is unknown
};

// Of a picture of the set: "P_00038-L".
std::string breast_of(const DetectionSet& set, std::int64_t i);

// The pictures of a set with their truth, nothing found yet.
std::vector<DetectedPicture> pictures_of(const DetectionSet& set);

// Throws NumericError for a score or a corner that is not finite, DataError for a class outside
// 0..classes-1, for corners in the wrong order, and for more detections and boxes in a picture than can be
// compared with each other; names the picture.
void check_detections(std::span<const DetectedPicture> pictures, int classes);

// Detections of a picture by falling score; equal ones keep their order.
std::vector<std::size_t> by_score(std::span<const Detection> found);

// In continuous coordinates, without the old +1. `inside`: over the area of a instead of the union, the rule
// of COCO for a crowd b.
inline double intersection_over_union(const ObjectBox& a, const ObjectBox& b, bool inside = false) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
               h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return 0;
  const double both = w * h, area = (a.x2 - a.x1) * (a.y2 - a.y1);
  return both / (inside ? area : area + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

// COCO's file of results: a list of image_id, category_id, bbox and score. Detections are added to the
// pictures of `set`, joined by the original ids. Throws FormatError and DataError with file, line and entry:
// a picture or class that the set lacks, no finite score, a width below 0.
void read_coco_results(const std::string& path, const DetectionSet& set,
                       std::vector<DetectedPicture>& pictures);
// The same written, with the original ids of pictures and categories.
void write_coco_results(const std::string& path, const DetectionSet& set,
                        std::span<const DetectedPicture> pictures);

}  // namespace gadolin
