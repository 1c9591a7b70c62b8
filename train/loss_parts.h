// A loss and the parts that it is the sum of, by name.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// What one batch costs. `total` is a scalar and is what backward starts from; `parts` are scalars for people
// to read, such as
// {"class", ...}, {"box", ...}: they reach the log, metrics.csv (train_class, train_box) and TensorBoard, and
// no gradient comes from them. The same names in every step; none when the total says it all.
struct LossParts {
  Tensor total;
  std::vector<std::pair<std::string, Tensor>> parts;

  LossParts() = default;
  LossParts(Tensor loss) : total(std::move(loss)) {}  // a loss without parts
  LossParts(Tensor loss, std::vector<std::pair<std::string, Tensor>> named)
      : total(std::move(loss)), parts(std::move(named)) {}
};

}  // namespace gadolin
