// What the first bytes of a picture file say about it, found without decoding.
#pragma once

#include "data/image/image.h"

namespace gadolin {

struct ImageHeader {
  int width = 0, height = 0;  // of the stored pixels
  // EXIF 2.32, 4.6.4: 1 as stored, 3 upside down, 6 to be turned clockwise before it is shown, 8 the other
  // way; 2, 4, 5 and 7 are mirrored. 1 too where a file says nothing.
  int orientation = 1;
};

// `bytes` is the whole file, of which little is touched. Throws FormatError as decode_image for a file of no
// known kind and one above the limit, and for a header without a size.
ImageHeader read_image_header(std::span<const std::uint8_t> bytes, std::string_view name);

// A point of the picture as it is shown to people, taken to the stored pixels of it. Decoders give pixels as
// they are stored, so this is where the boxes of somebody who drew on the shown picture belong.
struct StoredPoint {
  double x, y;
};
StoredPoint stored_point(const ImageHeader& header, double shown_x, double shown_y);

}  // namespace gadolin
