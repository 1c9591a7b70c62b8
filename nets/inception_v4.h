// Inception v4 (Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of residual connections",
// figures 3 to 9). Names and numbers are timm's.
#pragma once

#include "nets/inception_v3.h"

namespace gadolin {

// x [N, C, H, W], 299 x 299 by default -> logits [N, num_classes]. The auxiliary head is Slim's.
class InceptionV4 : public Module, public AuxiliaryHeads {
 public:
  explicit InceptionV4(const InceptionOptions& options = {.aux_logits = false});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionV4"; }

 private:
  std::vector<Module*> features_;
  std::size_t below_head_ = 0;  // parts whose result the auxiliary head reads
  InceptionAux* head_ = nullptr;
  Dropout* dropout_;
  Linear* last_linear_;
};

}  // namespace gadolin
