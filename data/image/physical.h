// Pictures as measurements: what a pixel stands for, before anything is made of it to look at.
#pragma once

#include <optional>

#include "data/image/image.h"

namespace gadolin {

// Values in units of the modality: Hounsfield units of CT, whatever rescale slope and intercept or the
// modality LUT give elsewhere.
struct PhysicalImage {
  int width = 0, height = 0;  // in pixels
  std::vector<float> values;  // row by row; NaN where there is no picture (pixel padding)
  bool inverted = false;      // small values are meant to be bright: MONOCHROME1
};

// The first frame of a file in units; nullopt where the file has none (colours, formats other than DICOM).
// Throws FormatError as decode_image.
std::optional<PhysicalImage> decode_physical(std::span<const std::uint8_t> bytes, std::string_view name,
                                             const DecodeOptions& options = {});
// Samples of a grey picture as they are, for what works without units. Throws ShapeError for colours.
PhysicalImage samples_as_values(const Image& grey);

}  // namespace gadolin
