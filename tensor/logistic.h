// The logistic function and the logarithm behind its losses, without overflow.
#pragma once

#include <cmath>

#include "tensor/half.h"

namespace gadolin::detail {

// log(1 + exp(x)). log(1 + exp(-|x|)) never overflows.
template <class T> GADOLIN_HD T softplus_of(T x) {
  return (x > T(0) ? x : T(0)) + static_cast<T>(std::log1p(std::exp(x > T(0) ? -x : x)));
}
// 1 / (1 + exp(-x))
template <class T> GADOLIN_HD T logistic(T x) {
  const T e = static_cast<T>(std::exp(x > T(0) ? -x : x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

}  // namespace gadolin::detail
