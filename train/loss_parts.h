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
struct LossParts {
  Tensor total;                                       // where backward starts
  std::vector<std::pair<std::string, Tensor>> parts;  // by name, for people

  LossParts() = default;
  LossParts(Tensor loss) : total(std::move(loss)) {}  // a loss without parts
  // With parts.
  LossParts(Tensor loss, std::vector<std::pair<std::string, Tensor>> named)
      : total(std::move(loss)), parts(std::move(named)) {}
};

}  // namespace gadolin
