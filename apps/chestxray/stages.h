// Which parts of a net learn: by exact paths of modules, or as the original program chose them.
#pragma once

#include <string>
#include <vector>

#include "layers/module.h"

namespace gadolin::chestxray {

// "fc" of a ResNet, "classifier" of a DenseNet. Throws UsageError for other nets.
std::string head_of(const std::string& model);

// Parts that a stage freezes: 1 the stem and the first group of blocks, 2 also the second, 3 also the third,
// 4 all but the head. Of ResNets and DenseNets; the head always learns. Throws UsageError.
std::vector<std::string> frozen_in_stage(const std::string& model, int stage);

// As the original program (apps-spec 5.2, 5.5): a parameter learns when its name holds one of the words
// layer2, layer3, layer4 and fc (stage 1; later stages fewer), anywhere in it. Of a DenseNet that is
// denselayer2 to denselayer4 and denselayer20 to denselayer48, and never the classifier. Batch norms go on
// to follow the batches, of parts that do not learn too.
void freeze_as_original(Module& net, int stage);

}  // namespace gadolin::chestxray
