// Outlines of boxes on a picture: what a detector found, what a reader marked.
#pragma once

#include <span>

#include "data/image/affine.h"
#include "data/image/image.h"

namespace gadolin {

struct DrawnBox {
  Corners box;
  int label = 0;     // class number; chooses the colour (class_colour of tasks/colours.h)
  double score = 1;  // where outlines cross, the one with the larger score is on top
};

// The picture in 8-bit colour with the outline of every box. `seen_from` is the map by which the picture came
// to the place where the boxes were found (Transformed::map of the net's input): its inverse takes them back,
// so a mirrored input gives boxes on the right side, a turned one turned outlines. `thickness` in pixels; 0:
// a 300th of the longer side, 2 at least. Lines are drawn inwards from the box's edge, as far as they lie
// inside the picture. Throws ValueError for a negative thickness, a box that is no finite rectangle, a map
// without a way back.
Image draw_boxes(const Image& picture, std::span<const DrawnBox> boxes, const Affine& seen_from = {},
                 int thickness = 0);

}  // namespace gadolin
