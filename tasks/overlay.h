// A map of values painted over the picture that it explains.
#pragma once

#include "data/image/transforms.h"
#include "tensor/tensor.h"

namespace gadolin {

// `heat` [h, w] in [0, 1], which spans what the net saw, over the whole picture as it was before the
// pipeline: an 8-bit colour picture of its size. `seen` is the pipeline's answer for this picture: its map
// says where each place of the picture came to lie, whatever was resized, cropped, mirrored or turned. What
// the pipeline cut off stays as it is. `alpha`: how much of the colour (heat_colour of tasks/colours.h)
// covers the picture where heat is 1.
Image overlay(const Image& picture, const Transformed& seen, const Tensor& heat, double alpha);

}  // namespace gadolin
