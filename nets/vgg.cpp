#include "nets/vgg.h"

#include "tensor/ops.h"

namespace gadolin {
namespace {

// Convolutions in each of the five groups, which have 64, 128, 256, 512 and 512 channels.
std::vector<int> group_sizes(int depth) {
  switch (depth) {
    case 11: return {1, 1, 2, 2, 2};
    case 13: return {2, 2, 2, 2, 2};
    case 16: return {2, 2, 3, 3, 3};
    case 19: return {2, 2, 4, 4, 4};
    default: fail<ValueError>("vgg: depth ", depth, " is not one of 11, 13, 16, 19");
  }
}

}  // namespace

VGG::VGG(int depth, const VGGOptions& o)
    : drop1_(add("classifier.2", Dropout(o.dropout))), drop2_(add("classifier.5", Dropout(o.dropout))) {
  int channels = o.input_channels, index = 0, width = 64, group = 0;
  const auto next = [&] { return "features." + std::to_string(index++); };
  for (const int convs : group_sizes(depth)) {
    for (int i = 0; i < convs; ++i) {
      Conv2d& conv = add(next(), Conv2d(channels, width / o.width_divisor, 3, {.padding = 1}));
      channels = width / o.width_divisor;
      groups_[group].push_back({&conv, o.batch_norm ? &add(next(), BatchNorm2d(channels)) : nullptr});
      ++index;  // the ReLU
    }
    ++index;  // the pooling
    if (group++ > 0) stage_has(channels);
    width = std::min(2 * width, 512);
  }
  if (!classifies(o.num_classes)) return;
  const int hidden = 4096 / o.width_divisor;
  fc1_ = &add("classifier.0", Linear(channels * 7 * 7, hidden));
  fc2_ = &add("classifier.3", Linear(hidden, hidden));
  fc3_ = &add("classifier.6", Linear(hidden, o.num_classes));
}

Tensor VGG::Step::operator()(const Tensor& x) const {
  return norm ? ConvNorm(*conv, *norm).relu(x) : conv_then(*conv, x, {.relu = true});
}

Tensor VGG::trunk(const Tensor& x, const Taps& taps) {
  require_image(x, "vgg");
  Tensor y = x;
  for (const std::vector<Step>& group : groups_) {
    for (const Step& step : group) y = step(y);
    y = max_pool2d(y, {2});
    if (&group != groups_) taps.stage(y);  // the first is at stride 2
  }
  return y;
}
Tensor VGG::head(const Tensor& last) {
  Tensor y = adaptive_avg_pool2d(last, 7).contiguous(MemoryFormat::contiguous).flatten(1);
  y = drop1_(relu((*fc1_)(y)));
  y = drop2_(relu((*fc2_)(y)));
  return (*fc3_)(y);
}

}  // namespace gadolin
