#include "nets/vgg.h"

#include "nets/image_size.h"
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
  int channels = o.input_channels, index = 0, width = 64;
  const auto next = [&] { return "features." + std::to_string(index++); };
  for (const int convs : group_sizes(depth)) {
    for (int i = 0; i < convs; ++i) {
      Conv2d& conv = add(next(), Conv2d(channels, width / o.width_divisor, 3, {.padding = 1}));
      channels = width / o.width_divisor;
      steps_.push_back({&conv, o.batch_norm ? &add(next(), BatchNorm2d(channels)) : nullptr});
      ++index;  // the ReLU
    }
    steps_.push_back({nullptr, nullptr});
    ++index;  // the pooling
    width = std::min(2 * width, 512);
  }
  const int hidden = 4096 / o.width_divisor;
  fc1_ = &add("classifier.0", Linear(channels * 7 * 7, hidden));
  fc2_ = &add("classifier.3", Linear(hidden, hidden));
  fc3_ = &add("classifier.6", Linear(hidden, o.num_classes));
}

Tensor VGG::forward(const Tensor& x) {
  require_image(x, 32, "vgg");
  Tensor y = x;
  for (const Step& step : steps_) {
    if (!step.conv) {
      y = max_pool2d(y, {2});
    } else {
      y = step.norm ? conv_norm(*step.conv, *step.norm, y, true) : conv_add(*step.conv, y, true);
    }
  }
  y = adaptive_avg_pool2d(y, 7).contiguous(MemoryFormat::contiguous).flatten(1);
  y = drop1_(relu((*fc1_)(y)));
  y = drop2_(relu((*fc2_)(y)));
  return (*fc3_)(y);
}

}  // namespace gadolin
