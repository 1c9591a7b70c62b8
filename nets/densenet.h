// Densely connected networks (Huang et al. 2017, table 1): every layer reads the features of all layers
// before it in its block. Names and numbers are torchvision's.
#pragma once

#include "layers/channels.h"
#include "layers/linear.h"
#include "layers/pool.h"
#include "nets/image_net.h"

namespace gadolin {

// Sizes of a DenseNet.
struct DenseNetOptions {
  int input_channels = 3, num_classes = 1000;    // 0 classes: no classifier
  int growth_rate = 32;                          // features that a layer adds (k in the paper)
  int num_init_features = 64;                    // of the stem
  int bn_size = 4;                               // a bottleneck has bn_size * growth_rate channels
  std::vector<int> block_config{6, 12, 24, 16};  // layers of each block
  double drop_rate = 0;                          // dropout of a layer's new features
  bool small_input = false;  // stem for small images: 3x3, stride 1, no pooling (section 4.1)
};
// The published ones: 121, 161, 169, 201. Throws ValueError for another depth.
DenseNetOptions densenet_options(int depth);

// norm-ReLU-1x1-norm-ReLU-3x3: reads all features so far, appends growth_rate new ones (the paper's
// DenseNet-B).
class DenseLayer : public Layer {
 public:
  DenseLayer(int in, const DenseNetOptions& options);  // channels in
  Tensor forward(const Tensor& x) override { return features_of(x, {}, {}); }
  // Reads what the buffer holds and appends to it.
  void extend(ChannelBuffer& features);
  const char* kind() const override { return "DenseLayer"; }

 private:
  // Evaluation writes into `out`.
  Tensor features_of(const Tensor& x, const ChannelStatistics& known, const Tensor& out);
  NormReluConv first_, second_;
  Dropout& dropout_;
};

// What a block hands on: all its features, and in training the batch statistics of their channels, which
// every batch norm behind it wants.
struct DenseFeatures {
  Tensor all;                                            // [N, C + layers * growth_rate, H, W]
  ChannelStatistics statistics;                          // undefined in evaluation
  std::vector<Tensor> tensors() const { return {all}; }  // those that an observer sees
};

// x [N, C, H, W] -> the same with what every layer adds.
class DenseBlock : public Module {
 public:
  DenseBlock(int in, int layers, const DenseNetOptions& options);  // channels in, and how many layers
  DenseFeatures operator()(const Tensor& x);                       // a call of the whole block
  const char* kind() const override { return "DenseBlock"; }

 private:
  int growth_;
  std::vector<DenseLayer*> layers_;
};

// Between blocks: half the channels, half the height and width.
class Transition : public Module {
 public:
  explicit Transition(int in);                // channels in, of which half come out
  Tensor operator()(const DenseFeatures& x);  // [N, C, H, W] -> [N, C / 2, H / 2, W / 2]
  const char* kind() const override { return "Transition"; }

 private:
  BatchNorm2d& norm_;
  Conv2d& conv_;
};

// x [N, C, H, W], at least 29 x 29, with small_input 8 x 8 -> logits [N, num_classes]. features: the results
// of denseblock1 to 3 and relu(norm5) of denseblock4's, at strides 4, 8, 16, 32; with small_input 1, 2, 4, 8.
// Another number of blocks in block_config gives as many stages.
class DenseNet : public ImageNet {
 public:
  explicit DenseNet(const DenseNetOptions& options);  // options of densenet_options, or others
  const char* kind() const override { return "DenseNet"; }
  std::int64_t least_size(bool training) const override;

 private:
  class Features;
  Tensor trunk(const Tensor& x, const Taps& taps) override;
  Tensor head(const Tensor& last) override;
  Features* features_;
  Linear* classifier_;
};

}  // namespace gadolin
