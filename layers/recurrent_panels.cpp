// Products of recurrent layers on the CPU: of few rows with weights that stay in the cache.
#include <algorithm>
#include <cstring>

#include "layers/recurrent_function.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::detail {

namespace {

using Count = std::int64_t;

#ifdef __AVX512F__
constexpr Count vector_bytes = 64, tile_rows = 8;
#else
constexpr Count vector_bytes = 32, tile_rows = 4;
#endif
template <class M> struct Vector { typedef M type __attribute__((vector_size(vector_bytes))); };
template <class M> constexpr Count lanes = vector_bytes / static_cast<Count>(sizeof(M));

// y [rows, 2 lanes] = a [rows, depth] times a panel; only `columns` of them are stored.
template <int rows, class M>
void multiply_tile(const M* a, const M* panel, Count depth, M* y, Count row, Count columns) {
  using V = typename Vector<M>::type;
  V sums[rows][2] = {};
  for (Count k = 0; k < depth; ++k, panel += 2 * lanes<M>) {
    V left, right;
    std::memcpy(&left, panel, sizeof left), std::memcpy(&right, panel + lanes<M>, sizeof right);
    for (int r = 0; r < rows; ++r) {
      const M factor = a[r * depth + k];
      sums[r][0] += left * factor, sums[r][1] += right * factor;
    }
  }
  M dense[rows][2 * lanes<M>];  // at once, or the sums would not stay in registers
  std::memcpy(dense, sums, sizeof sums);
  for (int r = 0; r < rows; ++r) std::copy_n(dense[r], columns, y + r * row);
}
template <int most, class M>
void multiply_rows(Count rows, const M* a, const M* panel, Count depth, M* y, Count row, Count columns) {
  if (rows >= most) return multiply_tile<most>(a, panel, depth, y, row, columns);
  if constexpr (most > 1) multiply_rows<most - 1>(rows, a, panel, depth, y, row, columns);
}

}  // namespace

Tensor pack_panels(const Tensor& w) {
  const Count depth = w.size(1), columns = w.size(2), row = w.stride(1), column = w.stride(2);
  Tensor panels;
  dispatch_floating(w.dtype(), "recurrent", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using M = math_type<T>;
    constexpr Count width = 2 * lanes<M>;
    const Count count = (columns + width - 1) / width;
    panels = zeros({w.size(0), count, depth, width}, dtype_of<M>);
    parallel_for(w.size(0) * count, 4, [&, from = w.data<T>(), to = panels.data<M>()](Count p, Count end) {
      for (; p < end; ++p) {
        const Count first = p % count * width, there = std::min(width, columns - first);
        const T* const begin = from + p / count * w.stride(0) + first * column;
        for (Count k = 0; k < depth; ++k)
          for (Count j = 0; j < there; ++j)
            to[(p * depth + k) * width + j] = convert<M>(begin[j * column + k * row]);
      }
    });
  });
  return panels;
}

void multiply_panels(const Tensor& panels, const Tensor& a, Count first, Count rows, const Tensor& y) {
  const auto multiply = [&]<class M>(M) {
    const Count count = panels.size(1), depth = panels.size(2), width = panels.size(3), columns = y.size(2);
    const M *panel = panels.data<M>() + first / y.size(1) * count * depth * width, *const from =
                                                                                       a.data<M>() +
                                                                                       first * depth;
    M* const to = y.data<M>() + first * columns;
    for (Count p = 0; p < count; ++p, panel += depth * width)
      for (Count r = 0; r < rows; r += tile_rows)
        multiply_rows<tile_rows>(rows - r, from + r * depth, panel, depth, to + r * columns + p * width,
                                 columns, std::min(width, columns - p * width));
  };
  panels.dtype() == DType::fp64 ? multiply(double()) : multiply(float());
}

}  // namespace gadolin::detail
