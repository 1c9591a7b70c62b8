// Which slices of a series carried a decision, and a strip of pictures that shows it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "tasks/sequences/sequences.h"

namespace gadolin {

// Integrated gradients (Sundararajan, Taly and Yan 2017, equation 1, by the midpoint rule at `points` points)
// of SequenceTask::evidence, the largest logit of class `target` in the series, over the features, from
// features of 0; summed over each slice's features. Positive: the slice spoke for the class. Their sum is the
// evidence minus that of a series of zeros, up to the rule's error.
//   batch  one series. -> [T], one number a slice, those behind its end 0
// The net is in evaluation mode meanwhile. Throws ValueError for another number of series or points.
std::vector<double> integrated_gradients(SequenceTask& task, const Batch& batch, int target, int points = 32);

struct StripSlice {
  std::string name;
  double probability, attribution;
};
// The picture of a slice by its name; one of no pixels where there is none.
using SlicePicture = std::function<Image(const std::string& name)>;

// At most `most` neighbouring slices, in their order, around those with the largest absolute attributions.
// Below each its number from 1 in the series, its probability and its share of the sum of absolute
// attributions; a bar shows the share, bright where it is large.
Image slice_strip(const std::vector<StripSlice>& slices, const SlicePicture& picture, int most = 10,
                  int tile = 96);

}  // namespace gadolin
