// Residual networks with pre-activation (He et al. 2016, "Identity mappings", figure 4 e): batch norm and
// ReLU come before each convolution, and nothing is done to the sum.
#pragma once

#include "nets/resnet.h"

namespace gadolin {

// A block of two 3x3, or of 1x1, 3x3 and 1x1 to four times as many channels. The projection of the shortcut
// reads the activation after the first batch norm.
class PreActivationBlock : public Layer {
 public:
  PreActivationBlock(int in, int planes, int stride, bool bottleneck, const ResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "PreActivationBlock"; }

 private:
  BatchNorm2d* first_norm_;
  std::vector<ConvNorm> steps_;  // each convolution with the batch norm before the next one
  Conv2d* last_conv_;
  Sequential* downsample_;
  bool projects_;  // otherwise the shortcut reads x itself
};

// x [N, C, H, W] -> logits [N, num_classes]. The batch norm behind the last group is called bn1. features:
// layer1 to layer3 and relu(bn1(layer4)), at the strides of ResNet's.
class ResNetV2 : public ImageNet {
 public:
  explicit ResNetV2(int depth, const ResNetOptions& options = {});
  const char* kind() const override { return "ResNetV2"; }

 private:
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  ResNetOptions options_;
  Conv2d* conv1_;
  Sequential* groups_[4];
  BatchNorm2d* bn1_;
  Linear* fc_;
};

}  // namespace gadolin
