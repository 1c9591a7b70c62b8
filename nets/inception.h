// GoogLeNet and the Inception nets, and what they share: a chain of parts with classifiers beside it.
#pragma once

#include <algorithm>

#include "layers/branches.h"
#include "layers/linear.h"
#include "nets/image_net.h"

namespace gadolin {

namespace detail {
// Of 3x3 kernels: the same size, and half of it.
inline const Conv2dOptions around{.padding = 1}, halves{.stride = 2};
// A square kernel taken apart: its row, and its column.
inline BranchConv wide(const char* name, int out, int n) {
  return {name, out, {1, n}, {.padding = {0, n / 2}}};
}
inline BranchConv high(const char* name, int out, int n) {
  return {name, out, {n, 1}, {.padding = {n / 2, 0}}};
}
// The average of a pixel and those around it.
inline PoolOptions neighbours(bool count_include_pad = false) {
  PoolOptions window(3, 1, 1);
  window.count_include_pad = count_include_pad;
  return window;
}
}  // namespace detail

// Sizes and conventions of the Inception nets.
struct InceptionOptions {
  int input_channels = 3, num_classes = 1000;  // 0 classes: no classifier
  double dropout = -1;       // before the last layer; below 0: what the net's reference does
  double dropout_aux = 0.7;  // GoogLeNet: in the auxiliary heads
  bool aux_logits = true;  // auxiliary heads, used in training; timm has none for v4 and Inception-ResNet-v2
  bool transform_input = false;   // from ImageNet's mean and deviation to [-1, 1], for weights trained so
  bool count_include_pad = true;  // v3's average pools: false for Slim's weights
  int width_divisor = 1;          // channels of every convolution divided by it, for small nets
};

// The auxiliary head, on the last 17 x 17 features: mean of 5x5, 1x1, 5x5, linear.
class InceptionAux : public Layer {
 public:
  static constexpr std::int64_t least = 299;  // pixels a side of a picture that leaves 17 x 17 features
  InceptionAux(int in, const InceptionOptions& options);  // channels in
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionAux"; }

 private:
  ConvNormRelu &conv0_, &conv1_;
  Linear& fc_;
};

// [N, 3, H, W] normalised by ImageNet's statistics -> (x - 0.5) / 0.5. Throws ShapeError without three
// channels.
Tensor imagenet_to_unit_range(const Tensor& x);

// The parts run one after another; what a part gives may end a stage and may be read by an auxiliary head.
// Then mean of all pixels, dropout, linear. Channels are named as published.
class InceptionNet : public ImageNet {
 public:
  const char* kind() const override { return kind_; }
  std::int64_t least_size(bool training) const override;

 protected:
  // `least`: pixels a side that an image must have; `called`: the net's name in the message about others.
  InceptionNet(const char* kind, const char* called, std::int64_t least, const InceptionOptions& options)
      : kind_(kind), called_(called), least_(least), options_(options), channels_(options.input_channels) {}
  // Puts a layer at the end.
  template <std::derived_from<Layer> M> void part(const std::string& name, M layer) {
    if constexpr (requires { layer.channels(); }) channels_ = layer.channels();
    parts_.push_back({&add(name, std::move(layer)), channels_});
  }
  // Puts a convolution with norm and ReLU at the end.
  void conv(const std::string& name, int out, Pair kernel_size, const Conv2dOptions& options = {}) {
    part(name, ConvNormRelu(channels_, out / options_.width_divisor, kernel_size, options));
  }
  // A block whose branches are declared by `draw(block, with...)`.
  template <std::derived_from<Branches> B, class... A>
  void block(const std::string& name, const char* kind, void (*draw)(B&, A...), std::decay_t<A>... with) {
    B made(kind, channels_, options_.width_divisor);
    draw(made, with...);
    part(name, std::move(made));
  }
  void ends_stage() { parts_.back().ends_stage = true; }       // with the last part
  std::size_t last_part() const { return parts_.size() - 1; }  // its number, for auxiliary()
  // An auxiliary head that reads what this part gives, from pictures of at least M::least pixels a side, if
  // the options want one.
  template <std::derived_from<Layer> M> void auxiliary(const std::string& name, std::size_t reads) {
    if (!options_.aux_logits) return;
    least_to_learn_ = std::max(least_to_learn_, M::least);
    parts_.at(reads).head = &add(name, M(parts_.at(reads).channels, options_));
  }
  // `share`: of the dropout, unless the options say another.
  void classifier(const std::string& dropout, double share, const std::string& linear);

 private:
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  struct Part {
    Layer* layer;
    int channels;  // of what it gives
    Layer* head = nullptr;
    bool ends_stage = false;
  };
  const char *kind_, *called_;
  std::int64_t least_, least_to_learn_ = 1;
  InceptionOptions options_;
  int channels_;
  std::vector<Part> parts_;
  Dropout* dropout_ = nullptr;
  Linear* linear_ = nullptr;
};

// GoogLeNet, Inception v1 (Szegedy et al. 2015, table 1), with batch norm as in torchvision, whose names and
// numbers these are.
//
// x [N, C, H, W], at least 15 x 15 -> logits [N, num_classes]. Auxiliary logits: of aux2, then of aux1, as
// torchvision returns them. features: conv3, inception3b, inception4e, inception5b, at strides 4, 8, 16, 32.
class GoogLeNet : public InceptionNet {
 public:
  explicit GoogLeNet(const InceptionOptions& options = {});  // two auxiliary heads unless the options say no
};

// Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture", table 1). Names and numbers are
// torchvision's.
//
// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes]. features: Conv2d_4a_3x3,
// Mixed_5d, Mixed_6e, Mixed_7c, at strides 4, 8, 16, 32, less a border of a few pixels, as many convolutions
// do not pad: 71, 35, 17 and 8 of 299.
class InceptionV3 : public InceptionNet {
 public:
  explicit InceptionV3(const InceptionOptions& options = {});  // an auxiliary head unless the options say no
};

// Inception v4 (Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of residual connections",
// figures 3 to 9). Names and numbers are timm's.
//
// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes]. The auxiliary head is
// Slim's. features: features.4 (the stem's second join), the last block of each of A, B and C (features.9, 17
// and 21), at strides 4, 8, 16, 32, less a border: 71, 35, 17 and 8 pixels of 299.
class InceptionV4 : public InceptionNet {
 public:
  explicit InceptionV4(const InceptionOptions& options = {.aux_logits = false});  // as timm
};

// Inception-ResNet-v2 (Szegedy et al. 2017, figures 15 to 19 and table 1). Names and numbers are timm's.
//
// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes]. The auxiliary head is
// Slim's. features: conv2d_4a, repeat.9, repeat_1.19, conv2d_7b, at strides 4, 8, 16, 32, less a border: 71,
// 35, 17 and 8 pixels of 299.
class InceptionResNetV2 : public InceptionNet {
 public:
  explicit InceptionResNetV2(const InceptionOptions& options = {.aux_logits = false});  // as timm
};

}  // namespace gadolin
