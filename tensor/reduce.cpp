#include "tensor/reduce.h"

namespace gadolin {
namespace {

// Appends a dimension, joined to the one before when both are one run of memory in every stride given.
void append_dim(int& dim, std::int64_t* sizes, std::int64_t* a, std::int64_t* b, std::int64_t size,
                std::int64_t stride_a, std::int64_t stride_b) {
  if (size == 1) return;
  if (dim > 0 && a[dim - 1] == stride_a * size && (!b || b[dim - 1] == stride_b * size)) {
    sizes[dim - 1] *= size;
    a[dim - 1] = stride_a;
    if (b) b[dim - 1] = stride_b;
    return;
  }
  sizes[dim] = size;
  a[dim] = stride_a;
  if (b) b[dim] = stride_b;
  ++dim;
}

}  // namespace

ReducePlan plan_reduce(const Tensor& x, const Tensor& out, const std::vector<bool>& is_reduced) {
  ReducePlan plan;
  // Dimensions from the outermost in memory to the innermost, so that runs join; a single reduced dimension
  // keeps its index.
  int order[Shape::max_dim];
  const int n = memory_order(x.shape(), x.strides(), order);
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    if (is_reduced[static_cast<std::size_t>(d)]) {
      plan.reduced *= x.size(d);
      append_dim(plan.reduced_dim, plan.reduced_sizes, plan.reduced_strides, nullptr, x.size(d),
                 x.strides()[d], 0);
    } else {
      plan.outputs *= x.size(d);
      append_dim(plan.kept_dim, plan.kept_sizes, plan.kept_strides, plan.out_strides, x.size(d),
                 x.strides()[d], out.strides()[d]);
    }
  }
  if (plan.reduced_dim == 0) {  // everything reduced has size 1
    plan.reduced_dim = 1;
    plan.reduced_sizes[0] = plan.reduced;
    plan.reduced_strides[0] = 0;
  }
  plan.columns = plan.kept_dim > 0 && plan.kept_strides[plan.kept_dim - 1] == 1 &&
                 plan.kept_sizes[plan.kept_dim - 1] >= 8;
  constexpr std::int64_t piece = 32768, most = 256;
  plan.pieces = std::clamp<std::int64_t>(
      plan.outputs * plan.reduced / piece / std::max<std::int64_t>(1, plan.outputs / 64), 1,
      std::min(most, std::max<std::int64_t>(1, plan.reduced / 16)));
  return plan;
}

}  // namespace gadolin
