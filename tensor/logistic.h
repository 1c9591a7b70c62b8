// The logistic function and the logarithm behind its losses, without overflow. In fp32 on the CPU both are
// plain arithmetic, so that loops over them become vectors; errors stay below 3e-7 of the value.
#pragma once

#include <cmath>
#include <type_traits>

#include "tensor/half.h"

namespace gadolin::detail {

// exp(-a) of a >= 0. A float of it: 2^n exp(r) with |r| <= log(2) / 2, by Taylor's series; below 3e-38 it
// is 0.
template <class T> GADOLIN_HD T exp_of_minus(T a) {
#ifndef __CUDA_ARCH__
  if constexpr (std::is_same_v<T, float>) {
    constexpr float rounds = 0x1.8p23f,
                    last = 86.5f;  // adding `rounds` leaves a whole number in the low bits
    const float x = a > last ? -last : -a, shifted = x * 1.44269504f + rounds, n = shifted - rounds,
                r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float sum = 1.0f / 5040;
    sum = sum * r + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    sum = sum * r * r + r + 1.0f;
    const float value = bits_float(float_bits(sum) + (float_bits(shifted) << 23));
    return a > last ? 0.0f : value;
  }
#endif
  return static_cast<T>(std::exp(-a));
}
// log(1 + e) of e from 0 to 1. Of a float: 2 atanh(z), z = e / (2 + e), by its series.
template <class T> GADOLIN_HD T log_of_one_and(T e) {
#ifndef __CUDA_ARCH__
  if constexpr (std::is_same_v<T, float>) {
    const float z = e / (2 + e), q = z * z;
    float sum = 1.0f / 13;
    sum = sum * q + 1.0f / 11;
    sum = sum * q + 1.0f / 9;
    sum = sum * q + 1.0f / 7;
    sum = sum * q + 1.0f / 5;
    sum = sum * q + 1.0f / 3;
    return 2 * z * (sum * q + 1);
  }
#endif
  return static_cast<T>(std::log1p(e));
}

// log(1 + exp(x))
template <class T> GADOLIN_HD T softplus_of(T x) {
  return (x > T(0) ? x : T(0)) + log_of_one_and(exp_of_minus(x > T(0) ? x : -x));
}
// 1 / (1 + exp(-x))
template <class T> GADOLIN_HD T logistic(T x) {
  const T e = exp_of_minus(x > T(0) ? x : -x);
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

}  // namespace gadolin::detail
