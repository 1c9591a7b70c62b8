// What the readers of box tables, Pascal VOC and COCO hand to the part they share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/image/header.h"
#include "data/sets/boxes/detection_set.h"

namespace gadolin::detail {

struct RawBox {
  std::size_t picture = 0;
  int name = 0;  // of its class, in RawBoxes::names
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  double area = -1;  // below 0: width x height
  bool crowd = false, difficult = false, truncated = false;
  bool ellipse = false;    // ObjectBox::ellipse
  bool from_size = false;  // the row had a width and a height instead of x2 and y2
  std::int64_t id = 0;
  BoxOrigin origin;
};

struct RawPicture {
  std::string name, path;  // as messages call it; the file
  std::string patient, side;
  Split split = Split::none;
  int width = 0, height = 0;  // as stated; 0: not
  std::int64_t id = 0;
  BoxOrigin origin;
};

// Class names by number, in the order in which they were met.
class ClassNames {
 public:
  int number(const std::string& name);  // a new one is added
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_;
  std::unordered_map<std::string, int> number_;
};

struct RawBoxes {
  std::string root;
  std::vector<std::string> files, notes;
  std::vector<RawPicture> pictures;
  std::vector<RawBox> boxes;
  ClassNames names;
  // Numbers and their classes where the form has a list of them; empty: the names, sorted.
  std::vector<std::string> classes;
  std::vector<std::int64_t> class_ids;
  BoxCounts counts;
  std::string place(const BoxOrigin& origin) const;
};

// The place of a row, made when a message needs it.
struct RowPlace {
  const RawBoxes& raw;
  const BoxOrigin& origin;
  operator std::string() const { return raw.place(origin); }
};

// Runs `f`; what it throws as DataError is a wrong row: thrown on, or noted and counted.
bool row_is_right(const DatasetOptions& options, const std::function<void()>& f);

// Header of a picture's file; readers of bytes from memory (fuzzers) give their own.
using HeaderOf = std::function<ImageHeader(const RawPicture&)>;
ImageHeader header_of_file(const RawPicture& picture);
ImageHeader stated_header(const RawPicture& picture);  // of the table; 0 x 0 where it says nothing

// Checks every picture and box, numbers the classes. Throws DataError for a set without pictures.
std::unique_ptr<DetectionSet> finish_boxes(RawBoxes raw, const DatasetOptions& options,
                                           const HeaderOf& header_of = header_of_file);

// The box inside a picture of this size: moved to the edge by at most a pixel. Throws DataError, beginning
// with `place`, for corners that are none. `clipped` says whether it was moved.
ObjectBox checked_box(const RawBox& box, int width, int height, const RowPlace& place, bool& clipped);

// The same box; throws DataError when x2 < x1 or y2 < y1.
ObjectBox written_box(const RawBox& box, const RowPlace& place);

// "x1 is '3,5', not a number"
double box_number(std::string_view text, const char* what, const std::string& place);
// L or R, of letters or words in any case; empty for an empty text.
std::string box_side(std::string_view text, const std::string& place);
std::string patient_of(const std::string& name, const DatasetOptions& options);

// Lines name,id. Throws DataError with file and line for ids that are not 0..K-1, each once, and for names
// that come twice.
std::vector<std::string> read_class_file(const std::string& path);
std::vector<std::string> parse_class_file(std::string_view text, const std::string& name);

// The formats from text. `picture_path` makes the file's path of a name in a row.
void parse_box_table(std::string_view text, const std::string& name, const DatasetOptions& options,
                     RawBoxes& raw);
// Adds the objects of one annotation to picture `picture` of `raw`.
void parse_voc(std::string_view text, const std::string& name, const DatasetOptions& options,
               std::size_t picture, RawBoxes& raw);
void parse_coco(std::string_view text, const std::string& name, const DatasetOptions& options, Split split,
                RawBoxes& raw);

}  // namespace gadolin::detail
