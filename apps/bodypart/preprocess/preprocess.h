// The four preprocessing methods for radiographs of application A1: fewer bits, more contrast, few colours,
// the body apart from its background. Every sum is of integers, so both devices and any number of threads
// give the same bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "data/image/image.h"
#include "tensor/tensor.h"

namespace gadolin {

enum class PreprocessKind {
  bitwise_downsampling,
  contrast_enhancing,
  color_quantization,
  target_segmentation
};

// What the command line calls a method, the values it takes, and the folder its pictures go to.
struct PreprocessMethod {
  PreprocessKind kind;
  const char* name;
  int least, most;
  const char* folder;
};
const std::array<PreprocessMethod, 4>& preprocess_methods();
// Throws UsageError, naming the four.
const PreprocessMethod& preprocess_method(std::string_view name);

// Pictures are [H, W, C] uint8, C = 1 (grey) or 3 (red, green, blue), contiguous, on either device; results
// are new tensors on the same one. Throw ShapeError, DTypeError, and ValueError for a value outside the
// method's range.

// The highest `bits` bits of every sample, 1 to 8: p - p mod 2^(8 - bits).
Tensor reduce_bits(const Tensor& image, int bits);
// clip(m + factor (p - m), 0, 255), factor 1 to 10; m is the rounded mean of the picture's luminance
// (Pillow's ImageEnhance.Contrast).
Tensor enhance_contrast(const Tensor& image, int factor);

struct Quantized {
  Tensor image;
  std::vector<std::array<std::uint8_t, 3>> centers;  // of clusters that have pixels; grey repeats its level
  double compactness = 0;  // sum of squared distances to the means, over the picture's channels
};
// k-means with k = 2 to 10 over all pixels (Lloyd 1982): ten starts from random centres within a box a third
// wider than the colours on each side; each ends after ten rounds, the random one counted, or when no centre
// moves by more than 1; the most compact result stays. A pixel becomes the mean of its cluster, rounded down.
// A cluster without pixels moves to the colour farthest from the centre of the most populous one. Centres are
// kept to 1/256 while pixels are assigned.
Quantized quantize_colors(const Tensor& image, int k, std::uint64_t seed = 0);

// [H, W, 1] of 0 and 255: after enhance_contrast by `factor`, as grey, the pixels at least 2 below the
// rounded mean of the 51 x 51 around them (edges repeated), and of their 8-connected components those higher
// than H / 15 or wider than W / 15.
Tensor segment_target(const Tensor& image, int factor);
// The pixels of `image` where `mask` [H, W, 1] is not 0, and 0 elsewhere.
Tensor apply_mask(const Tensor& image, const Tensor& mask);

enum class Emit { mask, masked };
struct PreprocessOptions {
  PreprocessKind kind = PreprocessKind::bitwise_downsampling;
  int value = 4;
  std::uint64_t seed = 0;  // of color_quantization
  Emit emit = Emit::mask;  // of target_segmentation
};
Tensor preprocess(const Tensor& image, const PreprocessOptions& options);
// Of a picture in memory, computed on `device`; 16 bits are brought to 8 first.
Image preprocess(Image image, const PreprocessOptions& options, Device device = cpu);

}  // namespace gadolin
