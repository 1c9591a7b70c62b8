// Nets with classifiers beside the last one (GoogLeNet, Inception), which help the early layers to learn.
#pragma once

#include <utility>
#include <vector>

#include "layers/module.h"
#include "tensor/ops.h"

namespace gadolin {

// A Module may also be one of these. In training the loss of each auxiliary head counts `auxiliary_weight`
// times.
class AuxiliaryHeads {
 public:
  virtual ~AuxiliaryHeads() = default;
  // Logits of the last training-mode forward, in torchvision's order; empty in evaluation. They are handed
  // over once.
  std::vector<Tensor> take_auxiliary() { return std::exchange(auxiliary_, {}); }

 protected:
  std::vector<Tensor> auxiliary_;
};

// As in Inception v3 and Slim; the GoogLeNet paper has 0.3.
inline constexpr double auxiliary_weight = 0.4;

// loss(output) plus auxiliary_weight times the loss of each auxiliary head, if the net that made the output
// has any.
template <class F>
Tensor loss_with_auxiliary(Module& net, const Tensor& output, F&& loss) {
  Tensor total = loss(output);
  if (auto* heads = dynamic_cast<AuxiliaryHeads*>(&net)) {
    for (const Tensor& logits : heads->take_auxiliary())
      total = add(total, mul(loss(logits), auxiliary_weight));
  }
  return total;
}

}  // namespace gadolin
