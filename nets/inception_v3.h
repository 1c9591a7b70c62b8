// Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture", table 1). Names and numbers are torchvision's.
#pragma once

#include "layers/auxiliary.h"
#include "layers/branches.h"
#include "layers/linear.h"

namespace gadolin {

struct InceptionOptions {
  int input_channels = 3, num_classes = 1000;
  double dropout = -1;              // before the last layer; below 0: what the net's reference does
  double dropout_aux = 0.7;         // GoogLeNet: in the auxiliary heads
  bool aux_logits = true;           // auxiliary heads, used in training
  bool transform_input = false;     // from ImageNet's mean and deviation to [-1, 1], for weights that were trained so
  bool count_include_pad = true;    // v3's average pools: false for Slim's weights
  int width_divisor = 1;            // channels of every convolution divided by it, for small nets
};

// [N, 3, H, W] normalised by ImageNet's statistics -> (x - 0.5) / 0.5. Throws ShapeError without three channels.
Tensor imagenet_to_unit_range(const Tensor& x);

// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes].
class InceptionV3 : public Module, public AuxiliaryHeads {
 public:
  explicit InceptionV3(const InceptionOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionV3"; }

 private:
  class AuxiliaryHead;
  InceptionOptions options_;
  std::vector<Module*> stem_, before_head_, after_head_;
  AuxiliaryHead* head_ = nullptr;
  Dropout* dropout_;
  Linear* fc_;
};

}  // namespace gadolin
