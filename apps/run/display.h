// The options --window and --bits of commands that make pictures of DICOM files.
#pragma once

#include <string>

#include "data/dicom/image.h"

namespace gadolin {

// `window`: auto, file, percentile, full or center/width in rescaled units. Throws UsageError.
DicomDisplayOptions display_options(const std::string& window, int bits);

}  // namespace gadolin
