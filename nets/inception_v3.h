// Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture", table 1). Names and numbers are
// torchvision's.
#pragma once

#include "nets/inception.h"

namespace gadolin {

// x [N, C, H, W], 299 x 299 by default, at least 75 x 75 -> logits [N, num_classes]. features: Conv2d_4a_3x3,
// Mixed_5d, Mixed_6e, Mixed_7c, at strides 4, 8, 16, 32, less a border of a few pixels, as many convolutions
// do not pad: 71, 35, 17 and 8 of 299.
class InceptionV3 : public InceptionNet {
 public:
  explicit InceptionV3(const InceptionOptions& options = {});
};

}  // namespace gadolin
