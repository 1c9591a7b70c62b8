// Small truths and detections for tests.
#pragma once

#include <initializer_list>

#include "tasks/detection/detected_pictures.h"

namespace gadolin::test {

inline MarkedBox truth_at(ObjectBox box, std::int64_t id = 1) {
  MarkedBox marked;
  marked.box = box;
  marked.area = (box.x2 - box.x1) * (box.y2 - box.y1);
  marked.id = id;
  return marked;
}

// `truth` gets the ids 1, 2, 3 ...
inline DetectedPicture picture_with(std::initializer_list<ObjectBox> truth,
                                    std::initializer_list<Detection> found, std::string patient = "") {
  DetectedPicture picture;
  picture.name = "film";
  picture.patient = std::move(patient);
  static std::int64_t id = 0;
  for (const ObjectBox& box : truth) picture.truth.push_back(truth_at(box, ++id));
  picture.found = found;
  return picture;
}

}  // namespace gadolin::test
