// What a box must be, and what a wrong one looks like.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/sets/boxes/raw_boxes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::detail {
namespace {

// "1 2 3 4", made when a message needs it.
struct CornersText {
  const RawBox& b;
  operator std::string() const { return cat(b.x1, " ", b.y1, " ", b.x2, " ", b.y2); }
};

// How far the box reaches out of the picture.
double overhang(const RawBox& b, int width, int height) {
  return std::max({-b.x1, -b.y1, b.x2 - width, b.y2 - height, 0.0});
}

void check_order(const RawBox& b, int width, int height, const RowPlace& place) {
  if (b.x1 < b.x2 && b.y1 < b.y2) return;
  if (b.from_size) {
    fail<DataError>(place, ": width ", b.x2 - b.x1, " and height ", b.y2 - b.y1,
                    " are not above 0; a box is x, y, width, height");
  }
  require<DataError>(
      b.x1 != 0 || b.y1 != 0 || b.x2 != 0 || b.y2 != 0, place,
      ": the box 0 0 0 0 is none; a picture without boxes has no box, in a table empty fields: path,,,,,");
  const bool sizes = b.x2 > 0 && b.y2 > 0 && b.x1 + b.x2 <= width + 1 && b.y1 + b.y2 <= height + 1;
  require<DataError>(!sizes || (b.x2 == b.x1 && b.y2 == b.y1), place, ": the box ", CornersText{b},
                     " looks like x, y, width, height; needed are the corners x1, y1, x2, y2");
  require<DataError>(b.x1 != b.x2 && b.y1 != b.y2, place, ": the box ", CornersText{b}, " has no ",
                     b.x1 == b.x2 ? "width" : "height", "; x2 must be above x1, y2 above y1");
  fail<DataError>(place, ": the box ", CornersText{b}, " has its corners swapped",
                  b.x1 > b.x2 && b.y1 > b.y2 ? ""
                  : b.x1 > b.x2              ? " in x"
                                             : " in y",
                  "; x2 must be above x1, y2 above y1");
}

void check_inside_picture(const RawBox& b, int width, int height, const RowPlace& place) {
  const double most = std::max({b.x1, b.y1, b.x2, b.y2}), least = std::min({b.x1, b.y1, b.x2, b.y2});
  const bool whole = b.x1 == std::floor(b.x1) && b.y1 == std::floor(b.y1) && b.x2 == std::floor(b.x2) &&
                     b.y2 == std::floor(b.y2);
  // Where sizes were rounded, 1.003 is met.
  require<DataError>(whole || most > 1.01 || least < -0.01, place, ": the box ", CornersText{b},
                     " looks like shares of the picture; needed are pixels of ", width, " x ", height);
  if (overhang(b, width, height) <= 1) return;
  RawBox other = b;
  std::swap(other.x1, other.y1);
  std::swap(other.x2, other.y2);
  require<DataError>(overhang(other, width, height) > 1, place, ": the box ", CornersText{b},
                     " leaves the picture of ", width, " x ", height,
                     " pixels and would fit with x and y exchanged; is the order y1, x1, y2, x2?");
  if (b.from_size) {
    other = b;
    other.x2 -= b.x1;
    other.y2 -= b.y1;
    require<DataError>(overhang(other, width, height) > 1 || other.x2 <= b.x1 || other.y2 <= b.y1, place,
                       ": the box leaves the picture of ", width, " x ", height,
                       " pixels and looks like corners, ", CornersText{other},
                       "; needed are x, y, width, height");
  }
  require<DataError>(b.x1 < width && b.y1 < height && b.x2 > 0 && b.y2 > 0, place, ": the box ",
                     CornersText{b}, " lies outside the picture of ", width, " x ", height, " pixels");
  fail<DataError>(place, ": the box ", CornersText{b}, " leaves the picture of ", width, " x ", height,
                  " pixels by ", overhang(b, width, height), "; at most 1 pixel is clipped");
}

}  // namespace

double box_number(std::string_view text, const char* what, const std::string& place) {
  const std::string_view plain = trimmed(text);
  require<DataError>(!plain.empty(), place, ": ", what, " is empty");
  const std::string_view digits = plain.front() == '+' ? plain.substr(1) : plain;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size())
    fail<DataError>(place, ": ", what, " is '", printable(plain, 40), "', not a number");
  require<DataError>(std::isfinite(value), place, ": ", what, " is ", value, "; needed is a finite number");
  return value;
}

std::string box_side(std::string_view text, const std::string& place) {
  std::string low(trimmed(text));
  for (char& c : low)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (low.empty()) return low;
  require<DataError>(low == "l" || low == "left" || low == "r" || low == "right", place, ": side '",
                     printable(text, 40),
                     "' is neither L nor R; correct it, or give the column another name");
  return low[0] == 'l' ? "L" : "R";
}

ObjectBox checked_box(const RawBox& b, int width, int height, const RowPlace& place, bool& clipped) {
  check_order(b, width, height, place);
  check_inside_picture(b, width, height, place);
  ObjectBox in;
  in.x1 = std::clamp(b.x1, 0.0, static_cast<double>(width));
  in.y1 = std::clamp(b.y1, 0.0, static_cast<double>(height));
  in.x2 = std::clamp(b.x2, 0.0, static_cast<double>(width));
  in.y2 = std::clamp(b.y2, 0.0, static_cast<double>(height));
  clipped = in.x1 != b.x1 || in.y1 != b.y1 || in.x2 != b.x2 || in.y2 != b.y2;
  require<DataError>(in.x1 < in.x2 && in.y1 < in.y2, place, ": the box ", CornersText{b},
                     " has nothing inside the picture of ", width, " x ", height, " pixels");
  return in;
}

ObjectBox written_box(const RawBox& b, const RowPlace& place) {
  require<DataError>(b.x1 <= b.x2 && b.y1 <= b.y2, place, ": the box ", CornersText{b},
                     " ends before it begins");
  return {b.x1, b.y1, b.x2, b.y2, 0};
}

std::string patient_of(const std::string& name, const DatasetOptions& options) {
  if (options.patient_until.empty()) return "";
  const std::size_t begin = name.find_last_of('/') + 1;
  const std::size_t end = name.find_first_of(options.patient_until, begin);
  return end == std::string::npos ? "" : name.substr(begin, end - begin);
}

}  // namespace gadolin::detail
