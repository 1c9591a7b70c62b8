// A parameter of these numbers.
#pragma once

#include <vector>

#include "tensor/autograd.h"
#include "tensor/tensor.h"

namespace gadolin::test {

// 1-d without a shape.
inline Tensor leaf(const std::vector<double>& values, DType dtype = DType::fp64, Shape shape = {}) {
  if (shape.dim() == 0) shape = Shape{static_cast<std::int64_t>(values.size())};
  return tensor(values, shape, dtype).requires_grad_();
}

}  // namespace gadolin::test
