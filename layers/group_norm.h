// Group normalisation (Wu and He 2018).
#pragma once

#include "layers/module.h"

namespace gadolin {

// y = weight (x - mean) / sqrt(variance + eps) + bias, with the mean and the biased variance of each image's
// group of neighbouring channels; weight and bias are of channels.
//   x [N, C, ...] in any floating type; weight, bias [C], both in fp32 (fp64 for fp64 x), or both undefined
//   -> y like x. 16-bit types are computed in fp32.
// A composition of ops, so it keeps what they keep: four tensors of x's size. Throws ShapeError and
// ValueError when groups do not divide C. Agrees with torch.nn.functional.group_norm.
Tensor group_norm(const Tensor& x, int groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

class GroupNorm : public Layer {
 public:
  GroupNorm(int groups, int channels, double eps = 1e-5);
  Tensor forward(const Tensor& x) override { return group_norm(x, groups_, weight_, bias_, eps_); }
  const char* kind() const override { return "GroupNorm"; }
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }

 private:
  int groups_;
  double eps_;
  Tensor weight_, bias_;
};

}  // namespace gadolin
