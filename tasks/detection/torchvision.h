// Weights of torchvision's RetinaNet.
#pragma once

#include <string>
#include <vector>

#include "io/weights.h"

namespace gadolin {

// torchvision's COCO_V1 file has the names of 2021: "conv.4.weight" of a head for "conv.2.0.weight",
// "inner_blocks.1.bias" for "inner_blocks.1.0.bias". Renames them; others stay.
void rename_old_torchvision(TensorMap& tensors);
// Whether there are such names.
bool has_old_torchvision_names(const TensorMap& tensors);

// The 91 classes of its weights: COCO's names at COCO's category ids. Numbers that COCO left out, which it
// calls N/A, are "N/A 12" and so on, so that no name comes twice.
const std::vector<std::string>& torchvision_classes();

}  // namespace gadolin
