#include "tasks/mcnemar.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"

namespace gadolin {
namespace {

// P(X <= k) of n fair coins, for k <= n / 2: the largest term by its logarithm, the others from it.
double lower_tail(double k, double n) {
  using Long = long double;
  const auto log_factorial = [](double v) { return std::lgamma(static_cast<Long>(v) + 1); };
  const Long largest = std::exp(log_factorial(n) - log_factorial(k) - log_factorial(n - k) -
                                static_cast<Long>(n) * std::log(Long{2}));
  Long sum = 0, term = 1;
  for (double i = k; i >= 0 && term > Long{1e-25}; --i) {
    sum += term;
    term *= static_cast<Long>(i) / static_cast<Long>(n - i + 1);
  }
  return static_cast<double>(largest * sum);
}

bool is_count(double v) { return v >= 0 && v <= 1e15 && v == std::floor(v); }

}  // namespace

McNemar mcnemar(double only_first, double only_second) {
  require<ValueError>(is_count(only_first) && is_count(only_second), "mcnemar: ", only_first, " and ",
                      only_second, " are not two counts of samples");
  McNemar m{only_first, only_second};
  const double n = only_first + only_second, apart = std::abs(only_first - only_second);
  if (apart == 0) return m;
  m.p = std::min(1.0, 2 * lower_tail(std::min(only_first, only_second), n));
  m.statistic = (apart - 1) * (apart - 1) / n;
  m.p_corrected = std::erfc(std::sqrt(m.statistic / 2));
  return m;
}

McNemar mcnemar(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second) {
  require<ShapeError>(first.size() == second.size(), "mcnemar: ", first.size(), " first and ", second.size(),
                      " second answers; both must be to the same samples");
  double only_first = 0, only_second = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    require<DataError>(first[i] <= 1 && second[i] <= 1, "mcnemar: answer ", i,
                       " is neither right (1) nor wrong (0)");
    only_first += first[i] > second[i];
    only_second += second[i] > first[i];
  }
  return mcnemar(only_first, only_second);
}

}  // namespace gadolin
