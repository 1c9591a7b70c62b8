// Densely connected networks (Huang et al. 2017, table 1): every layer reads the features of all layers
// before it in its block. Names and numbers are torchvision's.
#pragma once

#include "layers/channels.h"
#include "layers/linear.h"
#include "layers/pool.h"

namespace gadolin {

struct DenseNetOptions {
  int input_channels = 3, num_classes = 1000;
  int growth_rate = 32;        // features that a layer adds (k in the paper)
  int num_init_features = 64;  // of the stem
  int bn_size = 4;             // a bottleneck has bn_size * growth_rate channels
  std::vector<int> block_config{6, 12, 24, 16};
  double drop_rate = 0;      // dropout of a layer's new features
  bool small_input = false;  // stem for small images: 3x3, stride 1, no pooling (section 4.1)
};
// The published ones: 121, 161, 169, 201. Throws ValueError for another depth.
DenseNetOptions densenet_options(int depth);

// norm-ReLU-1x1-norm-ReLU-3x3: reads all features so far, appends growth_rate new ones (the paper's
// DenseNet-B).
class DenseLayer : public Module {
 public:
  DenseLayer(int in, const DenseNetOptions& options);
  Tensor forward(const Tensor& x) override { return features_of(x, {}, {}); }
  void extend(ChannelBuffer& features);
  const char* kind() const override { return "DenseLayer"; }

 private:
  Tensor features_of(const Tensor& x, const ChannelStatistics& known,
                     const Tensor& out);  // evaluation writes into `out`
  BatchNorm2d& norm1_;
  Conv2d& conv1_;
  BatchNorm2d& norm2_;
  Conv2d& conv2_;
  Dropout& dropout_;
};

// x [N, C, H, W] -> [N, C + layers * growth_rate, H, W], with the batch statistics of its channels.
class DenseBlock : public Module {
 public:
  DenseBlock(int in, int layers, const DenseNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const ChannelStatistics& statistics() const { return statistics_; }  // of the last result
  const char* kind() const override { return "DenseBlock"; }

 private:
  int growth_;
  std::vector<DenseLayer*> layers_;
  ChannelStatistics statistics_;
};

// Between blocks: half the channels, half the height and width.
class Transition : public Module {
 public:
  explicit Transition(int in);
  Tensor forward(const Tensor& x) override { return halve(x, {}); }
  Tensor operator()(const Tensor& x, const ChannelStatistics& known) {
    return called(x, [&] { return halve(x, known); });
  }
  const char* kind() const override { return "Transition"; }

 private:
  Tensor halve(const Tensor& x, const ChannelStatistics& known);
  BatchNorm2d& norm_;
  Conv2d& conv_;
};

// x [N, C, H, W] -> logits [N, num_classes].
class DenseNet : public Module {
 public:
  explicit DenseNet(const DenseNetOptions& options);
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "DenseNet"; }

 private:
  class Features;
  Features* features_;
  Linear* classifier_;
};

}  // namespace gadolin
