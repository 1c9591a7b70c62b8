#include "data/sets/picture_block.h"

#include <algorithm>
#include <cstring>

#include "data/sets/ingest.h"
#include "tensor/check.h"

namespace gadolin {

void PictureBlock::learn(const Image& first, DType dtype, Device device) {
  channels_ = first.channels;
  dtype_ = dtype;
  as_bytes_ = first.bits == 8 && (dtype != DType::fp32 || device.is_cuda());
  check_bits(first);
  normalize_factors(pipeline_.normalize(), channels_, 8);
}

void PictureBlock::check_bits(const Image& image) const {
  require<UsageError>(dtype_ != DType::uint8 || image.bits == 8, "loader: samples have ", image.bits,
                      " bits, dtype uint8 would lose them; use fp32");
}

Transformed PictureBlock::seen(const StoredImage& stored, const SampleUse& use) const {
  if (stored.image.numel() > 0) return pipeline_.transform(stored.image, use.key);
  return pipeline_.transform(stored.file, use.name, use.key);
}

Tensor PictureBlock::finish(const Tensor& travelled) const {
  const Tensor images = travelled.permute({0, 3, 1, 2});
  if (images.dtype() == DType::uint8 && dtype_ != DType::uint8)
    return ingest(images, normalize_factors(pipeline_.normalize(), channels_, 8), dtype_);
  return images.dtype() == dtype_ ? images : images.to(dtype_);
}

PictureRows::PictureRows(const PictureBlock& block, std::int64_t n, int height, int width)
    : block_(block), memory_(empty_pinned({n, height, width, block.channels_},
                                          block.as_bytes_ ? DType::uint8 : DType::fp32)),
      bytes_(memory_.raw()), deep_(block.as_bytes_ ? static_cast<std::size_t>(n) : 0) {}

void PictureRows::put(std::int64_t part, const Image& image) {
  const std::size_t row = static_cast<std::size_t>(part), at = row * image.numel();
  if (!block_.as_bytes_) {
    normalize_into(image, normalize_factors(block_.pipeline_.normalize(), image.channels, image.bits),
                   static_cast<float*>(bytes_) + at);
    return;
  }
  block_.check_bits(image);
  deep_[row] = image.bits == 8 ? Image() : image;
  if (image.bits == 8)
    std::memcpy(static_cast<std::uint8_t*>(bytes_) + at, image.pixels.data(), image.numel());
}

Tensor PictureRows::tensor() {
  const auto deep = [](const Image& image) { return image.numel() > 0; };
  if (std::none_of(deep_.begin(), deep_.end(), deep)) return std::move(memory_);
  const Shape shape = memory_.shape();
  const Tensor floats = empty_pinned(shape, DType::fp32);
  Image eight(static_cast<int>(shape[2]), static_cast<int>(shape[1]), static_cast<int>(shape[3]), 8);
  const std::uint8_t* from = memory_.data<std::uint8_t>();
  float* to = floats.data<float>();
  for (const Image& row : deep_) {
    if (!deep(row)) std::memcpy(eight.pixels.data(), from, eight.numel());
    const Image& image = deep(row) ? row : eight;
    normalize_into(image, normalize_factors(block_.pipeline_.normalize(), image.channels, image.bits), to);
    from += eight.numel();
    to += eight.numel();
  }
  return floats;
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
