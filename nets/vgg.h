// VGG (Simonyan and Zisserman 2015, table 1: A, B, D, E), plain or with batch norm. Names and numbers are
// torchvision's.
#pragma once

#include "layers/conv_norm.h"
#include "layers/linear.h"
#include "layers/pool.h"
#include "nets/image_net.h"

namespace gadolin {

// Sizes of a VGG net.
struct VGGOptions {
  int input_channels = 3, num_classes = 1000;  // 0 classes: no classifier
  bool batch_norm = false;                     // behind every convolution
  double dropout = 0.5;                        // after the first two linear layers
  int width_divisor = 1;                       // channels and hidden units divided by it, for small nets
};

// x [N, C, H, W], at least 32 x 32 -> logits [N, num_classes]. features: the results of the poolings 2 to 5,
// at strides 4, 8, 16, 32.
class VGG : public ImageNet {
 public:
  // depth: 11, 13, 16 or 19. Throws ValueError for another.
  explicit VGG(int depth, const VGGOptions& options = {});
  const char* kind() const override { return "VGG"; }
  std::int64_t least_size(bool) const override { return 32; }

 private:
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  struct Step {
    Conv2d* conv;
    BatchNorm2d* norm;  // or nullptr
    Tensor operator()(const Tensor& x) const;
  };
  std::vector<Step> groups_[5];  // a pooling comes after each
  Linear *fc1_, *fc2_, *fc3_;
  Dropout &drop1_, &drop2_;
};

}  // namespace gadolin
