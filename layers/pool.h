// Pooling: the largest or the mean value of windows of an image.
#pragma once

#include "layers/conv.h"

namespace gadolin {

struct PoolOptions {
  Pair kernel_size;
  Pair stride;  // the kernel's size unless given
  Pair padding = 0;
  bool ceil_mode = false;         // a last window may hang over the edge, if it starts inside
  bool count_include_pad = true;  // average: padding counts as zeros
  bool same = false;  // TensorFlow's SAME: ceil(H / stride) results; an average leaves padding out
  PoolOptions(Pair kernel) : kernel_size(kernel), stride(kernel) {}
  PoolOptions(Pair kernel, Pair step, Pair pad = 0) : kernel_size(kernel), stride(step), padding(pad) {}
};

// x [N, C, H, W] -> [N, C, P, Q], channels-last. Padding is at most half the kernel. Agree with
// torch.nn.functional. Keeps one byte an output element: the place of the first largest value in its window
// (at most 256 places); NaN wins.
Tensor max_pool2d(const Tensor& x, const PoolOptions& options);
// Keeps nothing.
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options);
// Window i of `out` covers [floor(i H / out), ceil((i + 1) H / out)).
Tensor adaptive_avg_pool2d(const Tensor& x, Pair out);
// [N, C, H, W] -> [N, C, 1, 1].
Tensor global_avg_pool2d(const Tensor& x);

template <bool largest> class Pool2d : public Layer {
 public:
  explicit Pool2d(const PoolOptions& options) : options_(options) {}
  Tensor forward(const Tensor& x) override {
    return largest ? max_pool2d(x, options_) : avg_pool2d(x, options_);
  }
  const char* kind() const override { return largest ? "MaxPool2d" : "AvgPool2d"; }

 private:
  PoolOptions options_;
};
using MaxPool2d = Pool2d<true>;
using AvgPool2d = Pool2d<false>;
class AdaptiveAvgPool2d : public Layer {
 public:
  explicit AdaptiveAvgPool2d(Pair out) : out_(out) {}
  Tensor forward(const Tensor& x) override { return adaptive_avg_pool2d(x, out_); }
  const char* kind() const override { return "AdaptiveAvgPool2d"; }

 private:
  Pair out_;
};
class GlobalAvgPool2d : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return global_avg_pool2d(x); }
  const char* kind() const override { return "GlobalAvgPool2d"; }
};

}  // namespace gadolin
