// Small sets with boxes, written anew for each test: pictures a.png and b.png of 40 x 30 pixels.
#pragma once

#include <string>
#include <vector>

#include "data/sets/boxes/detection_set.h"
#include "tests/data/messages.h"

namespace gadolin::test {

struct BoxFolder : Scratch {
  BoxFolder() { pictures(""); }
  void pictures(const std::string& below) const {
    write(below + "a.png", encode_png(pattern(40, 30, 1)));
    write(below + "b.png", encode_png(pattern(40, 30, 1)));
  }
  std::string table(const std::string& rows) const { return write("boxes.csv", rows); }
  // JPEGImages/a.png with an annotation around these objects.
  void voc(const std::string& objects, const std::string& size = "") const {
    pictures("JPEGImages/");
    write("Annotations/a.xml", "<annotation>\n" + size + objects + "</annotation>\n");
  }
  std::string coco(const std::string& annotations,
                   const std::string& categories = R"({"id": 3, "name": "mass"}, {"id": 7, "name": "cyst"})",
                   const std::string& images =
                       R"({"id": 1, "file_name": "a.png", "width": 40, "height": 30},
                          {"id": 2, "file_name": "b.png", "width": 40, "height": 30})") const {
    return write("set.json", "{\"images\": [" + images + "],\n\"categories\": [" + categories +
                                 "],\n\"annotations\": [\n" + annotations + "]}\n");
  }
};

inline std::string voc_object(const std::string& corners, const std::string& more = "<name>mass</name>") {
  return "<object>" + more + "\n<bndbox>" + corners + "</bndbox></object>\n";
}
inline std::string voc_corners(const std::string& x1, const std::string& y1, const std::string& x2,
                               const std::string& y2) {
  return "<xmin>" + x1 + "</xmin><ymin>" + y1 + "</ymin><xmax>" + x2 + "</xmax><ymax>" + y2 + "</ymax>";
}

inline std::vector<ObjectBox> boxes_of(const DetectionSet& set, std::int64_t i) {
  std::vector<ObjectBox> boxes;
  for (const MarkedBox& b : set.picture(i).boxes) boxes.push_back(b.box);
  return boxes;
}

}  // namespace gadolin::test
