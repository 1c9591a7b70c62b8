// Slices of RSNA's archive in Hounsfield units, with its known fault mended.
#pragma once

#include <string>
#include <string_view>

#include "data/image/steps.h"

namespace gadolin::hemorrhage {

// The first frame of a DICOM file. Files with unsigned values and an intercept above -100 store negative
// values 4096 too high: there x = px + 1000, less 4096 from 4096 on, and the intercept is -1000
// (`mended`: it was such a file). Throws FormatError as read_dicom_image, DataError for colour.
PhysicalImage slice_units(std::string_view dicom, const std::string& name, bool* mended = nullptr);

// The share of pixels that lie strictly inside the window of brain, 0 to 80 HU.
double brain_share(const PhysicalImage& units);

// Of brain 40/80, subdural blood 80/200 and bone 600/2800: red, green and blue of a picture.
const Windows& head_windows();
// That picture with `size` pixels a side and 8 bits, resized (bilinear, widened) before it is rounded.
Image slice_picture(const PhysicalImage& units, int size);

}  // namespace gadolin::hemorrhage
