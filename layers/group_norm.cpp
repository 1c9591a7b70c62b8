#include "layers/group_norm.h"

#include "tensor/ops.h"

namespace gadolin {

Tensor group_norm(const Tensor& x, int groups, const Tensor& weight, const Tensor& bias, double eps) {
  require_floating("group_norm", x.dtype());
  require<ShapeError>(x.dim() >= 2 && x.dim() < Shape::max_dim, "group_norm: input ", x.shape(),
                      " is not [N, C, ...] of 2 to 7 dimensions");
  const std::int64_t channels = x.size(1);
  require<ValueError>(groups > 0 && channels % groups == 0, "group_norm: groups=", groups,
                      " must divide the ", channels, " channels of ", x.shape());
  require<ValueError>(eps >= 0, "group_norm: eps ", eps, " must not be negative");
  for (const Tensor* t : {&weight, &bias}) {
    require<ShapeError>(t->defined() == weight.defined() && (!t->defined() || t->shape() == Shape{channels}),
                        "group_norm: weight and bias must both be [", channels, "], or both be left out");
  }
  const Tensor wide = x.dtype() == DType::fp64 ? x : x.to(DType::fp32);
  Shape grouped = x.shape(), of_channel = Shape::filled(x.dim(), 1);
  grouped.insert(1, groups);
  grouped[2] = channels / groups;
  of_channel[1] = channels;
  Dims within;
  for (int d = 2; d < grouped.dim(); ++d) within.push_back(d);
  const Tensor in = wide.reshape(grouped), centred = in - mean(in, within, true);
  Tensor y = (centred * rsqrt(mean(centred * centred, within, true) + eps)).reshape(x.shape());
  if (weight.defined()) y = y * weight.reshape(of_channel) + bias.reshape(of_channel);
  return y.to(x.dtype());
}

GroupNorm::GroupNorm(int groups, int channels, double eps) : groups_(groups), eps_(eps) {
  require<ValueError>(groups > 0 && channels > 0 && channels % groups == 0 && eps >= 0,
                      "GroupNorm: groups=", groups, " must divide the ", channels, " channels, and eps ", eps,
                      " must not be negative");
  weight_ = parameter("weight", ones({channels}));
  bias_ = parameter("bias", zeros({channels}));
}

}  // namespace gadolin
