// The one door to stb_image, which decodes the pixels of PNG and BMP files whose frame has been checked.
#pragma once

#include "data/image/codec.h"

namespace gadolin::detail {

// Grey or RGB of 8 or 16 bits; transparency by `alpha`. Throws FormatError with stb_image's reason.
Image decode_stb(Bytes bytes, std::string_view name, int bits, Alpha alpha);

}  // namespace gadolin::detail
