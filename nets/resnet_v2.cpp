#include "nets/resnet_v2.h"

namespace gadolin {

PreActivationBlock::PreActivationBlock(int in, int planes, int stride, bool bottleneck,
                                       const ResNetOptions& o) {
  struct Step {
    int kernel, out, stride;
  };
  const int out = bottleneck ? 4 * planes : planes;
  const std::vector<Step> steps = bottleneck
                                      ? std::vector<Step>{{1, planes, 1}, {3, planes, stride}, {1, out, 1}}
                                      : std::vector<Step>{{3, planes, stride}, {3, out, 1}};
  int channels = in;
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
  projects_ = in != out || (stride != 1 && !o.stride_in_last_unit);
  Sequential shortcut;
  if (projects_) {
    shortcut.append(Conv2d(in, out, 1, {.stride = stride, .bias = o.conv_bias}));
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

ResNetV2::ResNetV2(int depth, const ResNetOptions& options) : options_(options) {
  const ResNetDepth d = resnet_depth(depth);
  const Conv2dOptions stem = options.small_input
                                 ? Conv2dOptions{.padding = 1, .bias = false}
                                 : Conv2dOptions{.stride = 2, .padding = 3, .bias = options.conv_bias};
  conv1_ = &add("conv1", Conv2d(options.input_channels, options.width, options.small_input ? 3 : 7, stem));
  int channels = options.width;
  for (int i = 0; i < 4; ++i) {
    const int planes = options.width << i;
    Sequential blocks;
    for (int b = 0; b < d.blocks[i]; ++b) {
      const int strided = options.stride_in_last_unit ? d.blocks[i] - 1 : 0;
      blocks.append(PreActivationBlock(channels, planes, b == strided ? group_stride(i, options) : 1,
                                       d.bottleneck, options));
      channels = d.bottleneck ? 4 * planes : planes;
    }
    groups_[i] = &add("layer" + std::to_string(i + 1), std::move(blocks));
  }
  bn1_ = &add("bn1", BatchNorm2d(channels));
  fc_ = &add("fc", Linear(channels, options.num_classes));
}

Tensor ResNetV2::trunk(const Tensor& x, const Taps& taps) {
  Tensor y = (*conv1_)(x);
  if (!options_.small_input) y = max_pool2d(y, stem_pooling(options_));
  for (int i = 0; i < 4; ++i) {
    y = (*groups_[i])(y);
    if (i == 3) y = bn1_->relu(y);
    taps.stage(y);
  }
  return y;
}
Tensor ResNetV2::head(const Tensor& last) { return (*fc_)(global_avg_pool2d(last).flatten(1)); }

}  // namespace gadolin
