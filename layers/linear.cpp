#include "layers/linear.h"

#include <cmath>

#include "layers/init.h"

namespace gadolin {

Linear::Linear(int in_features, int out_features, bool bias) {
  require<ValueError>(in_features > 0 && out_features > 0, "Linear: ", in_features, " inputs and ",
                      out_features, " outputs; both must be positive");
  const double bound = 1 / std::sqrt(in_features);
  Tensor weight = empty({out_features, in_features});
  uniform_(weight, -bound, bound);
  weight_ = parameter("weight", weight);
  if (bias) {
    Tensor b = empty({out_features});
    uniform_(b, -bound, bound);
    bias_ = parameter("bias", b);
  }
}

Tensor Linear::forward(const Tensor& x) {
  return linear(for_compute(x), compute_copy(weight_), compute_copy(bias_));
}

std::int64_t Linear::macs(std::span<const Tensor>, std::span<const Tensor> out) const {
  return out[0].numel() * weight_.size(1);
}

}  // namespace gadolin
