// Outlines of boxes on a picture, with names: what a detector found, what a reader marked.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "data/image/affine.h"
#include "data/image/image.h"
#include "tasks/colours.h"

namespace gadolin {

// A box as it is drawn.
struct DrawnBox {
  Corners box;            // in pixels of the picture
  int label = 0;          // class number; chooses the colour (class_colour of tasks/colours.h)
  double score = 1;       // where outlines or names cross, the one with the larger score is on top
  std::string name = {};  // written beside it; empty: nothing is
  bool dashed = false;    // a broken line, its name light on black below the box: truth
  std::optional<Colour> colour = {};  // instead of the class's
};

// The picture in 8-bit colour with the outline of every box. `seen_from` is the map by which the picture came
// to the place where the boxes were found (Transformed::map of the net's input): its inverse takes them back,
// so a mirrored input gives boxes on the right side, a turned one turned outlines. `thickness` of the lines
// in pixels; 0: a 300th of the longer side, 2 at least. Lines are drawn inwards from the box's edge, over at
// most a quarter of its shorter side, the rest outwards, so that small things stay visible; lines from 2
// pixels have a thin black edge, so that they are seen on any picture. Names follow the size of the picture.
// They stand above or below the box, or where else there is room inside the picture; where no room is left
// those of the least scores are left out. Throws ValueError for a negative thickness, a box that is no finite
// rectangle, a map without a way back.
Image draw_boxes(const Image& picture, std::span<const DrawnBox> boxes, const Affine& seen_from = {},
                 int thickness = 0);

// The picture shrunk or enlarged until its longer side has `longest` pixels, with these boxes, which are in
// pixels of the picture as it is given: lines and names are as thick as the small picture asks.
Image drawn_small(const Image& picture, std::span<const DrawnBox> boxes, int longest);

}  // namespace gadolin
