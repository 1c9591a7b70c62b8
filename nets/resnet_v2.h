// Residual networks with pre-activation (He et al. 2016, "Identity mappings", figure 4 e): batch norm and
// ReLU come before each convolution, and nothing is done to the sum.
#pragma once

#include "nets/resnet.h"

namespace gadolin {

// A block of two 3x3, or of 1x1, 3x3 and 1x1 to four times as many channels. The projection of the shortcut
// reads the activation after the first batch norm.
class PreActivationBlock : public Module {
 public:
  PreActivationBlock(int in, int planes, int stride, bool bottleneck, const ResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "PreActivationBlock"; }

 private:
  std::vector<BatchNorm2d*> norms_;
  std::vector<Conv2d*> convs_;
  Sequential* downsample_;
  bool projects_;  // otherwise the shortcut reads x itself
};

// x [N, C, H, W] -> logits [N, num_classes]. The batch norm behind the last group is called bn1.
class ResNetV2 : public Module {
 public:
  explicit ResNetV2(int depth, const ResNetOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "ResNetV2"; }

 private:
  ResNetOptions options_;
  Conv2d* conv1_;
  Sequential* groups_[4];
  BatchNorm2d* bn1_;
  Linear* fc_;
};

}  // namespace gadolin
