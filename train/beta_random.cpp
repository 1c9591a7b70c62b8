// Gamma numbers by rejection, beta numbers as a share of two.
#include "train/beta_random.h"

#include <cmath>

#include "tensor/check.h"

namespace gadolin {

double open_uniform(RandomStream& random) {
  const std::uint64_t high = random.next() >> 6, low = random.next() >> 6;
  return (static_cast<double>((high << 26) | low) + 0.5) * 0x1p-52;  // exact
}

double log_gamma_random(RandomStream& random, double shape) {
  require<ValueError>(shape > 0 && std::isfinite(shape), "log_gamma_random: shape ", shape,
                      " is not above 0");
  // G(shape) = G(shape + 1) U^(1 / shape)
  if (shape < 1) {
    const double boost = std::log(open_uniform(random)) / shape;
    return log_gamma_random(random, shape + 1) + boost;
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(open_uniform(random)) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

double beta_random(RandomStream& random, double a, double b) {
  require<ValueError>(a > 0 && b > 0 && std::isfinite(a + b), "beta_random: parameters ", a, " and ", b,
                      " must be above 0");
  const double x = log_gamma_random(random, a), y = log_gamma_random(random, b);
  return 1 / (1 + std::exp(y - x));
}

}  // namespace gadolin
