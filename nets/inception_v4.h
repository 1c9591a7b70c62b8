// Inception v4 (Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of residual connections",
// figures 3 to 9). Names and numbers are timm's.
#pragma once

#include "nets/inception.h"

namespace gadolin {

// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes]. The auxiliary head is
// Slim's. features: features.4 (the stem's second join), the last block of each of A, B and C (features.9, 17
// and 21), at strides 4, 8, 16, 32, less a border: 71, 35, 17 and 8 pixels of 299.
class InceptionV4 : public InceptionNet {
 public:
  explicit InceptionV4(const InceptionOptions& options = {.aux_logits = false});
};

}  // namespace gadolin
