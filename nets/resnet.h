// Residual networks (He et al. 2015, table 1), in the form called v1.5, where the stride of a bottleneck sits
// on its 3x3, and with pre-activation (He et al. 2016). Names and numbers are torchvision's.
#pragma once

#include "layers/conv_norm.h"
#include "layers/linear.h"
#include "layers/pool.h"
#include "nets/image_net.h"

namespace gadolin {

// Sizes and conventions of a ResNet.
struct ResNetOptions {
  int input_channels = 3, num_classes = 1000;  // 0 classes: no classifier
  int width = 64;  // channels of the stem and of the first group's 3x3; times 2, 4, 8 in the other groups
  bool small_input = false;  // stem for small images: 3x3, stride 1, no pooling (He et al. 2015, section 4.2)
  bool zero_init_residual = false;  // the last batch norm of a block starts at 0 (Goyal et al. 2017)
  bool stride_in_1x1 = false;  // a bottleneck's stride sits on its first 1x1, as in the paper and in Keras
  // Conventions of TF-Slim, for weights that were trained with them:
  bool stride_in_last_unit = false;  // a group's last block halves the size, not its first
  bool same_pooling = false;         // the stem's pooling pads as TensorFlow's SAME does
  bool conv_bias = false;  // v2: the stem, the last convolution of a block and projections have biases
};

// Convolutions with batch norms and a shortcut around them; He et al. 2015, figure 5. Two 3x3 (left), or 1x1
// to fewer channels, 3x3, 1x1 to four times as many (right).
class ResidualBlock : public Layer {
 public:
  // Channels in; channels of its 3x3; stride of the block.
  ResidualBlock(int in, int planes, int stride, bool bottleneck, const ResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return steps_.size() == 3 ? "Bottleneck" : "BasicBlock"; }

 private:
  std::vector<ConvNorm> steps_;
  Shortcut* downsample_;
};

// The same convolutions, each behind a batch norm and a ReLU, and nothing is done to the sum; He et al. 2016,
// "Identity mappings", figure 4 e. The projection of the shortcut reads the activation after the first norm.
class PreActivationBlock : public Layer {
 public:
  // Channels in; channels of its 3x3; stride of the block.
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

// x [N, C, H, W] -> logits [N, num_classes]. features: layer1 to layer4, at strides 4, 8, 16, 32; with
// small_input 1, 2, 4, 8; with stride_in_last_unit, where a group's result is the smaller one already, 8, 16,
// 32, 32 (small_input 2, 4, 8, 8).
class ResNet : public ImageNet {
 public:
  // depth: 18, 34, 50, 101, 152 or 200. Throws ValueError for another.
  explicit ResNet(int depth, const ResNetOptions& options = {}) : ResNet(depth, options, false) {}
  const char* kind() const override { return pre_activation_ ? "ResNetV2" : "ResNet"; }

 protected:
  ResNet(int depth, const ResNetOptions& options, bool pre_activation);  // for both kinds of blocks

 private:
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  ResNetOptions options_;
  bool pre_activation_;
  Conv2d* conv1_;
  BatchNorm2d* bn1_;  // behind the stem, or behind the last group
  Sequential* groups_[4];
  Linear* fc_;
};

// The same of pre-activation blocks. No batch norm follows the stem; the one behind the last group is called
// bn1, and the last of the features is relu(bn1(layer4)).
class ResNetV2 : public ResNet {
 public:
  // Depth as ResNet.
  explicit ResNetV2(int depth, const ResNetOptions& options = {}) : ResNet(depth, options, true) {}
};

// Blocks in each of the four groups, and whether they are bottlenecks.
struct ResNetDepth {
  int blocks[4];    // of layer1 to layer4
  bool bottleneck;  // 1x1, 3x3, 1x1 instead of two 3x3
};
ResNetDepth resnet_depth(int depth);  // throws ValueError for a depth that is not published

// The net of that depth:
inline ResNet resnet18(const ResNetOptions& options = {}) { return ResNet(18, options); }
inline ResNet resnet34(const ResNetOptions& options = {}) { return ResNet(34, options); }
inline ResNet resnet50(const ResNetOptions& options = {}) { return ResNet(50, options); }
inline ResNet resnet101(const ResNetOptions& options = {}) { return ResNet(101, options); }
inline ResNet resnet152(const ResNetOptions& options = {}) { return ResNet(152, options); }
inline ResNet resnet200(const ResNetOptions& options = {}) { return ResNet(200, options); }

}  // namespace gadolin
