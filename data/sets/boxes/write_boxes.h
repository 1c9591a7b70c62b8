// A set with boxes as a table, Pascal VOC or COCO.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/sets/boxes/detection_set.h"

namespace gadolin {

// Forms in which boxes are written.
enum class BoxForm { table, voc, coco };
// Of csv, voc and coco; none for another word.
std::optional<BoxForm> box_form(std::string_view name);

// The rows of a table with its header: path,x1,y1,x2,y2,class,patient,split, with side and shape where some
// are known; paths relative to the folder of
// `path` where they lie below it. Written atomically.
void write_box_table(const std::string& path, const DetectionSet& set);

// A folder that open_dataset reads again, pictures copied byte for byte under numbers:
//   table  boxes.csv, classes.csv, images/000000.png ...
//   voc    Annotations/000000.xml, JPEGImages/, ImageSets/Main/train.txt, val.txt, test.txt
//   coco   annotations/instances_train.json ..., images/train/ ...; a set without splits is
//   instances_all.json
// Names, boxes with their fractions, classes, splits and, but in VOC, patients, sides and original ids go
// along. Returns what a form cannot hold, a sentence each: "1 crowd is an ordinary box in Pascal VOC".
std::vector<std::string> write_boxes(const std::string& folder, const DetectionSet& set, BoxForm form);

}  // namespace gadolin
