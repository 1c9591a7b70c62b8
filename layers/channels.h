// Many channels in one piece of memory: layers read the first ones and write the next, so joining them copies
// nothing.
#pragma once

#include "layers/conv_norm.h"
#include "layers/pool.h"

namespace gadolin {

// The features of a dense block, or the results of the branches of an Inception block. Gradients come back as
// slices of one tensor, and batch norms that read a prefix add theirs to it in place.
class ChannelBuffer {
 public:
  // Room for [N, channels, H, W] of this type and device. With `statistics`, the batch statistics of every
  // feature are computed once, when it is appended.
  ChannelBuffer(const Tensor& like, std::int64_t channels, std::int64_t height, std::int64_t width,
                bool statistics = false);
  // Where the next `channels` channels will stand: memory for a layer to write its result into before it is
  // appended.
  Tensor slot(std::int64_t channels) const;
  // y [N, C, H, W] becomes the next channels. Copied, unless it stands in its slot already. Throws ShapeError
  // when it does not fit.
  void append(const Tensor& y);
  // All channels so far, [N, C, H, W]: a slice of the buffer, channels-last.
  Tensor all();
  // Of the same channels; undefined tensors when they are not kept.
  ChannelStatistics statistics() const;

 private:
  Tensor memory_;
  ChannelStatistics statistics_;
  std::int64_t filled_ = 0;
  std::vector<Tensor> parts_;  // what all() has still to join; the first may be an earlier result of it
};

// conv(relu(norm(x))) without keeping the activation: backward computes it again from x (Pleiss et al. 2017).
// `known` are the statistics of x if somebody has them.
Tensor norm_relu_conv(const Tensor& x, BatchNorm2d& norm, Conv2d& conv, const ChannelStatistics& known = {});

// A batch norm, a ReLU and the convolution behind them, all children of the module that declares the pair.
struct NormReluConv {
  BatchNorm2d& norm;  // in front of the ReLU
  Conv2d& conv;       // behind it
};
// The first and the second one after another, the bottleneck of a dense layer. When nothing is recorded, the
// second batch norm folds into the first convolution and the result is written into `out`, if there is one.
Tensor dense_bottleneck(const Tensor& x, const NormReluConv& first, const NormReluConv& second,
                        const ChannelStatistics& known = {}, const Tensor& out = {});

// avg_pool2d(conv(x), window) for a 1x1 convolution of stride 1. It may change places with a mean of pixels,
// and then sees fewer of them.
Tensor mean_of_conv(Conv2d& conv, const Tensor& x, const PoolOptions& window);

// Convolutions of one input with the same options and filter size as one: the input is read once, forward and
// backward. Their results are slices of channels of one tensor. Throws ValueError when they differ or have
// biases. With `norms`, which must fold (layers/conv_norm.h), each result is relu(norm(conv(x))). In an
// Unfused scope they run one by one, without norms.
std::vector<Tensor> sibling_convs(const Tensor& x, const std::vector<Conv2d*>& convs,
                                  const std::vector<BatchNorm2d*>& norms = {});

}  // namespace gadolin
