// Pictures with boxes: the one form in memory of box tables (CSV), Pascal VOC and COCO.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin {

// Where a row was read: a line of one of the set's files; of COCO also the number of its entry, from 0.
struct BoxOrigin {
  int file = 0;                       // its place in DetectionSet::files()
  std::int64_t line = 0, entry = -1;  // from 1; entry -1: the file has none
};

// A box as its table has it, moved to stored pixels.
struct MarkedBox {
  ObjectBox box;                                             // in stored pixels
  double area = 0;                                           // of the object itself where COCO states it
  bool crowd = false, difficult = false, truncated = false;  // COCO's iscrowd; VOC's two
  std::int64_t id = 0;                                       // COCO's; else the row's number
  BoxOrigin origin;                                          // where it was read
};

// A picture of the set and what lies in it.
struct MarkedPicture {
  int width = 0, height = 0;                // of the stored pixels
  int stated_width = 0, stated_height = 0;  // of the table; 0: it says nothing
  int orientation = 1;                      // of EXIF (data/image/header.h)
  // Sizes do not tell whether boxes were drawn on the stored picture or on the one that EXIF makes of it, and
  // they were taken to lie on the stored one.
  bool doubtful = false;
  std::string side;              // of a paired organ such as the breast, L or R; empty: unknown
  std::int64_t id = 0;           // COCO's; else the number of the picture
  BoxOrigin origin;              // the row that names it first
  std::vector<MarkedBox> boxes;  // in the order of the rows
};

// What became of the rows with boxes: rows = boxes + wrong + thin + passed_over.
struct BoxCounts {
  std::int64_t rows = 0, boxes = 0;  // rows with boxes; those that became boxes
  std::int64_t wrong = 0;            // left out, each with a line in DatasetOptions::problems
  std::int64_t thin = 0;             // COCO's boxes less than a pixel wide or high
  std::int64_t passed_over = 0;      // difficult or truncated ones that were not wanted
  std::int64_t clipped = 0;          // of `boxes`: cut by at most a pixel
  std::int64_t turned = 0;           // of `boxes`: moved from the shown picture to stored pixels
};

// Its samples have "image", "boxes" (std::vector<ObjectBox>) and "label"; boxes of crowds are not among
// these, as nobody should learn from them. labels(i) are the classes that occur in the picture, none in one
// without boxes, so that splits and folds keep the shares of classes, and a classifier may learn what is in a
// picture. Pictures are of any kind that data/image/image.h reads.
//
// Pictures are taken as they are stored, whatever EXIF says of how to show them. Boxes that were drawn on the
// shown picture are moved to the stored pixels: where the table's size is that of the shown picture, or,
// where sizes cannot tell, when DatasetOptions::boxes_on_shown says so.
class DetectionSet : public Dataset {
 public:
  // All that was read, before any subset.
  struct Content {
    std::vector<MarkedPicture> pictures;    // in the order of the samples
    std::vector<std::int64_t> class_ids;    // of each class in its file
    std::vector<std::string> files, notes;  // as files() and notes()
    BoxCounts counts;                       // as counts()
  };
  // For readers; `content.pictures` belong to the samples at their places.
  DetectionSet(std::vector<std::string> classes, std::vector<SampleInfo> samples, std::string root,
               Content content);

  Sample sample(std::int64_t i) const override;
  const MarkedPicture& picture(std::int64_t i) const;  // throws ValueError outside 0..size()-1
  // The number of each class in its file: COCO's category ids, with their gaps; else 0, 1, 2 ...
  const std::vector<std::int64_t>& class_ids() const { return content_->class_ids; }
  std::string place(const BoxOrigin& origin) const;  // "boxes.csv:12", "val.json:1: annotations[3]"
  std::string fingerprint() const override;          // boxes and flags are part of it

  // Of the whole set that was opened, also for a subset.
  const BoxCounts& counts() const { return content_->counts; }
  const std::vector<std::string>& files() const { return content_->files; }  // that BoxOrigin counts
  // What was taken for granted, one sentence a kind: "3 annotations have no area; width x height is taken".
  const std::vector<std::string>& notes() const { return content_->notes; }
  // "12 rows with boxes: 10 boxes of 2 classes in 4 pictures, 1 of them without boxes; 2 rows left out".
  std::string summary() const;

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<DetectionSet>(*this); }

 private:
  std::shared_ptr<const Content> content_;  // picture i of this set is number info(i).record of it
};

// A table path,x1,y1,x2,y2,class, a row a box; path,,,,, is a picture without boxes. Corners in pixels from
// 0, fractions are kept. Without a header exactly these columns; a header may name them in any order (also
// filename, xmin ..., class_name, label), with patient, side (L or R), split, width, height and shape (box or
// ellipse: ObjectBox::ellipse); other columns of it are passed over. Pictures in the order in which they
// appear; paths from the folder of the table, or from options.image_folder. Classes: options.class_file
// (lines name,id, ids 0..K-1), options.classes, or all names, sorted.
//
// What all readers share: opening reads the header of every picture. Corners up to a pixel outside the
// picture are moved to its edge and counted. Everything else that is wrong (x2 <= x1, outside, another
// class, a missing picture, ...) is a DataError with file and line, and what the row looks like if that can
// be told; with options.problems such rows are left out, noted there, and their pictures stay. With
// options.classes given, classes are joined by name, whatever their numbers.
std::unique_ptr<DetectionSet> open_box_table(const std::string& path, const DatasetOptions& options = {});

// Pascal VOC: ROOT/Annotations/ID.xml with ROOT/JPEGImages/ID.*, in any case, also annotations/ with images/.
// The lists ImageSets/Main/train.txt, val.txt and test.txt give the splits; options.part reads one list
// alone; without lists all annotations. 1 is taken off all corners. An annotation may have no size and no
// object. Classes: options.class_file, options.classes, or all names, sorted.
std::unique_ptr<DetectionSet> open_voc(const std::string& root, const DatasetOptions& options = {});

// COCO: a JSON file, with pictures in options.image_folder, else ../images/NAME for instances_NAME.json, else
// ../images or the folder of the file, whatever has the first picture; or a folder with
// annotations/instances_NAME.json, where train..., val... and test... are splits. Classes are the categories
// by rising id. A box has x, y, width, height. Numbers may be written as strings.
std::unique_ptr<DetectionSet> open_coco(const std::string& path, const DatasetOptions& options = {});

// Whether open_dataset takes a path for one of these.
bool is_box_table(const std::string& path);  // by its first row
bool holds_voc(const std::string& root);     // has Annotations/ of Pascal VOC
bool holds_coco(const std::string& root);    // has annotations/ of COCO

}  // namespace gadolin
