#include "nets/densenet.h"

#include "tensor/ops.h"

namespace gadolin {

DenseNetOptions densenet_options(int depth) {
  DenseNetOptions o;
  switch (depth) {
    case 121: o.block_config = {6, 12, 24, 16}; break;
    case 161: o.block_config = {6, 12, 36, 24}, o.growth_rate = 48, o.num_init_features = 96; break;
    case 169: o.block_config = {6, 12, 32, 32}; break;
    case 201: o.block_config = {6, 12, 48, 32}; break;
    default: fail<ValueError>("densenet: depth ", depth, " is not one of 121, 161, 169, 201");
  }
  return o;
}

DenseLayer::DenseLayer(int in, const DenseNetOptions& o)
    : norm1_(add("norm1", BatchNorm2d(in))),
      conv1_(add("conv1", Conv2d(in, o.bn_size * o.growth_rate, 1, {.bias = false}))),
      norm2_(add("norm2", BatchNorm2d(o.bn_size * o.growth_rate))),
      conv2_(
          add("conv2", Conv2d(o.bn_size * o.growth_rate, o.growth_rate, 3, {.padding = 1, .bias = false}))),
      dropout_(add("dropout", Dropout(o.drop_rate))) {}

Tensor DenseLayer::features_of(const Tensor& x, const ChannelStatistics& known, const Tensor& out) {
  if (folds(conv1_, norm2_, x))
    return dropout_(conv_add(conv2_, conv_norm(conv1_, norm2_, norm1_.relu(x, known), true), false, {}, out));
  const Tensor y = norm_relu_conv(x, norm1_, conv1_, known);
  return dropout_(norm_relu_conv(y, norm2_, conv2_));
}

void DenseLayer::extend(ChannelBuffer& features) {
  const Tensor x = features.all();
  const Tensor slot = features.slot(conv2_.weight().size(0));
  features.append(called(x, [&] { return features_of(x, features.statistics(), slot); }));
}

DenseBlock::DenseBlock(int in, int layers, const DenseNetOptions& o) : growth_(o.growth_rate) {
  for (int i = 0; i < layers; ++i) {
    layers_.push_back(&add("denselayer" + std::to_string(i + 1), DenseLayer(in + i * o.growth_rate, o)));
  }
}

Tensor DenseBlock::forward(const Tensor& x) {
  const std::int64_t channels = x.size(1) + static_cast<std::int64_t>(layers_.size()) * growth_;
  ChannelBuffer features(x, channels, x.size(2), x.size(3), training());
  features.append(x);
  for (DenseLayer* layer : layers_) layer->extend(features);
  statistics_ = features.statistics();
  return features.all();
}

Transition::Transition(int in)
    : norm_(add("norm", BatchNorm2d(in))), conv_(add("conv", Conv2d(in, in / 2, 1, {.bias = false}))) {}

// A mean over pixels and a 1x1 convolution may change places: the convolution then sees a quarter of the
// pixels.
Tensor Transition::halve(const Tensor& x, const ChannelStatistics& known) {
  const Tensor a = norm_.relu(x, known);
  return watching() ? avg_pool2d(conv_(a), {2}) : conv_(avg_pool2d(a, {2}));
}

// The part that torchvision calls `features`.
class DenseNet::Features : public Module {
 public:
  explicit Features(const DenseNetOptions& o) : small_input_(o.small_input) {
    const Conv2dOptions stem = o.small_input ? Conv2dOptions{.padding = 1, .bias = false}
                                             : Conv2dOptions{.stride = 2, .padding = 3, .bias = false};
    conv0_ = &add("conv0", Conv2d(o.input_channels, o.num_init_features, o.small_input ? 3 : 7, stem));
    norm0_ = &add("norm0", BatchNorm2d(o.num_init_features));
    channels_ = o.num_init_features;
    for (std::size_t i = 0; i < o.block_config.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      blocks_.push_back(&add("denseblock" + number, DenseBlock(channels_, o.block_config[i], o)));
      channels_ += o.block_config[i] * o.growth_rate;
      if (i + 1 == o.block_config.size()) break;
      transitions_.push_back(&add("transition" + number, Transition(channels_)));
      channels_ /= 2;
    }
    norm5_ = &add("norm5", BatchNorm2d(channels_));
  }
  int channels() const { return channels_; }
  const char* kind() const override { return "Features"; }

  Tensor forward(const Tensor& x) override {
    Tensor y = conv_norm(*conv0_, *norm0_, x, true);
    if (!small_input_) y = max_pool2d(y, {3, 2, 1});
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      y = (*blocks_[i])(y);
      if (i < transitions_.size()) y = (*transitions_[i])(y, blocks_[i]->statistics());
    }
    return norm5_->relu(y, blocks_.back()->statistics());
  }

 private:
  bool small_input_;
  int channels_;
  Conv2d* conv0_;
  BatchNorm2d *norm0_, *norm5_;
  std::vector<DenseBlock*> blocks_;
  std::vector<Transition*> transitions_;
};

DenseNet::DenseNet(const DenseNetOptions& options) {
  features_ = &add("features", Features(options));
  classifier_ = &add("classifier", Linear(features_->channels(), options.num_classes));
}

Tensor DenseNet::forward(const Tensor& x) {
  return (*classifier_)(global_avg_pool2d((*features_)(x)).flatten(1));
}

}  // namespace gadolin
