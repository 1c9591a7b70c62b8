// Sizes and orientation from the headers of JPEG, PNG, BMP and PNM files.
#include "data/image/header.h"

#include <algorithm>
#include <utility>

#include "data/image/codec.h"

namespace gadolin {
namespace detail {
namespace {

// Numbers at a place; 0 behind the end.
struct HeaderBytes {
  Bytes bytes;
  std::uint32_t number(std::size_t at, std::size_t count, bool big) const {
    std::uint32_t value = 0;
    if (at > bytes.size() || bytes.size() - at < count) return 0;
    for (std::size_t i = 0; i < count; ++i)
      value |= std::uint32_t{bytes[at + i]} << 8 * (big ? count - 1 - i : i);
    return value;
  }
  std::uint32_t big(std::size_t at, std::size_t count) const { return number(at, count, true); }
};

// Of a TIFF directory, as EXIF holds it: tag 0x0112 of the first one.
int exif_orientation(Bytes tiff) {
  const HeaderBytes in{tiff};
  const bool big = in.big(0, 2) == 0x4d4d;
  if (!big && in.big(0, 2) != 0x4949) return 1;
  const std::size_t directory = in.number(4, 4, big), entries = in.number(directory, 2, big);
  for (std::size_t e = 0; e < entries; ++e) {
    const std::size_t at = directory + 2 + 12 * e;
    if (in.number(at, 2, big) != 0x0112) continue;
    const std::uint32_t value = in.number(at + 8, 2, big);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

ImageHeader jpeg_header(Bytes bytes, std::string_view) {
  const HeaderBytes in{bytes};
  ImageHeader header;
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    if (bytes[at] != 0xff) return header;
    const std::uint8_t marker = bytes[at + 1];
    if (marker == 0xff) {  // filling
      ++at;
      continue;
    }
    const std::size_t length = in.big(at + 2, 2);
    if (length < 2) return header;
    const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) {
      header.height = static_cast<int>(in.big(at + 5, 2));
      header.width = static_cast<int>(in.big(at + 7, 2));
      return header;
    }
    if (marker == 0xe1 && length > 8 && in.big(at + 4, 4) == 0x45786966 && at + 2 + length <= bytes.size())
      header.orientation = exif_orientation(bytes.subspan(at + 10, length - 8));
    at += 2 + length;
  }
  return header;
}

ImageHeader png_header(Bytes bytes, std::string_view) {
  const HeaderBytes in{bytes};
  ImageHeader header;
  header.width = static_cast<int>(in.big(16, 4) & 0x7fffffff);
  header.height = static_cast<int>(in.big(20, 4) & 0x7fffffff);
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t length = in.big(at, 4), kind = in.big(at + 4, 4);
    if (kind == 0x49444154 || length > bytes.size() - at - 12) break;                              // IDAT
    if (kind == 0x65584966) header.orientation = exif_orientation(bytes.subspan(at + 8, length));  // eXIf
    at += 12 + length;
  }
  return header;
}

ImageHeader bmp_header(Bytes bytes, std::string_view) {
  const HeaderBytes in{bytes};
  ImageHeader header;
  if (in.number(14, 4, false) == 12) {  // of OS/2
    header.width = static_cast<int>(in.number(18, 2, false));
    header.height = static_cast<int>(in.number(20, 2, false));
    return header;
  }
  header.width = static_cast<int>(in.number(18, 4, false) & 0x7fffffff);
  const auto height = static_cast<std::int32_t>(in.number(22, 4, false));  // negative: rows from the top
  header.height = height < 0 ? -std::max(height, -0x7fffffff) : height;
  return header;
}

}  // namespace detail

ImageHeader read_image_header(std::span<const std::uint8_t> bytes, std::string_view name) {
  const ImageHeader header = detail::decoder_of(bytes, name, {}).header(bytes, name);
  require<FormatError>(header.width > 0 && header.height > 0, "decode: ", printable(name),
                       ": its header tells no size");
  return header;
}

StoredPoint stored_point(const ImageHeader& header, double shown_x, double shown_y) {
  const int o = header.orientation;
  StoredPoint p{shown_x, shown_y};
  if (o >= 5) std::swap(p.x, p.y);
  if (o == 2 || o == 3 || o == 7 || o == 8) p.x = header.width - p.x;
  if (o == 3 || o == 4 || o == 6 || o == 7) p.y = header.height - p.y;
  return p;
}

}  // namespace gadolin
