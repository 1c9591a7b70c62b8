// Transposed convolution of images: what a convolution does to gradients, as a layer that enlarges.
#pragma once

#include "layers/conv.h"

namespace gadolin {

// How filters move over the result.
struct ConvTranspose2dOptions {
  Pair stride = 1, padding = 0, dilation = 1;  // as in conv2d, of which this is the gradient
  Pair output_padding =
      0;             // rows and columns more, below and to the right: the sizes that `stride` rounds away
  int groups = 1;    // channels in that many groups of their own
  bool bias = true;  // of the module; the function has a bias when it is given one
};

// The gradient of conv2d for its input, with these filters and options, taken at x.
//   x [N, C, H, W], weight [C, K / groups, R, S] as PyTorch's, bias [K] or undefined -> [N, K, P, Q],
//   P = (H - 1) stride - 2 padding + dilation (R - 1) + output_padding + 1, Q likewise.
// Keeps x and weight. Floating types. Throws ShapeError when channels disagree or nothing is left of the
// result, ValueError for options out of range; output_padding is below stride. Agrees with
// torch.nn.functional.conv_transpose2d.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dOptions& options = {});

// Weights start normal with variance 2 / (C R S), which keeps the variance of x where the stride is 1.
class ConvTranspose2d : public Layer {
 public:
  // Channels [C], filters [K], their size; weight [C, K / groups, R, S].
  ConvTranspose2d(int in_channels, int out_channels, Pair kernel_size,
                  const ConvTranspose2dOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "ConvTranspose2d"; }
  std::int64_t macs(std::span<const Tensor> in, std::span<const Tensor> out) const override;
  const Tensor& weight() const { return weight_; }  // [C, K / groups, R, S]
  const Tensor& bias() const { return bias_; }      // undefined without one

 private:
  ConvTranspose2dOptions options_;
  Tensor weight_, bias_;
};

}  // namespace gadolin
