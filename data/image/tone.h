// Changes of tone. Results are cut to the range of the samples, and fractions are cut off, as Pillow does.
#pragma once

#include "data/image/image.h"

namespace gadolin {

Image adjust_brightness(const Image& image, double factor);  // value * factor, clipped
Image shift_brightness(const Image& image, double share);    // value + share * white, clipped
Image adjust_contrast(const Image& image, double factor);    // about the rounded mean grey of the picture
// Of colour pictures, by hue, saturation and value (Smith 1978); grey ones stay as they are.
Image shift_hue(const Image& image, double share);           // by a share of half the circle of colours
Image adjust_saturation(const Image& image, double factor);  // saturation * factor, clipped
Image adjust_gamma(const Image& image, double gamma);        // white * (value / white)^gamma

}  // namespace gadolin
