// The reference matrix product of the CPU: blocked loops over packed tiles, every floating type, any
// transposition.
#pragma once

#include <compare>
#include <cstdint>

namespace gadolin {

// A matrix operand: stored row by row, or column by column when transposed; `ld` elements from one to the
// next.
struct MatrixLayout {
  bool transposed = false;
  std::int64_t ld = 0;
  std::int64_t step = 0;  // elements from matrix to matrix of a batch; 0 repeats one
  std::int64_t row() const { return transposed ? 1 : ld; }
  std::int64_t col() const { return transposed ? ld : 1; }
  auto operator<=>(const MatrixLayout&) const = default;
};

// `batch` products c = a b with a [m, k], b [k, n] and dense row-major c [m, n].
struct MatrixProduct {
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  MatrixLayout a, b;
  auto operator<=>(const MatrixProduct&) const = default;
};

// Sums in float for 16-bit floats and float, in double for double, in an order that does not depend on the
// number of threads. k of 0 gives zeros. T: float, double, bfloat16, float16.
template <class T> void gemm_reference(const MatrixProduct& p, const T* a, const T* b, T* c);

}  // namespace gadolin
