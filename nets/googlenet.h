// GoogLeNet, Inception v1 (Szegedy et al. 2015, table 1), with batch norm as in torchvision, whose names and
// numbers these are.
#pragma once

#include "nets/inception.h"

namespace gadolin {

// x [N, C, H, W], at least 15 x 15 -> logits [N, num_classes]. Auxiliary logits: of aux2, then of aux1, as
// torchvision returns them. features: conv3, inception3b, inception4e, inception5b, at strides 4, 8, 16, 32.
class GoogLeNet : public InceptionNet {
 public:
  explicit GoogLeNet(const InceptionOptions& options = {});
};

}  // namespace gadolin
