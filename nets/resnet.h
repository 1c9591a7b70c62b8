// Residual networks (He et al. 2015, table 1), in the form called v1.5: the stride of a bottleneck sits on
// its 3x3. Names and numbers are torchvision's.
#pragma once

#include <optional>

#include "layers/conv_norm.h"
#include "layers/linear.h"
#include "layers/pool.h"
#include "nets/image_net.h"

namespace gadolin {

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

// Two 3x3 convolutions and a shortcut; He et al. 2015, figure 5 (left).
class BasicBlock : public Layer {
 public:
  static constexpr int expansion = 1;
  BasicBlock(int in, int planes, int stride, const ResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "BasicBlock"; }

 private:
  ConvNorm conv1_, conv2_;
  Shortcut& downsample_;
};

// 1x1 to fewer channels, 3x3, 1x1 to four times as many; figure 5 (right).
class Bottleneck : public Layer {
 public:
  static constexpr int expansion = 4;
  Bottleneck(int in, int planes, int stride, const ResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "Bottleneck"; }

 private:
  ConvNorm conv1_, conv2_, conv3_;
  Shortcut& downsample_;
};

// x [N, C, H, W] -> logits [N, num_classes]. features: layer1 to layer4, at strides 4, 8, 16, 32; with
// small_input 1, 2, 4, 8; with stride_in_last_unit, where a group's result is the smaller one already, 8, 16,
// 32, 32 (small_input 2, 4, 8, 8).
class ResNet : public ImageNet {
 public:
  // depth: 18, 34, 50, 101, 152 or 200. Throws ValueError for another.
  explicit ResNet(int depth, const ResNetOptions& options = {});
  const char* kind() const override { return "ResNet"; }

 private:
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  ResNetOptions options_;
  std::optional<ConvNorm> conv1_;
  Sequential* groups_[4];
  Linear* fc_;
};

// Blocks in each of the four groups, and whether they are bottlenecks.
struct ResNetDepth {
  int blocks[4];
  bool bottleneck;
};
ResNetDepth resnet_depth(int depth);
int group_stride(int group, const ResNetOptions& options);
PoolOptions stem_pooling(const ResNetOptions& options);

inline ResNet resnet18(const ResNetOptions& options = {}) { return ResNet(18, options); }
inline ResNet resnet34(const ResNetOptions& options = {}) { return ResNet(34, options); }
inline ResNet resnet50(const ResNetOptions& options = {}) { return ResNet(50, options); }
inline ResNet resnet101(const ResNetOptions& options = {}) { return ResNet(101, options); }
inline ResNet resnet152(const ResNetOptions& options = {}) { return ResNet(152, options); }
inline ResNet resnet200(const ResNetOptions& options = {}) { return ResNet(200, options); }

}  // namespace gadolin
