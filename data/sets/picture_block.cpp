#include "data/sets/picture_block.h"

#include <cstring>

#include "data/sets/ingest.h"
#include "tensor/check.h"

namespace gadolin {

void PictureBlock::learn(const Image& first, DType dtype, Device device) {
  channels_ = first.channels;
  dtype_ = dtype;
  as_bytes_ = first.bits == 8 && (dtype != DType::fp32 || device.is_cuda());
  require<UsageError>(dtype != DType::uint8 || first.bits == 8, "loader: samples have ", first.bits,
                      " bits, dtype uint8 would lose them; use fp32");
  normalize_factors(pipeline_.normalize(), channels_, 8);
}

Transformed PictureBlock::seen(const StoredImage& stored, const SampleUse& use) const {
  if (stored.image.numel() > 0) return pipeline_.transform(stored.image, use.key);
  return pipeline_.transform(stored.file, use.name, use.key);
}

Tensor PictureBlock::host(std::int64_t n, int height, int width) const {
  return empty_pinned({n, height, width, channels_}, as_bytes_ ? DType::uint8 : DType::fp32);
}

void PictureBlock::put(void* host, std::int64_t part, const Image& image) const {
  const std::size_t n = image.numel(), at = static_cast<std::size_t>(part) * n;
  if (as_bytes_) {
    const Image eight = image.bits == 8 ? Image() : to_8bit(image);
    std::memcpy(static_cast<std::uint8_t*>(host) + at,
                image.bits == 8 ? image.pixels.data() : eight.pixels.data(), n);
  } else {
    normalize_into(image, normalize_factors(pipeline_.normalize(), channels_, image.bits),
                   static_cast<float*>(host) + at);
  }
}

Tensor PictureBlock::finish(const Tensor& travelled) const {
  const Tensor images = travelled.permute({0, 3, 1, 2});
  if (as_bytes_ && dtype_ != DType::uint8)
    return ingest(images, normalize_factors(pipeline_.normalize(), channels_, 8), dtype_);
  return as_bytes_ || dtype_ == DType::fp32 ? images : images.to(dtype_);
}

Image on_canvas(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  Image canvas(width, height, image.channels, image.bits);
  const std::size_t row = image.pixels.size() / static_cast<std::size_t>(image.height),
                    wide = canvas.pixels.size() / static_cast<std::size_t>(height);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y)
    std::memcpy(canvas.pixels.data() + y * wide, image.pixels.data() + y * row, row);
  return canvas;
}

}  // namespace gadolin
