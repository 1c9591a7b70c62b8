// Two sets of pictures with boxes as one.
#pragma once

#include <memory>

#include "data/sets/boxes/detection_set.h"

namespace gadolin {

// The pictures of `a` and behind them those of `b`, with the splits that they have. Throws DataError for
// classes that differ.
std::unique_ptr<DetectionSet> joined(const DetectionSet& a, const DetectionSet& b);

}  // namespace gadolin
