// Contours of INbreast: property lists that OsiriX wrote, one for each film with findings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/image/affine.h"

namespace gadolin::mammography {

struct Contour {
  std::string name;           // as it is written: Mass, Calcification, Cluster, Spiculated Region ...
  std::vector<Point> points;  // Point_px: pixels of the film; at least one
  std::int64_t line = 0;      // where it begins
};
// Throws DataError with file and line for what is no XML, no list of contours, a contour without points and a
// point that is not (x, y); also when there is no contour at all, as films without findings have no file.
std::vector<Contour> parse_inbreast_xml(std::string_view text, const std::string& name);
// The smallest upright rectangle around the points. Where that is less than a pixel wide or high, it gets
// `point_size` around its middle: many calcifications are marked by one point.
Corners box_of(const Contour& contour, double point_size);

}  // namespace gadolin::mammography
