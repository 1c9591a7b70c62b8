#include "apps/mammography/inbreast_xml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include <pugixml.hpp>

#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

// The value behind a key of a <dict>; none where the key is missing.
pugi::xml_node value_of(const pugi::xml_node& dict, const char* key) {
  for (const pugi::xml_node node : dict.children("key"))
    if (trimmed(node.child_value()) == key) return node.next_sibling();
  return {};
}

// One number of "(x, y)"; what follows it is left in `text`.
bool number_of(std::string_view& text, double& value) {
  text = trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return false;
  text = trimmed(text.substr(static_cast<std::size_t>(end - text.data())));
  return true;
}

bool point_of(std::string_view text, Point& p) {
  text = trimmed(text);
  if (!text.starts_with('(') || !text.ends_with(')')) return false;
  text = text.substr(1, text.size() - 2);
  if (!number_of(text, p.x) || !text.starts_with(',')) return false;
  text.remove_prefix(1);
  return number_of(text, p.y) && text.empty() && std::abs(p.x) < 1e6 && std::abs(p.y) < 1e6;
}

class InbreastXml {
 public:
  InbreastXml(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  std::vector<Contour> read() {
    pugi::xml_document document;
    const pugi::xml_parse_result result =
        document.load_buffer(text_.data(), text_.size(), pugi::parse_default, pugi::encoding_utf8);
    require<DataError>(result, place(result.offset), ": no XML: ", result.description());
    const pugi::xml_node images = value_of(document.child("plist").child("dict"), "Images");
    require<DataError>(!std::strcmp(images.name(), "array"), place(0),
                       ": there is no list of images; is it a file of contours of INbreast?");
    for (const pugi::xml_node image : images.children("dict"))
      for (const pugi::xml_node roi : value_of(image, "ROIs").children("dict")) contour(roi);
    require<DataError>(!contours_.empty(), place(0),
                       ": there is no contour; a film without findings has no such file");
    return std::move(contours_);
  }

 private:
  std::string place(std::ptrdiff_t offset) const {
    return cat("inbreast: ", printable(name_), ":", line(offset));
  }
  std::int64_t line(std::ptrdiff_t offset) const {
    const auto end = std::clamp<std::ptrdiff_t>(offset, 0, std::ssize(text_));
    return 1 + std::count(text_.begin(), text_.begin() + end, '\n');
  }

  void contour(const pugi::xml_node& roi) {
    Contour c;
    c.line = line(roi.offset_debug());
    const pugi::xml_node name = value_of(roi, "Name");
    c.name = trimmed(name.child_value());
    require<DataError>(!c.name.empty(), place(roi.offset_debug()), ": the contour has no Name");
    require<DataError>(printable(c.name) == c.name, place(name.offset_debug()), ": Name '", printable(c.name),
                       "' is not text in UTF-8");
    for (const pugi::xml_node point : value_of(roi, "Point_px").children("string")) {
      c.points.emplace_back();
      require<DataError>(point_of(point.child_value(), c.points.back()), place(point.offset_debug()),
                         ": point '", printable(point.child_value(), 40), "' is not like (12.5, 30.0)");
    }
    require<DataError>(!c.points.empty(), place(roi.offset_debug()), ": contour '", c.name,
                       "' has no points under Point_px");
    contours_.push_back(std::move(c));
  }

  std::string_view text_;
  const std::string& name_;
  std::vector<Contour> contours_;
};

}  // namespace

std::vector<Contour> parse_inbreast_xml(std::string_view text, const std::string& name) {
  return InbreastXml(text, name).read();
}

Corners box_of(const Contour& contour, double point_size) {
  Corners box{contour.points[0].x, contour.points[0].y, contour.points[0].x, contour.points[0].y};
  for (const Point& p : contour.points) {
    box.x1 = std::min(box.x1, p.x);
    box.y1 = std::min(box.y1, p.y);
    box.x2 = std::max(box.x2, p.x);
    box.y2 = std::max(box.y2, p.y);
  }
  const auto widened = [&](double& low, double& high) {
    if (high - low >= 1) return;
    const double middle = (low + high) / 2;
    low = middle - point_size / 2;
    high = middle + point_size / 2;
  };
  widened(box.x1, box.x2);
  widened(box.y1, box.y2);
  return box;
}

}  // namespace gadolin::mammography
