// GoogLeNet, Inception v1 (Szegedy et al. 2015, table 1), with batch norm as in torchvision, whose names and
// numbers these are.
#pragma once

#include "nets/inception_v3.h"

namespace gadolin {

// x [N, C, H, W] -> logits [N, num_classes]. Auxiliary logits: of aux2, then of aux1, as torchvision returns
// them.
class GoogLeNet : public Module, public AuxiliaryHeads {
 public:
  explicit GoogLeNet(const InceptionOptions& options = {});
  Tensor forward(const Tensor& x) override;
  const char* kind() const override { return "GoogLeNet"; }

 private:
  class AuxiliaryHead;
  InceptionOptions options_;
  std::vector<Module*> stem_, middle_, upper_;  // aux1 reads what the stem gives, aux2 what the middle gives
  AuxiliaryHead *aux1_ = nullptr, *aux2_ = nullptr;
  Dropout* dropout_;
  Linear* fc_;
};

}  // namespace gadolin
