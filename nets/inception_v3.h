// Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture", table 1). Names and numbers are
// torchvision's.
#pragma once

#include "layers/auxiliary.h"
#include "layers/branches.h"
#include "layers/linear.h"

namespace gadolin {

struct InceptionOptions {
  int input_channels = 3, num_classes = 1000;
  double dropout = -1;       // before the last layer; below 0: what the net's reference does
  double dropout_aux = 0.7;  // GoogLeNet: in the auxiliary heads
  bool aux_logits = true;  // auxiliary heads, used in training; timm has none for v4 and Inception-ResNet-v2
  bool transform_input =
      false;  // from ImageNet's mean and deviation to [-1, 1], for weights that were trained so
  bool count_include_pad = true;  // v3's average pools: false for Slim's weights
  int width_divisor = 1;          // channels of every convolution divided by it, for small nets
};

// The auxiliary head, on the last 17 x 17 features: mean of 5x5, 1x1, 5x5, linear.
class InceptionAux : public Module {
 public:
  InceptionAux(int in, const InceptionOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionAux"; }

 private:
  ConvNormRelu &conv0_, &conv1_;
  Linear& fc_;
};

// [N, 3, H, W] normalised by ImageNet's statistics -> (x - 0.5) / 0.5. Throws ShapeError without three
// channels.
Tensor imagenet_to_unit_range(const Tensor& x);

// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes].
class InceptionV3 : public Module, public AuxiliaryHeads {
 public:
  explicit InceptionV3(const InceptionOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionV3"; }

 private:
  InceptionOptions options_;
  std::vector<Module*> stem_, before_head_, after_head_;
  InceptionAux* head_ = nullptr;
  Dropout* dropout_;
  Linear* fc_;
};

}  // namespace gadolin
