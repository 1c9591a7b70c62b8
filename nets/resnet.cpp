#include "nets/resnet.h"

namespace gadolin {
namespace {

// The shortcut's projection: none when the block keeps size and channels; Slim's keeps every stride-th pixel
// when it keeps the channels.
Shortcut projection(int in, int out, int stride, const ResNetOptions& options) {
  if (in == out && stride == 1) return Shortcut();
  if (in == out && options.stride_in_last_unit) return Shortcut(MaxPool2d({1, stride}));
  return Shortcut(Conv2d(in, out, 1, {.stride = stride, .bias = false}), BatchNorm2d(out));
}

template <class Block>
Sequential group(int& channels, int planes, int blocks, int stride, const ResNetOptions& options) {
  Sequential blocks_in_order;
  for (int i = 0; i < blocks; ++i) {
    const int strided = options.stride_in_last_unit ? blocks - 1 : 0;
    blocks_in_order.append(Block(channels, planes, i == strided ? stride : 1, options));
    channels = planes * Block::expansion;
  }
  return blocks_in_order;
}

BatchNorm2d last_norm(int channels, const ResNetOptions& options) {
  BatchNorm2d norm(channels);
  if (options.zero_init_residual) {
    const NoGrad guard;
    Tensor weight = norm.weight();
    weight.zero_();
  }
  return norm;
}

}  // namespace

BasicBlock::BasicBlock(int in, int planes, int stride, const ResNetOptions& options)
    : conv1_{add("conv1", Conv2d(in, planes, 3, {.stride = stride, .padding = 1, .bias = false})),
             add("bn1", BatchNorm2d(planes))},
      conv2_{add("conv2", Conv2d(planes, planes, 3, {.padding = 1, .bias = false})),
             add("bn2", last_norm(planes, options))},
      downsample_(add("downsample", projection(in, planes, stride, options))) {}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor y = conv1_.relu(x);
  return conv2_.add_relu(y, downsample_, x);
}

Bottleneck::Bottleneck(int in, int planes, int stride, const ResNetOptions& o)
    : conv1_{add("conv1", Conv2d(in, planes, 1, {.stride = o.stride_in_1x1 ? stride : 1, .bias = false})),
             add("bn1", BatchNorm2d(planes))},
      conv2_{add("conv2", Conv2d(planes, planes, 3,
                                 {.stride = o.stride_in_1x1 ? 1 : stride, .padding = 1, .bias = false})),
             add("bn2", BatchNorm2d(planes))},
      conv3_{add("conv3", Conv2d(planes, planes * expansion, 1, {.bias = false})),
             add("bn3", last_norm(planes * expansion, o))},
      downsample_(add("downsample", projection(in, planes * expansion, stride, o))) {}

Tensor Bottleneck::forward(const Tensor& x) {
  Tensor y = conv1_.relu(x);
  y = conv2_.relu(y);
  return conv3_.add_relu(y, downsample_, x);
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

int group_stride(int group, const ResNetOptions& options) {
  return group == (options.stride_in_last_unit ? 3 : 0) ? 1 : 2;
}

PoolOptions stem_pooling(const ResNetOptions& options) {
  PoolOptions window(3, 2, options.same_pooling ? 0 : 1);
  window.same = options.same_pooling;
  return window;
}

ResNet::ResNet(int depth, const ResNetOptions& options) : options_(options) {
  const ResNetDepth d = resnet_depth(depth);
  const Conv2dOptions stem = options.small_input ? Conv2dOptions{.padding = 1, .bias = false}
                                                 : Conv2dOptions{.stride = 2, .padding = 3, .bias = false};
  Conv2d& first =
      add("conv1", Conv2d(options.input_channels, options.width, options.small_input ? 3 : 7, stem));
  conv1_.emplace(first, add("bn1", BatchNorm2d(options.width)));
  int channels = options.width;
  for (int i = 0; i < 4; ++i) {
    const int planes = options.width << i, stride = group_stride(i, options);
    groups_[i] = &add("layer" + std::to_string(i + 1),
                      d.bottleneck ? group<Bottleneck>(channels, planes, d.blocks[i], stride, options)
                                   : group<BasicBlock>(channels, planes, d.blocks[i], stride, options));
    stage_has(channels);
  }
  if (classifies(options.num_classes)) fc_ = &add("fc", Linear(channels, options.num_classes));
}

Tensor ResNet::trunk(const Tensor& x, const Taps& taps) {
  Tensor y = conv1_->relu(x);
  if (!options_.small_input) y = max_pool2d(y, stem_pooling(options_));
  for (Sequential* group : groups_) {
    y = (*group)(y);
    taps.stage(y);
  }
  return y;
}
Tensor ResNet::head(const Tensor& last) { return (*fc_)(global_avg_pool2d(last).flatten(1)); }

}  // namespace gadolin
