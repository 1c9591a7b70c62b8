// What weights of elsewhere tell about the net that they belong to, and what usually stands in front of it.
#pragma once

#include <string>

#include "layers/module.h"
#include "nets/registry.h"

namespace gadolin {

// The net that fits these weights: input channels from the first convolution, classes from the last linear
// layer, width and switches (an auxiliary head, a small stem) so that names and shapes agree best. `given`
// wins where it has an entry.
NetOptions options_from_weights(const std::string& model, const State& weights, const NetOptions& given);

// The same for a net without its classifier (make_trunk), from the weights of one.
NetOptions trunk_options_from_weights(const std::string& model, const State& weights,
                                      const NetOptions& given);

// What stands in front of a net whose weights come from elsewhere: its usual input size, and the
// normalisation that its trainers used ([-1, 1] for TF-Slim's Inception and ResNet v2 and for timm's
// Inceptions, ImageNet's otherwise).
std::string usual_pipeline(const std::string& model, int channels, const std::string& format);

}  // namespace gadolin
