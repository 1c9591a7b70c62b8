// What the decoders of one format each share; only the image_*.cpp files include this.
#pragma once

#include "data/image.h"
#include "tensor/check.h"

namespace gadolin::detail {

using Bytes = std::span<const std::uint8_t>;

Decoded decode_jpeg(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_png(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_bmp(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_pnm(Bytes bytes, std::string_view name, const DecodeOptions& options);
Image decode_dicom(Bytes bytes, std::string_view name, const DecodeOptions& options);  // data/dicom/decode.cpp

// Throws FormatError unless width x height pixels of `sample_bytes` each may be allocated for this file.
void check_image_size(Bytes bytes, std::string_view name, std::int64_t width, std::int64_t height,
                      std::int64_t sample_bytes, const ImageLimits& limits);
// Interleaved grey, grey+alpha, RGB or RGBA samples -> grey or RGB, by options.alpha.
Image without_alpha(const std::uint8_t* samples, int width, int height, int channels, int bits, Alpha alpha);
// Applies options.channels and options.reduce_to_8bit.
Image as_wanted(Image image, const DecodeOptions& options);

}  // namespace gadolin::detail
