#include "tensor/loops.h"

#include <array>

namespace gadolin::detail {

void plan_loop(const Tensor* const* tensors, int count, int& dim, bool& flat, std::int64_t* sizes,
               std::int64_t* strides) {
  const Tensor& out = *tensors[0];
  const Shape& shape = out.shape();
  flat = is_dense(shape, out.strides());
  for (int k = 1; k < count && flat; ++k) {
    flat = tensors[k]->shape() == shape &&
           (tensors[k]->strides() == out.strides() || (out.is_contiguous() && tensors[k]->is_contiguous()));
  }
  dim = 0;
  if (flat || shape.numel() == 0) {
    dim = 1;
    sizes[0] = shape.numel();
    for (int k = 0; k < count; ++k) strides[k * Shape::max_dim] = 1;
    return;
  }
  std::array<Strides, 8> step;
  for (int k = 0; k < count; ++k)
    step[static_cast<std::size_t>(k)] = broadcast_strides(tensors[k]->shape(), tensors[k]->strides(), shape);
  // The result's order of memory decides: its smallest stride is walked innermost.
  int order[Shape::max_dim];
  const int n = memory_order(shape, step[0], order);
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    bool joins = dim > 0;
    for (int k = 0; k < count && joins; ++k)
      joins = strides[k * Shape::max_dim + dim - 1] == step[static_cast<std::size_t>(k)][d] * shape[d];
    if (!joins) ++dim;
    sizes[dim - 1] = joins ? sizes[dim - 1] * shape[d] : shape[d];
    for (int k = 0; k < count; ++k)
      strides[k * Shape::max_dim + dim - 1] = step[static_cast<std::size_t>(k)][d];
  }
  if (dim == 0) {  // one element
    dim = 1;
    sizes[0] = 1;
    for (int k = 0; k < count; ++k) strides[k * Shape::max_dim] = 1;
  }
}

}  // namespace gadolin::detail
