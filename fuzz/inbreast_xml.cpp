// Any bytes as a file of contours of INbreast: an error, or contours with finite points and boxes.
#include <cmath>
#include <cstdlib>

#include "apps/mammography/inbreast_xml.h"
#include "tensor/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace gadolin;
  try {
    const auto contours =
        mammography::parse_inbreast_xml({reinterpret_cast<const char*>(bytes), count}, "input");
    if (contours.empty()) std::abort();
    for (const auto& contour : contours) {
      if (contour.points.empty() || contour.line < 1) std::abort();
      const Corners box = mammography::box_of(contour, 10);
      if (!(box.x2 - box.x1 >= 1 && box.y2 - box.y1 >= 1) ||
          !std::isfinite(box.x1 + box.x2 + box.y1 + box.y2))
        std::abort();
    }
  } catch (const DataError&) {
  }
  return 0;
}
