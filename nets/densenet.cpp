#include "nets/densenet.h"

#include <utility>

#include "nets/image_size.h"
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
  return dropout_(dense_bottleneck(x, {norm1_, conv1_}, {norm2_, conv2_}, known, out));
}

void DenseLayer::extend(ChannelBuffer& features) {
  const Tensor x = features.all();
  const Tensor slot = features.slot(conv2_.weight().size(0));
  features.append(called(x, [&] { return features_of(x, features.statistics(), slot); }));
}

DenseBlock::DenseBlock(int in, int layers, const DenseNetOptions& o) : growth_(o.growth_rate) {
  for (int i = 0; i < layers; ++i)
    layers_.push_back(&add("denselayer" + std::to_string(i + 1), DenseLayer(in + i * o.growth_rate, o)));
}

DenseFeatures DenseBlock::operator()(const Tensor& x) {
  return called(x, [&]() -> DenseFeatures {
    const std::int64_t channels = x.size(1) + static_cast<std::int64_t>(layers_.size()) * growth_;
    ChannelBuffer features(x, channels, x.size(2), x.size(3), training());
    features.append(x);
    for (DenseLayer* layer : layers_) layer->extend(features);
    return {features.all(), features.statistics()};
  });
}

Transition::Transition(int in)
    : norm_(add("norm", BatchNorm2d(in))), conv_(add("conv", Conv2d(in, in / 2, 1, {.bias = false}))) {}

Tensor Transition::operator()(const DenseFeatures& x) {
  return called(x.all, [&] { return mean_of_conv(conv_, norm_.relu(x.all, x.statistics), {2}); });
}

// The part that torchvision calls `features`.
class DenseNet::Features : public Module {
 public:
  explicit Features(const DenseNetOptions& o) : small_input_(o.small_input) {
    const Conv2dOptions stem = o.small_input ? Conv2dOptions{.padding = 1, .bias = false}
                                             : Conv2dOptions{.stride = 2, .padding = 3, .bias = false};
    Conv2d& conv0 = add("conv0", Conv2d(o.input_channels, o.num_init_features, o.small_input ? 3 : 7, stem));
    stem_.emplace(conv0, add("norm0", BatchNorm2d(o.num_init_features)));
    channels_ = o.num_init_features;
    for (std::size_t i = 0; i < o.block_config.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      blocks_.push_back(&add("denseblock" + number, DenseBlock(channels_, o.block_config[i], o)));
      channels_ += o.block_config[i] * o.growth_rate;
      stages_.push_back(channels_);
      if (i + 1 == o.block_config.size()) break;
      transitions_.push_back(&add("transition" + number, Transition(channels_)));
      channels_ /= 2;
    }
    norm5_ = &add("norm5", BatchNorm2d(channels_));
  }
  const std::vector<int>& stages() const { return stages_; }
  // Every transition halves its features; the stem rounds up twice.
  std::int64_t least() const {
    const std::int64_t features = std::int64_t{1} << transitions_.size();
    return small_input_ ? features : 4 * features - 3;
  }
  const char* kind() const override { return "Features"; }

  Tensor operator()(const Tensor& x, const Taps& taps) {
    return called(x, [&] {
      Tensor y = stem_->relu(x);
      if (!small_input_) y = max_pool2d(y, {3, 2, 1});
      for (std::size_t i = 0; i < transitions_.size(); ++i) {
        const DenseFeatures dense = (*blocks_[i])(std::exchange(y, {}));  // its input goes
        taps.stage(dense.all);
        y = (*transitions_[i])(dense);
      }
      const DenseFeatures dense = (*blocks_.back())(std::exchange(y, {}));
      y = norm5_->relu(dense.all, dense.statistics);
      taps.stage(y);
      return y;
    });
  }

 private:
  bool small_input_;
  int channels_;
  std::vector<int> stages_;
  std::optional<ConvNorm> stem_;
  BatchNorm2d* norm5_;
  std::vector<DenseBlock*> blocks_;
  std::vector<Transition*> transitions_;
};

DenseNet::DenseNet(const DenseNetOptions& options) {
  features_ = &add("features", Features(options));
  for (const int channels : features_->stages()) stage_has(channels);
  if (classifies(options.num_classes))
    classifier_ = &add("classifier", Linear(features_->stages().back(), options.num_classes));
}

std::int64_t DenseNet::least_size(bool) const { return features_->least(); }
Tensor DenseNet::trunk(const Tensor& x, const Taps& taps) {
  require_image(x, features_->least(), "densenet");
  return (*features_)(x, taps);
}
Tensor DenseNet::head(const Tensor& last) { return (*classifier_)(global_avg_pool2d(last).flatten(1)); }

}  // namespace gadolin
