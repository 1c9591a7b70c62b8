// The entries of COCO's JSON files one by one, with the lines they begin in; what nobody asks for
// (segmentations, licences) is passed over, so that files of gigabytes need little memory.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gadolin::detail {

struct CocoValue {
  enum class Kind : std::uint8_t { absent, number, text, other } kind = Kind::absent;
  double number = 0;
  std::string text;
};

enum class CocoField {
  id,
  image_id,
  category_id,
  file_name,
  name,
  width,
  height,
  area,
  iscrowd,
  patient,
  side,
  split,
  score,
  count
};

struct CocoEntry {
  enum class List { images, annotations, categories, results } list = List::images;
  std::int64_t number = 0, line = 0;  // in its list, from 0; in the file, from 1
  std::array<CocoValue, static_cast<std::size_t>(CocoField::count)> fields;
  std::array<CocoValue, 5> bbox;  // its first numbers
  std::size_t bbox_size = 0;
  bool has_bbox = false;
  const CocoValue& operator[](CocoField field) const { return fields[static_cast<std::size_t>(field)]; }
};

// Calls `f` for every entry of the lists images, annotations and categories of an object, or of the one list
// of a file of results. Returns which lists there were. Throws FormatError with file and line for what is no
// JSON, or neither of the two forms.
struct CocoLists {
  bool images = false, annotations = false, categories = false, results = false;
};
CocoLists read_coco_json(std::string_view text, const std::string& name,
                         const std::function<void(const CocoEntry&)>& f);

// "boxes: val.json:1: annotations[3]", made when a message needs it.
struct CocoPlace {
  const std::string& file;
  const CocoEntry& entry;
  operator std::string() const;
};
// A number, also written as text. Throws DataError, beginning with `place`, when it is absent or none.
double coco_number(const CocoValue& value, const char* what, const CocoPlace& place);
// The same of a whole number.
std::int64_t coco_integer(const CocoValue& value, const char* what, const CocoPlace& place);
// x, y, width and height. Throws DataError.
std::array<double, 4> coco_bbox(const CocoPlace& place);

}  // namespace gadolin::detail
