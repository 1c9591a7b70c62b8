// Inception-ResNet-v2 (Szegedy et al. 2017, figures 15 to 19 and table 1). Names and numbers are timm's.
#pragma once

#include "nets/inception_v3.h"

namespace gadolin {

// x [N, C, H, W], 299 x 299 by default -> logits [N, num_classes]. No auxiliary head, as in timm.
class InceptionResNetV2 : public Module {
 public:
  explicit InceptionResNetV2(const InceptionOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "InceptionResNetV2"; }

 private:
  std::vector<Module*> parts_;
  Dropout* dropout_;
  Linear* classif_;
};

}  // namespace gadolin
