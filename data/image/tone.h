// Changes of tone. Results are cut to the range of the samples, and fractions are cut off, as Pillow does.
#pragma once

#include "data/image/image.h"

namespace gadolin {

Image adjust_brightness(const Image& image, double factor);  // value * factor, clipped
Image shift_brightness(const Image& image, double share);    // value + share * white, clipped
Image adjust_contrast(const Image& image, double factor);    // about the rounded mean grey of the picture
Image adjust_gamma(const Image& image, double gamma);        // white * (value / white)^gamma

}  // namespace gadolin
