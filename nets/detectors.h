// Detectors by name, as nets/registry.h knows classifiers.
#pragma once

#include "nets/registry.h"
#include "nets/retinanet.h"

namespace gadolin {

// retinanet_resnet18_fpn, 34, 50, 101, 152, vgg16, vgg19, densenet121, 169, 201; and each with _v2 behind it:
// torchvision's second version, whose heads have group norm and whose P6 reads C5.
const std::vector<NetInfo>& detectors();
// Throws UsageError with the nearest names when there is none of this name.
const NetInfo& detector_info(const std::string& name);

// "resnet50" of "retinanet_resnet50_fpn_v2".
std::string backbone_of(const std::string& detector);

// Takes RetinaNetOptions and FpnOptions by their names, and the options of the backbone. Throws UsageError
// naming an unknown option and the known ones.
std::unique_ptr<RetinaNet> make_detector(const std::string& name, const NetOptions& options = {});

}  // namespace gadolin
