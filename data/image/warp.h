// Geometry on pixels: crop, mirror, and affine maps (rotation, shift, scale, shear).
#pragma once

#include "data/image/affine.h"
#include "data/image/image.h"

namespace gadolin {

// The box of the image; what lies outside the image is `fill` (0..1 of white).
Image crop(const Image& image, Box box, double fill = 0);
// Mirrored left to right.
Image horizontal_flip(const Image& image);
Image vertical_flip(const Image& image);

struct AffineOptions {
  double angle = 0;                 // degrees; positive turns the picture clockwise, as torchvision's affine
  double shift_x = 0, shift_y = 0;  // pixels, to the right and down
  double scale = 1;
  double shear_x = 0, shear_y = 0;  // degrees
};
// The map from the changed picture back to the one of width x height, as warp() takes it. The change is about
// the middle: shear, then scale and rotation, then shift (torchvision's order).
Affine affine_map(int width, int height, const AffineOptions& options);

// A picture of the same size: each pixel taken from where `back` says in the input, with bilinear weights;
// `fill` (0..1 of white) where that is outside. Agrees with Pillow's Image.transform(AFFINE, BILINEAR) within
// 1 unit.
Image warp(const Image& image, const Affine& back, double fill = 0);
// The same with the nearest pixel of the edge in place of what is outside.
Image warp_over_edges(const Image& image, const Affine& back);
// Counter-clockwise by `degrees` about the middle, size kept: Pillow's rotate(degrees, BILINEAR).
Image rotate(const Image& image, double degrees, double fill = 0);

}  // namespace gadolin
