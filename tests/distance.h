// How far apart numbers are, for limits that a NaN must not pass.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin::test {

// The largest number seen; NaN for good once one was seen, so that no limit accepts it.
class Largest {
 public:
  void see(double v) {
    if (!(v <= value_) && !std::isnan(value_)) value_ = v;
  }
  double value() const { return value_; }

 private:
  double value_ = 0;
};

using Rows = std::vector<std::vector<double>>;

// Largest difference over the largest value of b; NaN for rows of other sizes.
inline double distance(const Rows& a, const Rows& b) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  Largest most, scale;
  if (a.size() != b.size()) return none;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return none;
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      most.see(std::abs(a[i][k] - b[i][k]));
      scale.see(std::abs(b[i][k]));
    }
  }
  return most.value() / scale.value();
}
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  return distance(Rows{a}, Rows{b});
}
inline double distance(const Tensor& a, const Tensor& b) {
  return distance(a.to_vector<double>(), b.to_vector<double>());
}

}  // namespace gadolin::test
