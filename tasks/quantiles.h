// Quantiles of the normal, beta and Student's t distributions, for intervals. Agree with SciPy to 1e-11 of
// their size.
#pragma once

namespace gadolin {

// x with P(X <= x) = p, X normal with mean 0 and deviation 1; p in (0, 1). Throws ValueError otherwise.
double normal_quantile(double p);

// P(X <= x) for X ~ Beta(a, b): the regularised incomplete beta function I_x(a, b). a, b > 0; x is clamped to
// [0, 1]. Continued fraction 8.17.22 of the Digital Library of Mathematical Functions by the modified Lentz
// method (Thompson and Barnett 1986).
double beta_share(double a, double b, double x);

// x with I_x(a, b) = p, for p in [0, 1]. Throws ValueError otherwise, or unless a and b are above 0.
double beta_quantile(double p, double a, double b);

// t with P(T <= t) = p, T of Student's distribution with `freedom` > 0 degrees; p in (0, 1). Throws
// ValueError otherwise.
double student_quantile(double p, double freedom);

}  // namespace gadolin
