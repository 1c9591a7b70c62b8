// How close is close enough: the limits of every comparison in the op tests, and the comparison, which NaN
// fails.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// An element passes when |got - want| <= relative * max(|want|, floor) + absolute.
struct Limit {
  double relative = 0;
  double absolute = 0;
  double floor = 0;
};

// Against an fp64 reference; products as in OpCase. Integers and bools are exact.
Limit value_limit(DType dtype, int products);
// Analytic gradients against central differences in fp64.
inline constexpr Limit numeric_gradient_limit{1e-6, 1e-7, 0};
// Gradients in `dtype` against the same op's fp64 gradients.
Limit gradient_limit(DType dtype, int products);
// CUDA against the CPU, and one CPU backend against the other.
Limit device_limit(DType dtype, int products, bool gradient);

struct Comparison {
  std::string got,
      want;  // "is 0.73", "the reference says 0.92" read well: what "gradient dx" and "the reference"
  Limit limit;
  bool nan_allowed = false;  // NaN on both sides passes; only for inputs that hold NaN or infinity
};
// "" when all elements pass; otherwise names the worst element:
// "y[3, 1] is 0.7310586, the reference says 0.9276705 (relative error 2.1e-01, limit 1e-05)". Also compares
// the shape.
std::string mismatch(const Tensor& got, const Tensor& want, const Comparison& how,
                     std::int64_t* worst = nullptr);
// The same for rows of numbers that belong to a tensor of `shape`.
std::string mismatch(const std::vector<double>& got, const std::vector<double>& want, const Shape& shape,
                     const Comparison& how, std::int64_t* worst = nullptr);
// "" when dtype, shape and every bit are equal.
std::string bit_difference(const Tensor& a, const Tensor& b, const std::string& what);
bool all_finite(const Tensor& t);  // true for integers
std::string number_text(double x);

}  // namespace gadolin
