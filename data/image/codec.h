// What the decoders of one format each share, and the table of them; only decoders include this.
#pragma once

#include <optional>
#include <vector>

#include "data/image/header.h"
#include "data/image/image.h"
#include "data/image/physical.h"
#include "tensor/check.h"

namespace gadolin::detail {

using Bytes = std::span<const std::uint8_t>;

// One kind of picture file. `matches` sees the whole file and looks at its first bytes.
struct Decoder {
  ImageFormat format;
  const char* name;
  std::vector<const char*> endings;  // of file names, without the dot
  bool (*matches)(Bytes bytes);
  ImageHeader (*header)(Bytes bytes, std::string_view name);  // a size of 0 where it tells none
  Image (*decode)(Bytes bytes, std::string_view name, const DecodeOptions& options);
  // Instead of `decode`, for formats that can leave out what nobody will use.
  Decoded (*decode_region)(Bytes bytes, std::string_view name, const DecodeOptions& options) = nullptr;
  // Values in units instead of a picture, for formats that know them; nullopt where this file does not.
  std::optional<PhysicalImage> (*physical)(Bytes bytes, std::string_view name,
                                           const DecodeOptions& options) = nullptr;
};
// In the order in which they are asked. The table stands in data/decoders.cpp, which alone knows all of them.
const std::vector<Decoder>& decoders();
// The one for this file. Throws FormatError for an empty file, one above the limit and one of no known kind.
const Decoder& decoder_of(Bytes bytes, std::string_view name, const DecodeOptions& options);

Decoded decode_jpeg(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_png(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_bmp(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_pnm(Bytes bytes, std::string_view name, const DecodeOptions& options);
ImageHeader jpeg_header(Bytes bytes, std::string_view name);
ImageHeader png_header(Bytes bytes, std::string_view name);
ImageHeader bmp_header(Bytes bytes, std::string_view name);
ImageHeader pnm_header(Bytes bytes, std::string_view name);
// data/dicom/decode.cpp
ImageHeader dicom_header(Bytes bytes, std::string_view name);
Image decode_dicom(Bytes bytes, std::string_view name, const DecodeOptions& options);
std::optional<PhysicalImage> physical_dicom(Bytes bytes, std::string_view name, const DecodeOptions& options);

// Throws FormatError unless width x height pixels of `sample_bytes` each may be allocated for this file.
void check_image_size(Bytes bytes, std::string_view name, std::int64_t width, std::int64_t height,
                      std::int64_t sample_bytes, const ImageLimits& limits);
// Interleaved grey, grey+alpha, RGB or RGBA samples -> grey or RGB, by options.alpha.
Image without_alpha(const std::uint8_t* samples, int width, int height, int channels, int bits, Alpha alpha);
// Applies options.channels and options.reduce_to_8bit.
Image as_wanted(Image image, const DecodeOptions& options);

}  // namespace gadolin::detail
