#include "tensor/reduce.h"

namespace gadolin {

ReducePlan plan_reduce(const Tensor& x, const Tensor& out) {
  // Dimensions from the outermost in memory to the innermost, so that runs join; a single reduced dimension
  // keeps its index.
  int order[Shape::max_dim];
  const int n = memory_order(x.shape(), x.strides(), order);
  Shape kept, reduced;
  Strides kept_x, kept_out, reduced_x;
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    const bool is_kept = out.size(d) == x.size(d);
    (is_kept ? kept : reduced).push_back(x.size(d));
    (is_kept ? kept_x : reduced_x).push_back(x.stride(d));
    if (is_kept) kept_out.push_back(out.stride(d));
  }
  ReducePlan plan{detail::make_walk<2>(kept, {kept_x, kept_out}), detail::make_walk<1>(reduced, {reduced_x})};
  const std::int64_t outputs = plan.kept.numel, elements = plan.reduced.numel;
  plan.columns = plan.kept.dim > 0 && plan.kept.strides[0][plan.kept.dim - 1] == 1 && plan.row() >= 8;
  constexpr std::int64_t piece = 32768, most = 256;
  plan.pieces = std::clamp<std::int64_t>(outputs * elements / piece / std::max<std::int64_t>(1, outputs / 64),
                                         1, std::min(most, std::max<std::int64_t>(1, elements / 16)));
  return plan;
}

}  // namespace gadolin
