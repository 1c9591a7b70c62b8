// The loss of a batch, and numbers by name that are reported beside it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// `total` is a scalar, from which backward starts. `parts` are scalars for people to read, such as the loss
// of classes under "class" and that of boxes under "box". They are written to the log, to metrics.csv (as
// train_class, train_box) and to TensorBoard, and give no gradient. Their names must be the same in every
// step; there may be none.
//
// `count` is what `total` was divided by to become a mean, or 0 where that was 0 and a division by 1 took its
// place: positives, weights of classes, steps of series. Of several processes each sees a share of the batch,
// and the loss is that of all of it only with the counts of all. Undefined: the number of samples.
struct LossParts {
  Tensor total;                                       // where backward starts
  Tensor count;                                       // what `total` was divided by, see above
  std::vector<std::pair<std::string, Tensor>> parts;  // by name, for people

  LossParts() = default;
  // Every number times a factor [], without a gradient.
  void share(const Tensor& factor);

  LossParts(Tensor loss) : total(std::move(loss)) {}  // a loss without parts
  // With parts.
  LossParts(Tensor loss, std::vector<std::pair<std::string, Tensor>> named, Tensor divided_by = {})
      : total(std::move(loss)), count(std::move(divided_by)), parts(std::move(named)) {}
};

}  // namespace gadolin
