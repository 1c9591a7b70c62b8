// Pooling: the largest or the mean value of windows of an image.
#pragma once

#include "layers/conv.h"

namespace gadolin {

// The window of a pooling and its way over the image.
struct PoolOptions {
  Pair kernel_size;               // rows and columns
  Pair stride;                    // the kernel's size unless given
  Pair padding = 0;               // on both sides
  bool ceil_mode = false;         // a last window may hang over the edge, if it starts inside
  bool count_include_pad = true;  // average: padding counts as zeros
  bool same = false;  // TensorFlow's SAME: ceil(H / stride) results; an average leaves padding out
  PoolOptions(Pair kernel) : kernel_size(kernel), stride(kernel) {}  // windows side by side
  // Also {3, 2, 1}.
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

// max_pool2d as a layer.
struct MaxPool2d : FunctionLayer {
  // Of its window.
  explicit MaxPool2d(const PoolOptions& options)
      : FunctionLayer("MaxPool2d", [options](const Tensor& x) { return max_pool2d(x, options); }) {}
};
// avg_pool2d as a layer.
struct AvgPool2d : FunctionLayer {
  // Of its window.
  explicit AvgPool2d(const PoolOptions& options)
      : FunctionLayer("AvgPool2d", [options](const Tensor& x) { return avg_pool2d(x, options); }) {}
};
// adaptive_avg_pool2d as a layer.
struct AdaptiveAvgPool2d : FunctionLayer {
  // Size of the result.
  explicit AdaptiveAvgPool2d(Pair out)
      : FunctionLayer("AdaptiveAvgPool2d", [out](const Tensor& x) { return adaptive_avg_pool2d(x, out); }) {}
};
// The mean over all places: [N, C, H, W] -> [N, C, 1, 1].
struct GlobalAvgPool2d : FunctionLayer {
  GlobalAvgPool2d() : FunctionLayer("GlobalAvgPool2d", global_avg_pool2d) {}
};

}  // namespace gadolin
