// A DICOM file of a grey picture and a few texts, for made-up films; no writer of clinical files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/dicom/tags.h"
#include "data/image/image.h"

namespace gadolin {

using DicomTexts = std::vector<std::pair<DicomTag, std::string>>;

// Explicit little endian; pixels of one channel in 8 or 16 bits, of which the lowest `bits` are used;
// `inverted`: MONOCHROME1; `is_signed`: the bits are of signed numbers. Throws ValueError for texts that do
// not fit, Unsupported 60 without DICOM.
std::string made_up_dicom(const DicomTexts& texts, const Image& pixels, int bits, bool inverted,
                          bool is_signed = false);

}  // namespace gadolin
