// Random tensors for tests of layers, how far apart two are, and the type that parameters keep.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/ops.h"
#include "tests/distance.h"

namespace gadolin {

// In [-1, 1); images are channels-last.
inline Tensor numbers(const Shape& shape, std::uint64_t stream, DType dtype = DType::fp64,
                      std::uint64_t seed = 11) {
  return add(mul(rand(shape, seed, stream, DType::fp64), 2.0), -1.0)
      .to(dtype)
      .contiguous(shape.dim() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous)
      .clone();
}

// The largest difference, relative to 1 + |b|.
inline double worst(const Tensor& a, const Tensor& b) {
  EXPECT_TRUE(a.defined() && b.defined());
  EXPECT_EQ(a.shape(), b.shape());
  test::Largest most;
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i) most.see(std::fabs(x[i] - y[i]) / (1 + std::fabs(y[i])));
  return most.value();
}

// Parameters of 16-bit activations stay in fp32.
inline Tensor parameter_of(const Tensor& t, const Tensor& x) {
  return x.dtype() == DType::fp64 ? t : t.to(DType::fp32);
}

}  // namespace gadolin
