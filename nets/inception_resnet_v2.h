// Inception-ResNet-v2 (Szegedy et al. 2017, figures 15 to 19 and table 1). Names and numbers are timm's.
#pragma once

#include "nets/inception.h"

namespace gadolin {

// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes]. The auxiliary head is
// Slim's. features: conv2d_4a, repeat.9, repeat_1.19, conv2d_7b, at strides 4, 8, 16, 32, less a border: 71,
// 35, 17 and 8 pixels of 299.
class InceptionResNetV2 : public InceptionNet {
 public:
  explicit InceptionResNetV2(const InceptionOptions& options = {.aux_logits = false});
};

}  // namespace gadolin
