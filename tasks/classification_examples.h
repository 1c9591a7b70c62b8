// The samples that tell most about a classifier: where it is surest and wrong, and where it is surest and
// right.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "tasks/metric_summary.h"

namespace gadolin {

// A sample, and the class whose probability makes it an example.
struct TellingSample {
  std::size_t sample, cls;
  double probability;  // of the class
};
struct TellingSamples {
  std::vector<TellingSample> worst, best;
};

// At most `most` of each, the most telling first. One class a sample: the predicted class, ordered by its
// probability. Several labels, of each sample the one that tells most: labels that are absent and likely
// (above 0.5) in turns with those that are there and unlikely; and those that are there and likely.
TellingSamples telling_samples(const Predictions& predictions, std::size_t most);

// A PNG file of the picture, with no side longer than `side` pixels.
std::string thumbnail(const Image& picture, int side = 192);

}  // namespace gadolin
