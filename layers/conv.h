// Convolution of images.
#pragma once

#include "layers/module.h"

namespace gadolin {

// A number for each of height and width: {3} or {3, 5}.
struct Pair {
  int h, w;                                                       // rows, columns
  constexpr Pair(int both) : h(both), w(both) {}                  // the same for both
  constexpr Pair(int height, int width) : h(height), w(width) {}  // one for each
  bool operator==(const Pair&) const = default;
  std::vector<std::int64_t> vec() const { return {h, w}; }  // {h, w}
};

// How filters move over the image.
struct Conv2dOptions {
  Pair stride = 1, padding = 0, dilation = 1;  // in pixels
  int groups = 1;                              // channels in that many groups of their own
  bool bias = true;                            // of the module; the function has a bias when it is given one
  // TensorFlow's SAME: ceil(H / stride) results, an odd pixel of padding goes below and to the right.
  bool same = false;
  bool operator==(const Conv2dOptions&) const = default;
};

// Convolution of images with a bank of filters, without flipping (cross-correlation).
//   x [N, C, H, W], weight [K, C / groups, R, S], bias [K] or undefined -> [N, K, P, Q],
//   P = (H + 2 padding - dilation (R - 1) - 1) / stride + 1, Q likewise (with `same`: P = ceil(H / stride)).
// Keeps x and weight. The result is channels-last unless the reference loops run on row-major input.
// Throws ShapeError when channels disagree or the filter is larger than the padded image.
// fp32 is fp32: TF32 only when asked for (set_tf32, tensor/device.h). Agrees with torch.nn.functional.conv2d.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

namespace detail {
struct Conv2dFunction;
}

// Filters and a bias that stand for a convolution and what follows it, and the state of what they were made
// of.
struct FoldedFilters {
  Tensor weight, scale, bias;          // with a scale: the weight as it is, scaled as it is used
  std::vector<std::uint64_t> made_of;  // versions of the tensors behind them
};

// What follows a convolution in the same pass: [+ addend] [then relu].
struct ConvTail {
  // Of the result's shape and dtype, or undefined; overwritten if nobody else holds it and nothing is
  // recorded.
  Tensor addend = {};
  bool relu = false;  // after the sum
  Tensor out = {};    // where to write if not into new memory: channels-last, or a slice of its channels
};

// Weights start as in torchvision's classification nets: normal with variance 2 / (K R S) (He et al. 2015,
// fan out).
class Conv2d : public Layer {
 public:
  // Channels [C], filters [K], their size; weight [K, C / groups, R, S].
  Conv2d(int in_channels, int out_channels, Pair kernel_size, const Conv2dOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Conv2d"; }
  std::int64_t macs(std::span<const Tensor> in, std::span<const Tensor> out) const override;
  const Tensor& weight() const { return weight_; }           // [K, C / groups, R, S]
  const Tensor& bias() const { return bias_; }               // undefined without one
  const Conv2dOptions& options() const { return options_; }  // as made
  // The weight in the type of the innermost ComputeScope.
  Tensor compute_weight() const { return compute_copy(weight_); }
  // conv(x) and its tail in one pass, recorded: before a ReLU the result is kept for backward, not the
  // convolution's. `weight` and `bias`: made for this call, instead of its own. No `out`.
  Tensor recorded(const Tensor& x, const ConvTail& tail, const Tensor& weight = {}, const Tensor& bias = {});
  detail::Conv2dFunction function() const;  // with this module's options
  // conv(x) and its tail in one pass, off the tape; `folded` instead of weight and bias if it is given.
  // layers/conv_norm.h decides when this may be.
  Tensor fused(const Tensor& x, ConvTail tail, const FoldedFilters* folded = nullptr);
  FoldedFilters& folded() { return folded_; }  // kept from call to call by layers/conv_norm.h

 private:
  Conv2dOptions options_;
  Tensor weight_, bias_;
  FoldedFilters folded_;
};

}  // namespace gadolin
