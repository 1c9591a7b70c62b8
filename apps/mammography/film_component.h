// The largest connected part of a mask: the breast among labels and scratches, a lesion among stray pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image/image.h"

namespace gadolin::mammography {

struct Component {
  Box box;
  std::int64_t pixels = 0;
};
// Leaves of `mask` [height, width] the largest 8-connected component, the uppermost of equals. Empty: a box
// of no size.
Component keep_largest(std::vector<bool>& mask, int width, int height);

}  // namespace gadolin::mammography
