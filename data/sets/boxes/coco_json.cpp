#include "data/sets/boxes/coco_json.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "data/sets/boxes/raw_boxes.h"
#include "io/json.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::detail {
namespace {

constexpr const char* list_names[] = {"images", "annotations", "categories", "results"};

// Tells how far the parser has read.
class CountedByte {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  CountedByte(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountedByte& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  CountedByte operator++(int) {
    const CountedByte before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountedByte& other) const { return at_ == other.at_; }
  bool operator!=(const CountedByte& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

int field_called(std::string_view key) {
  static constexpr std::pair<std::string_view, CocoField> known[] = {{"id", CocoField::id},
                                                                     {"image_id", CocoField::image_id},
                                                                     {"category_id", CocoField::category_id},
                                                                     {"score", CocoField::score},
                                                                     {"area", CocoField::area},
                                                                     {"iscrowd", CocoField::iscrowd},
                                                                     {"file_name", CocoField::file_name},
                                                                     {"name", CocoField::name},
                                                                     {"width", CocoField::width},
                                                                     {"height", CocoField::height},
                                                                     {"patient", CocoField::patient},
                                                                     {"patient_id", CocoField::patient},
                                                                     {"side", CocoField::side},
                                                                     {"split", CocoField::split}};
  for (const auto& [name, field] : known)
    if (name == key) return static_cast<int>(field);
  return -1;
}

// Called by the parser in the order of the text. An entry is an object at depth 2 of results, at depth 3
// otherwise; its own fields stand one deeper.
class CocoHandler {
 public:
  CocoHandler(std::string_view text, const std::string& name, const std::function<void(const CocoEntry&)>& f)
      : counted_(text.data()), reached_(text.data()), printable_name_(printable(name)), call_(f) {}
  const char** reached() { return &reached_; }

  // A field that is null is one that is not there; a number of a box must be one.
  bool null() {
    return value(depth_ > entry_depth_ ? CocoValue::Kind::other : CocoValue::Kind::absent, 0, nullptr);
  }
  bool boolean(bool v) { return value(CocoValue::Kind::number, v ? 1 : 0, nullptr); }
  bool number_integer(std::int64_t v) {
    return value(CocoValue::Kind::number, static_cast<double>(v), nullptr);
  }
  bool number_unsigned(std::uint64_t v) {
    return value(CocoValue::Kind::number, static_cast<double>(v), nullptr);
  }
  bool number_float(double v, const std::string&) { return value(CocoValue::Kind::number, v, nullptr); }
  bool string(std::string& v) { return value(CocoValue::Kind::text, 0, &v); }
  bool binary(Json::binary_t&) { return value(CocoValue::Kind::other, 0, nullptr); }

  bool key(std::string& key) {
    field_ = -1;
    bbox_ = false;
    if (depth_ == 1) {
      list_ = -1;
      for (int l = 0; l < 3; ++l)
        if (key == list_names[l]) list_ = l;
    } else if (in_entry_ && depth_ == entry_depth_) {
      field_ = field_called(key);
      bbox_ = key == "bbox";
    }
    return true;
  }
  bool start_object(std::size_t) {
    if (depth_ == 0) entry_depth_ = 3;
    require_list(false);
    ++depth_;
    if (depth_ == entry_depth_ && list_ >= 0) {
      for (CocoValue& field : entry_.fields) field.kind = CocoValue::Kind::absent;
      entry_.has_bbox = false;
      entry_.bbox_size = 0;
      entry_.list = static_cast<CocoEntry::List>(list_);
      entry_.number = numbers_[list_]++;
      entry_.line = line();
      in_entry_ = true;
    } else if (in_entry_) {
      other();
    }
    return true;
  }
  bool end_object() {
    if (in_entry_ && depth_ == entry_depth_) {
      in_entry_ = false;
      call_(entry_);
    }
    --depth_;
    return true;
  }
  bool start_array(std::size_t) {
    if (depth_ == 0) {
      entry_depth_ = 2;
      list_ = 3;
      lists_.results = true;
    } else if (depth_ == 1 && entry_depth_ == 3 && list_ >= 0) {
      (list_ == 0 ? lists_.images : list_ == 1 ? lists_.annotations : lists_.categories) = true;
    } else {
      require_list(true);
    }
    ++depth_;
    if (in_entry_ && depth_ == entry_depth_ + 1 && bbox_) {
      entry_.has_bbox = true;
      entry_.bbox_size = 0;
    } else if (in_entry_) {
      other();
    }
    return true;
  }
  bool end_array() {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception&) {
    fail<FormatError>("boxes: ", printable_name_, ":", line(), ": no JSON, at byte ", position, " after '",
                      printable(token, 40), "'");
  }
  const CocoLists& lists() const { return lists_; }

 private:
  std::int64_t line() {
    lines_ += std::count(counted_, reached_, '\n');
    counted_ = reached_;
    return lines_;
  }
  // In a list there are objects, and under the name of a list a list.
  void require_list(bool no_object) {
    if (list_ < 0) return;
    if (depth_ == entry_depth_ - 1 && no_object)
      fail<FormatError>("boxes: ", printable_name_, ":", line(), ": an entry of ", list_names[list_],
                        " is no object");
    if (list_ != 3 && depth_ == 1)
      fail<FormatError>("boxes: ", printable_name_, ":", line(), ": ", list_names[list_], " is no list");
  }
  void other() {
    if (depth_ == entry_depth_ + 1 && field_ >= 0)
      entry_.fields[static_cast<std::size_t>(field_)].kind = CocoValue::Kind::other;
  }
  bool value(CocoValue::Kind kind, double number, std::string* text) {
    require<FormatError>(depth_ > 0, "boxes: ", printable_name_,
                         ":1: neither an object of COCO with images, annotations and categories nor a list "
                         "of results");
    require_list(true);
    if (!in_entry_) return true;
    CocoValue* place = nullptr;
    if (depth_ == entry_depth_ && field_ >= 0) {
      place = &entry_.fields[static_cast<std::size_t>(field_)];
    } else if (depth_ == entry_depth_ && bbox_) {
      entry_.has_bbox = true;
      entry_.bbox_size = 0;
    } else if (depth_ == entry_depth_ + 1 && bbox_ && entry_.bbox_size < entry_.bbox.size()) {
      place = &entry_.bbox[entry_.bbox_size++];
    }
    if (!place) return true;
    place->kind = kind;
    place->number = number;
    if (text) place->text = std::move(*text);
    return true;
  }

  const char *counted_, *reached_;
  std::string printable_name_;
  const std::function<void(const CocoEntry&)>& call_;
  std::int64_t lines_ = 1, numbers_[4] = {};
  int depth_ = 0, entry_depth_ = 3, list_ = -1, field_ = -1;
  bool in_entry_ = false, bbox_ = false;
  CocoEntry entry_;
  CocoLists lists_;
};

}  // namespace

CocoLists read_coco_json(std::string_view text, const std::string& name,
                         const std::function<void(const CocoEntry&)>& f) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  CocoHandler handler(text, name, f);
  Json::sax_parse(CountedByte(text.data(), handler.reached()),
                  CountedByte(text.data() + text.size(), handler.reached()), &handler);
  return handler.lists();
}

CocoPlace::operator std::string() const {
  return cat("boxes: ", printable(file), ":", entry.line, ": ", list_names[static_cast<int>(entry.list)], "[",
             entry.number, "]");
}

double coco_number(const CocoValue& value, const char* what, const CocoPlace& place) {
  require<DataError>(value.kind != CocoValue::Kind::absent, place, " has no ", what);
  require<DataError>(value.kind != CocoValue::Kind::other, place, ": ", what, " is no number");
  if (value.kind == CocoValue::Kind::text) return box_number(value.text, what, place);
  return value.number;  // finite: the parser refuses 1e999
}

std::int64_t coco_integer(const CocoValue& value, const char* what, const CocoPlace& place) {
  const double number = coco_number(value, what, place);
  require<DataError>(number == std::floor(number), place, ": ", what, " ", number, " is not a whole number");
  require<DataError>(std::abs(number) <= 9e15, place, ": ", what, " ", number,
                     " is too large; whole numbers up to 9000000000000000 are read");
  return static_cast<std::int64_t>(number);
}

std::array<double, 4> coco_bbox(const CocoPlace& place) {
  const CocoEntry& entry = place.entry;
  require<DataError>(entry.has_bbox, place, " has no bbox");
  require<DataError>(entry.bbox_size == 4, place, ": bbox is not a list of four numbers x, y, width, height");
  std::array<double, 4> box;
  for (std::size_t i = 0; i < 4; ++i) box[i] = coco_number(entry.bbox[i], "a number of bbox", place);
  return box;
}

}  // namespace gadolin::detail
