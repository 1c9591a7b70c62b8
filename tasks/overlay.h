// A map of values painted over the picture that it explains.
#pragma once

#include "data/image/transforms.h"
#include "tensor/tensor.h"

namespace gadolin {

// `heat` [h, w] in [0, 1], which spans the net's input, over the whole picture as it was before the pipeline:
// an 8-bit colour picture of its size. What the pipeline cut off stays as it is. `alpha`: how much of the
// colour covers the picture where heat is 1.
Image overlay(const Image& picture, const Pipeline& pipeline, const Tensor& heat, double alpha);

// Colour of a value in [0, 1]: from violet over red and orange to pale yellow, lightness rising evenly in
// OKLab.
struct Colour {
  double red, green, blue;
};  // sRGB, 0 to 1
Colour heat_colour(double value);

}  // namespace gadolin
