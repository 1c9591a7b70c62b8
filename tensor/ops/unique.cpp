// nonzero and unique: ops whose result's size depends on the values, so that they wait for the device.
#include <algorithm>

#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {

Tensor nonzero(const Tensor& x) {
  const NoGrad guard;
  const std::vector<std::uint8_t> set = x.detach().to(DType::boolean).to_vector<std::uint8_t>();
  std::vector<std::int64_t> places;
  const std::size_t dim = static_cast<std::size_t>(x.dim());
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (set[i] == 0) continue;
    std::int64_t rest = static_cast<std::int64_t>(i);
    places.resize(places.size() + dim);
    for (int d = x.dim() - 1; d >= 0; --d) {
      places[places.size() - dim + static_cast<std::size_t>(d)] = rest % x.size(d);
      rest /= x.size(d);
    }
  }
  const std::int64_t width = x.dim();
  const std::int64_t count = std::count(set.begin(), set.end(), 1);
  return from_vector(places, {count, width}, x.device());
}

Unique unique(const Tensor& x) {
  const NoGrad guard;
  const Tensor sorted = sort(x.detach().flatten()).values;
  const std::int64_t n = sorted.numel();
  if (n == 0) return {sorted, arange(0, DType::int64, x.device())};
  const Tensor changes = compare(Compare::not_equal, sorted.slice(0, 1, n), sorted.slice(0, 0, n - 1));
  const Tensor first = full({1}, 1, DType::boolean, x.device());
  const Tensor begins = nonzero(concat({first, changes}, 0)).flatten();
  const Tensor ends = concat(
      {begins.slice(0, 1, begins.numel()), full({1}, static_cast<double>(n), DType::int64, x.device())}, 0);
  return {index_select(sorted, 0, begins), ends - begins};
}

}  // namespace gadolin
