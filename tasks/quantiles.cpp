// Quantiles by safeguarded root finding on the distribution functions.
#include "tasks/quantiles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tensor/check.h"

namespace gadolin {
namespace {

// The continued fraction of I_x(a, b), good for x < (a + 1) / (a + b + 2). Needs O(sqrt(max(a, b))) terms.
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto kept = [](double v) { return std::abs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / kept(1 - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m < 100000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / kept(1 + even * d);
    c = kept(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / kept(1 + odd * d);
    c = kept(1 + odd / c);
    h *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return h;
}

// Large terms that nearly cancel: in long double, or 1e-10 of the result is lost for a sum of 1e5.
double log_beta(double a, double b) {
  using Long = long double;
  return static_cast<double>(std::lgamma(static_cast<Long>(a)) + std::lgamma(static_cast<Long>(b)) -
                             std::lgamma(static_cast<Long>(a) + static_cast<Long>(b)));
}

// P(X <= x) and P(X > x), each with its digits where it is small.
struct Tails {
  double below, above;
};
Tails tails_of(double a, double b, double x) {
  if (std::isnan(x)) return {x, x};
  if (x <= 0) return {0, 1};
  if (x >= 1) return {1, 0};
  const double front = std::exp(a * std::log(x) + b * std::log1p(-x) - log_beta(a, b));
  if (x < (a + 1) / (a + b + 2)) {
    const double below = front * beta_fraction(a, b, x) / a;
    return {below, 1 - below};
  }
  const double above = front * beta_fraction(b, a, 1 - x) / b;
  return {1 - above, above};
}

}  // namespace

double normal_quantile(double p) {
  require<ValueError>(p > 0 && p < 1, "normal_quantile: probability ", p, " is not between 0 and 1");
  // The start is formula 26.2.23 of Abramowitz and Stegun 1964, right to 4.5e-4; Halley's steps do the rest.
  const double tail = std::min(p, 1 - p), t = std::sqrt(-2 * std::log(tail));
  double x =
      t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int step = 0; step < 3; ++step) {
    const double above = std::erfc(x / std::numbers::sqrt2) / 2;
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    const double newton = (above - tail) / density;
    x += newton / (1 + x * newton / 2);
  }
  return p < 0.5 ? -x : x;
}

double beta_share(double a, double b, double x) { return tails_of(a, b, x).below; }

double beta_quantile(double p, double a, double b) {
  require<ValueError>(p >= 0 && p <= 1, "beta_quantile: probability ", p, " is not in [0, 1]");
  require<ValueError>(a > 0 && b > 0, "beta_quantile: parameters ", a, " and ", b, " must be above 0");
  if (p == 0 || p == 1) return p;
  // Bisection down to neighbouring numbers: slow, sure, and only ever run a few times a report.
  double low = 0, high = 1;
  for (int halving = 0; halving < 1100; ++halving) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    const Tails tails = tails_of(a, b, middle);
    ((p <= 0.5 ? tails.below < p : tails.above > 1 - p) ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

double student_quantile(double p, double freedom) {
  require<ValueError>(p > 0 && p < 1, "student_quantile: probability ", p, " is not between 0 and 1");
  require<ValueError>(freedom > 0, "student_quantile: ", freedom,
                      " degrees of freedom; more than 0 are needed");
  // T^2 / (freedom + T^2) ~ Beta(1/2, freedom/2). The smaller of its two tails keeps its digits.
  const double tails = 2 * std::min(p, 1 - p);
  double t = 0;
  if (tails < 0.5) {
    const double rest = beta_quantile(tails, freedom / 2, 0.5);
    t = std::sqrt(freedom * (1 - rest) / rest);
  } else {
    const double part = beta_quantile(1 - tails, 0.5, freedom / 2);
    t = std::sqrt(freedom * part / (1 - part));
  }
  return p < 0.5 ? -t : t;
}

}  // namespace gadolin
