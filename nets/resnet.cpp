#include "nets/resnet.h"

namespace gadolin {
namespace {

struct Step {
  int kernel, out, stride;
};
// The convolutions of a block: two 3x3; as a bottleneck 1x1, 3x3, and 1x1 to four times as many channels.
std::vector<Step> steps_of(int planes, int stride, bool bottleneck, bool stride_in_1x1) {
  if (!bottleneck) return {{3, planes, stride}, {3, planes, 1}};
  return {
      {1, planes, stride_in_1x1 ? stride : 1}, {3, planes, stride_in_1x1 ? 1 : stride}, {1, 4 * planes, 1}};
}

// The shortcut's projection: none when the block keeps size and channels; Slim's keeps every stride-th pixel
// when it keeps the channels.
Shortcut projection(int in, int out, int stride, const ResNetOptions& options) {
  if (in == out && stride == 1) return Shortcut();
  if (in == out && options.stride_in_last_unit) return Shortcut(MaxPool2d({1, stride}));
  return Shortcut(Conv2d(in, out, 1, {.stride = stride, .bias = false}), BatchNorm2d(out));
}

template <class Block>
Sequential group(int number, int& channels, const ResNetDepth& depth, const ResNetOptions& options) {
  const int planes = options.width << number, blocks = depth.blocks[number];
  const bool last = options.stride_in_last_unit, halves = number != (last ? 3 : 0);
  Sequential blocks_in_order;
  for (int i = 0; i < blocks; ++i) {
    const int stride = halves && i == (last ? blocks - 1 : 0) ? 2 : 1;
    blocks_in_order.append(Block(channels, planes, stride, depth.bottleneck, options));
    channels = depth.bottleneck ? 4 * planes : planes;
  }
  return blocks_in_order;
}

}  // namespace

ResidualBlock::ResidualBlock(int in, int planes, int stride, bool bottleneck, const ResNetOptions& o) {
  int channels = in;
  for (const Step& s : steps_of(planes, stride, bottleneck, o.stride_in_1x1)) {
    const std::string number = std::to_string(steps_.size() + 1);
    Conv2d& conv = add("conv" + number, Conv2d(channels, s.out, s.kernel,
                                               {.stride = s.stride, .padding = s.kernel / 2, .bias = false}));
    steps_.emplace_back(conv, add("bn" + number, BatchNorm2d(s.out)));
    channels = s.out;
  }
  if (o.zero_init_residual) {
    const NoGrad guard;
    Tensor(steps_.back().norm().weight()).zero_();
  }
  downsample_ = &add("downsample", projection(in, channels, stride, o));
}

Tensor ResidualBlock::forward(const Tensor& x) {
  Tensor y = x;
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i) y = steps_[i].relu(y);
  return steps_.back().add_relu(y, *downsample_, x);
}

PreActivationBlock::PreActivationBlock(int in, int planes, int stride, bool bottleneck,
                                       const ResNetOptions& o) {
  int channels = in;
  const std::vector<Step> steps = steps_of(planes, stride, bottleneck, false);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& s = steps[i];
    const std::string number = std::to_string(i + 1);
    BatchNorm2d& norm = add("bn" + number, BatchNorm2d(channels));
    if (i == 0) {
      first_norm_ = &norm;
    } else {
      steps_.emplace_back(*last_conv_, norm);
    }
    last_conv_ = &add(
        "conv" + number,
        Conv2d(channels, s.out, s.kernel,
               {.stride = s.stride, .padding = s.kernel / 2, .bias = o.conv_bias && i + 1 == steps.size()}));
    channels = s.out;
  }
  projects_ = in != channels || (stride != 1 && !o.stride_in_last_unit);
  Sequential shortcut;
  if (projects_) {
    shortcut.append(Conv2d(in, channels, 1, {.stride = stride, .bias = o.conv_bias}));
  } else if (stride != 1) {
    shortcut.append(MaxPool2d({1, stride}));  // every stride-th pixel
  }
  downsample_ = &add("downsample", std::move(shortcut));
}

Tensor PreActivationBlock::forward(const Tensor& x) {
  const Tensor first = first_norm_->relu(x);
  Tensor y = first;
  for (const ConvNorm& step : steps_) y = step.relu(y);
  return conv_then(*last_conv_, y, {.addend = (*downsample_)(projects_ ? first : x)});
}

ResNetDepth resnet_depth(int depth) {
  switch (depth) {
    case 18: return {{2, 2, 2, 2}, false};
    case 34: return {{3, 4, 6, 3}, false};
    case 50: return {{3, 4, 6, 3}, true};
    case 101: return {{3, 4, 23, 3}, true};
    case 152: return {{3, 8, 36, 3}, true};
    case 200: return {{3, 24, 36, 3}, true};
    default: fail<ValueError>("resnet: depth ", depth, " is not one of 18, 34, 50, 101, 152, 200");
  }
}

ResNet::ResNet(int depth, const ResNetOptions& options, bool pre_activation)
    : options_(options), pre_activation_(pre_activation) {
  const ResNetDepth d = resnet_depth(depth);
  const Conv2dOptions stem =
      options.small_input
          ? Conv2dOptions{.padding = 1, .bias = false}
          : Conv2dOptions{.stride = 2, .padding = 3, .bias = pre_activation && options.conv_bias};
  conv1_ = &add("conv1", Conv2d(options.input_channels, options.width, options.small_input ? 3 : 7, stem));
  int channels = options.width;
  if (!pre_activation) bn1_ = &add("bn1", BatchNorm2d(channels));
  for (int i = 0; i < 4; ++i) {
    groups_[i] = &add("layer" + std::to_string(i + 1),
                      pre_activation ? group<PreActivationBlock>(i, channels, d, options)
                                     : group<ResidualBlock>(i, channels, d, options));
    stage_has(channels);
  }
  if (pre_activation) bn1_ = &add("bn1", BatchNorm2d(channels));
  if (classifies(options.num_classes)) fc_ = &add("fc", Linear(channels, options.num_classes));
}

Tensor ResNet::trunk(const Tensor& x, const Taps& taps) {
  Tensor y = pre_activation_ ? (*conv1_)(x) : ConvNorm(*conv1_, *bn1_).relu(x);
  if (!options_.small_input) {
    PoolOptions window(3, 2, options_.same_pooling ? 0 : 1);
    window.same = options_.same_pooling;
    y = max_pool2d(y, window);
  }
  for (Sequential* group : groups_) {
    y = (*group)(y);
    if (pre_activation_ && group == groups_[3]) y = bn1_->relu(y);
    taps.stage(y);
  }
  return y;
}
Tensor ResNet::head(const Tensor& last) { return (*fc_)(global_avg_pool2d(last).flatten(1)); }

}  // namespace gadolin
