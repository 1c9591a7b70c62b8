// The weights of a classifier, such as ImageNet's, as the trunk of a detector.
#pragma once

#include <string>
#include <vector>

#include "nets/retinanet.h"

namespace gadolin {

// Weights of a net that has no detector's names.
bool has_no_detector(const State& weights);

struct TrunkWeights {
  State state;                    // the trunk's, under the detector's names
  std::vector<std::string> left;  // names of the classifier itself, which a detector does not have
};
// `source` names them in messages. Throws CheckpointError when they are of another net than the trunk: names
// of it are missing, or others of its parts are left over, as those of a deeper net.
TrunkWeights trunk_of_classifier(const RetinaNet& net, const State& weights, const std::string& source);

}  // namespace gadolin
