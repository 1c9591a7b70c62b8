#include "nets/inception.h"

#include "tensor/ops.h"

namespace gadolin {

InceptionAux::InceptionAux(int in, const InceptionOptions& o)
    : conv0_(add("conv0", ConvNormRelu(in, 128 / o.width_divisor, 1))),
      conv1_(add("conv1", ConvNormRelu(128 / o.width_divisor, 768 / o.width_divisor, 5))),
      fc_(add("fc", Linear(768 / o.width_divisor, o.num_classes))) {}

Tensor InceptionAux::forward(const Tensor& x) {
  require<ShapeError>(x.size(2) >= 17 && x.size(3) >= 17,
                      "inception: the auxiliary head needs features of 17 x 17, not ", x.size(2), " x ",
                      x.size(3), "; use images of 299 x 299 or aux_logits = false");
  return fc_(global_avg_pool2d(conv1_(conv0_(avg_pool2d(x, {5, 3})))).flatten(1));
}

Tensor imagenet_to_unit_range(const Tensor& x) {
  require<ShapeError>(x.dim() == 4 && x.size(1) == 3, "transform_input: input ", x.shape(),
                      " has not the three channels of ImageNet's statistics");
  // Filled on the device: a step that is recorded may not read memory of the host.
  const auto per_channel = [&](const std::vector<double>& v) {
    std::vector<Tensor> numbers;
    for (const double number : v) numbers.push_back(full({1, 1, 1, 1}, number, x.dtype(), x.device()));
    return concat(numbers, 1);
  };
  return add(mul(x, per_channel({0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5})),
             per_channel({(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5}));
}

std::int64_t InceptionNet::least_size(bool training) const {
  return training ? std::max(least_, least_to_learn_) : least_;
}

void InceptionNet::classifier(const std::string& dropout, double share, const std::string& linear) {
  dropout_ = &add(dropout, Dropout(options_.dropout < 0 ? share : options_.dropout));
  linear_ = &add(linear, Linear(channels_, options_.num_classes));
}

Tensor InceptionNet::trunk(const Tensor& x, const Taps& taps) {
  require_image(x, called_);
  Tensor y = options_.transform_input ? imagenet_to_unit_range(x) : x;
  for (const Part& part : parts_) {
    y = (*part.layer)(y);
    if (part.head && taps.auxiliary) taps.auxiliary->insert(taps.auxiliary->begin(), (*part.head)(y));
    if (part.ends_stage) taps.stage(y);
  }
  return y;
}
Tensor InceptionNet::head(const Tensor& last) {
  return (*linear_)((*dropout_)(global_avg_pool2d(last).flatten(1)));
}

}  // namespace gadolin
