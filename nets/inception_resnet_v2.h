// Inception-ResNet-v2 (Szegedy et al. 2017, figures 15 to 19 and table 1). Names and numbers are timm's.
#pragma once

#include "nets/inception_v3.h"

namespace gadolin {

// x [N, C, H, W], 299 x 299 by default -> logits [N, num_classes]. The auxiliary head is Slim's.
class InceptionResNetV2 : public Module, public AuxiliaryHeads {
 public:
  explicit InceptionResNetV2(const InceptionOptions& options = {.aux_logits = false});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionResNetV2"; }

 private:
  std::vector<Module*> parts_;
  std::size_t below_head_ = 0;  // parts whose result the auxiliary head reads
  InceptionAux* head_ = nullptr;
  Dropout* dropout_;
  Linear* classif_;
};

}  // namespace gadolin
