// VGG (Simonyan and Zisserman 2015, table 1: A, B, D, E), plain or with batch norm. Names and numbers are
// torchvision's.
#pragma once

#include "layers/conv_norm.h"
#include "layers/linear.h"
#include "layers/pool.h"

namespace gadolin {

struct VGGOptions {
  int input_channels = 3, num_classes = 1000;
  bool batch_norm = false;
  double dropout = 0.5;   // after the first two linear layers
  int width_divisor = 1;  // channels and hidden units divided by it, for small nets
};

// x [N, C, H, W], at least 32 x 32 -> logits [N, num_classes].
class VGG : public Module {
 public:
  // depth: 11, 13, 16 or 19. Throws ValueError for another.
  explicit VGG(int depth, const VGGOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "VGG"; }

 private:
  // Convolutions and where they stand among torchvision's `features`; nullptr is a pooling.
  struct Step {
    Conv2d* conv;
    BatchNorm2d* norm;
  };
  std::vector<Step> steps_;
  Linear *fc1_, *fc2_, *fc3_;
  Dropout &drop1_, &drop2_;
};

}  // namespace gadolin
