// Resampling of images to another size inside a network.
#pragma once

#include "layers/conv.h"

namespace gadolin {

// Of new pixels: the nearest old one, or a mean of four.
enum class Interpolation : std::uint8_t { nearest, bilinear };
// How images grow.
struct UpsampleOptions {
  Interpolation mode = Interpolation::nearest;  // between pixels
  // Bilinear: the centres of corner pixels keep their places; otherwise the edges of the image do.
  bool align_corners = false;
};

// x [N, C, H, W] -> [N, C, size.h, size.w], channels-last; larger or smaller, without antialiasing.
// Output pixel i reads input i H / size (nearest, rounded down), (i + 0.5) H / size - 0.5, or i (H - 1) /
// (size - 1) with align_corners. Keeps nothing. Throws ShapeError for anything but an image with pixels,
// ValueError for an empty size. Agrees with torch.nn.functional.interpolate.
Tensor upsample(const Tensor& x, Pair size, const UpsampleOptions& options = {});

// Multiplies height and width by whole factors.
class Upsample : public Layer {
 public:
  // By which factor, rows and columns.
  explicit Upsample(Pair scale, const UpsampleOptions& options = {}) : scale_(scale), options_(options) {}
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Upsample"; }

 private:
  Pair scale_;
  UpsampleOptions options_;
};

}  // namespace gadolin
