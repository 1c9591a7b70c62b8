// Weights of torchvision's RetinaNet.
#pragma once

#include "io/weights.h"

namespace gadolin {

// torchvision's COCO_V1 file has the names of 2021: "conv.4.weight" of a head for "conv.2.0.weight",
// "inner_blocks.1.bias" for "inner_blocks.1.0.bias". Renames them; others stay.
void rename_old_torchvision(TensorMap& tensors);

}  // namespace gadolin
