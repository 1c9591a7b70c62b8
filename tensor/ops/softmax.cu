// softmax and log_softmax along any dimension. The largest number is subtracted first, so nothing overflows.
//
// A tensor is walked as [outer, n, inner]. With inner 1 a row lies side by side: a vectorised loop on the
// CPU, a warp on the GPU. Otherwise neighbouring columns are worked on together.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Rows {
  std::int64_t outer = 1, n = 1, inner = 1;
};
Rows rows_of(const Tensor& x, int dim) {
  Rows r;
  for (int d = 0; d < dim; ++d) r.outer *= x.size(d);
  r.n = x.size(dim);
  for (int d = dim + 1; d < x.dim(); ++d) r.inner *= x.size(d);
  return r;
}

// exp for x <= 0 without branches or calls, so that loops over it vectorise: 2^k e^r with |r| <= log(2) / 2
// and the Taylor series of e^r; relative error below 2e-7. Results below the smallest normal number become 0.
// NaN stays NaN.
inline float exp_below_0(float x) {
  constexpr float smallest = -87.33654f, shift = 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
  const float clamped = x < smallest ? smallest : x;
  const float shifted = clamped * 1.44269504f + shift, k = shifted - shift;
  const float r = (clamped - k * 0.693359375f) + k * 2.12194440e-4f;
  float e = 1.0f / 5040;
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const float power =
      detail::bits_float((detail::float_bits(shifted) - detail::float_bits(shift) + 127u) << 23);
  return x < smallest ? 0.0f : e * power;
}
inline double exp_below_0(double x) { return std::exp(x); }

// --- CPU: rows side by side --------------------------------------------------------------------------------

constexpr std::int64_t lanes = 16;  // independent partial results, so that reductions vectorise

template <class M> M largest(const M* x, std::int64_t n) {
  M best[lanes];
  for (M& b : best) b = -std::numeric_limits<M>::infinity();
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::int64_t k = 0; k < lanes; ++k) best[k] = x[i + k] > best[k] ? x[i + k] : best[k];
  }
  for (; i < n; ++i) best[0] = x[i] > best[0] ? x[i] : best[0];
  return *std::max_element(best, best + lanes);
}
// Sum of f(i).
template <class M, class F> M sum_of(std::int64_t n, F f) {
  M total[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::int64_t k = 0; k < lanes; ++k) total[k] += f(i + k);
  }
  for (; i < n; ++i) total[0] += f(i);
  for (std::int64_t k = 1; k < lanes; ++k) total[0] += total[k];
  return total[0];
}

template <bool log, class T, class M> void softmax_row(std::int64_t n, const T* x, T* y, M* row) {
  for (std::int64_t i = 0; i < n; ++i) row[i] = convert<M>(x[i]);
  const M top = largest(row, n);
  if constexpr (log) {
    const M rest = std::log(sum_of<M>(n, [&](std::int64_t i) { return exp_below_0(row[i] - top); }));
    for (std::int64_t i = 0; i < n; ++i)
      y[i] = convert<T>((row[i] - top) - rest);  // top + rest would lose digits
  } else {
    for (std::int64_t i = 0; i < n; ++i) row[i] = exp_below_0(row[i] - top);
    const M scale = M(1) / sum_of<M>(n, [&](std::int64_t i) { return row[i]; });
    for (std::int64_t i = 0; i < n; ++i) y[i] = convert<T>(row[i] * scale);
  }
}

template <bool log, class T, class M>
void softmax_row_backward(std::int64_t n, const T* y, const T* dy, T* dx) {
  const M total = sum_of<M>(
      n, [&](std::int64_t i) { return log ? convert<M>(dy[i]) : convert<M>(dy[i]) * convert<M>(y[i]); });
  for (std::int64_t i = 0; i < n; ++i) {
    const M value = convert<M>(y[i]), slope = convert<M>(dy[i]);
    dx[i] = convert<T>(log ? slope - exp_below_0(value) * total : value * (slope - total));
  }
}

// --- CPU: columns ------------------------------------------------------------------------------------------

constexpr std::int64_t tile = 64;  // columns worked on together

// x and y stand at the first of `count` neighbouring columns; rows are `inner` apart.
template <bool log, class T, class M>
void softmax_columns(std::int64_t n, std::int64_t inner, std::int64_t count, const T* x, T* y) {
  M top[tile], total[tile] = {};
  for (std::int64_t j = 0; j < count; ++j) top[j] = -std::numeric_limits<M>::infinity();
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      const M value = convert<M>(x[i * inner + j]);
      top[j] = value > top[j] ? value : top[j];
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < count; ++j) total[j] += exp_below_0(convert<M>(x[i * inner + j]) - top[j]);
  }
  for (std::int64_t j = 0; j < count; ++j) total[j] = log ? std::log(total[j]) : M(1) / total[j];
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      const M below = convert<M>(x[i * inner + j]) - top[j];
      y[i * inner + j] = convert<T>(log ? below - total[j] : exp_below_0(below) * total[j]);
    }
  }
}

template <bool log, class T, class M>
void softmax_columns_backward(std::int64_t n, std::int64_t inner, std::int64_t count, const T* y, const T* dy,
                              T* dx) {
  M total[tile] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      const M slope = convert<M>(dy[i * inner + j]);
      total[j] += log ? slope : slope * convert<M>(y[i * inner + j]);
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      const M value = convert<M>(y[i * inner + j]), slope = convert<M>(dy[i * inner + j]);
      dx[i * inner + j] =
          convert<T>(log ? slope - exp_below_0(value) * total[j] : value * (slope - total[j]));
    }
  }
}

// Calls row(offset) for every row, or columns(offset, count) for every tile of columns.
template <class Row, class Columns> void walk_rows(const Rows& r, Row row, Columns columns) {
  if (r.inner == 1) {
    parallel_for(r.outer, 1 + detail::map_grain / (8 * r.n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) row(o * r.n);
    });
    return;
  }
  const std::int64_t tiles = (r.inner + tile - 1) / tile;
  parallel_for(r.outer * tiles, 1 + detail::map_grain / (8 * tile * r.n),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t job = begin; job < end; ++job) {
                   const std::int64_t first = job % tiles * tile;
                   columns(job / tiles * r.n * r.inner + first, std::min(tile, r.inner - first));
                 }
               });
}

template <bool log, class T> void softmax_forward(Cpu, const Rows& r, const T* x, T* y) {
  using M = math_type<T>;
  walk_rows(
      r,
      [&](std::int64_t at) {
        thread_local std::vector<M> row;
        if (row.size() < static_cast<std::size_t>(r.n)) row.resize(static_cast<std::size_t>(r.n));
        softmax_row<log, T, M>(r.n, x + at, y + at, row.data());
      },
      [&](std::int64_t at, std::int64_t count) {
        softmax_columns<log, T, M>(r.n, r.inner, count, x + at, y + at);
      });
}
template <bool log, class T> void softmax_backward(Cpu, const Rows& r, const T* y, const T* dy, T* dx) {
  using M = math_type<T>;
  walk_rows(
      r, [&](std::int64_t at) { softmax_row_backward<log, T, M>(r.n, y + at, dy + at, dx + at); },
      [&](std::int64_t at, std::int64_t count) {
        softmax_columns_backward<log, T, M>(r.n, r.inner, count, y + at, dy + at, dx + at);
      });
}

// --- CUDA --------------------------------------------------------------------------------------------------

#ifdef __CUDACC__
template <class M> __device__ M warp_sum(M x) {
  for (int width = 16; width > 0; width /= 2) x += __shfl_xor_sync(0xffffffffu, x, width);
  return x;
}
template <class M> __device__ M warp_max(M x) {
  for (int width = 16; width > 0; width /= 2) {
    const M other = __shfl_xor_sync(0xffffffffu, x, width);
    x = other > x ? other : x;
  }
  return x;
}

// `width` threads a row: 32 when the row lies side by side, 1 when neighbouring threads own neighbouring
// columns.
template <bool log, int width, class T> __global__ void softmax_kernel(Rows r, const T* x, T* y) {
  using M = math_type<T>;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x / width;
  const int lane = threadIdx.x % width;
  for (std::int64_t job = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / width;
       job < r.outer * r.inner; job += step) {
    const std::int64_t at = job / r.inner * r.n * r.inner + job % r.inner;
    M top = -INFINITY, total = 0;
    for (std::int64_t i = lane; i < r.n; i += width) {
      const M value = convert<M>(x[at + i * r.inner]);
      top = value > top ? value : top;
    }
    if constexpr (width > 1) top = warp_max(top);
    for (std::int64_t i = lane; i < r.n; i += width) total += std::exp(convert<M>(x[at + i * r.inner]) - top);
    if constexpr (width > 1) total = warp_sum(total);
    const M rest = std::log(total), scale = M(1) / total;
    for (std::int64_t i = lane; i < r.n; i += width) {
      const M below = convert<M>(x[at + i * r.inner]) - top;
      y[at + i * r.inner] = convert<T>(log ? below - rest : std::exp(below) * scale);
    }
  }
}
template <bool log, int width, class T>
__global__ void softmax_backward_kernel(Rows r, const T* y, const T* dy, T* dx) {
  using M = math_type<T>;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x / width;
  const int lane = threadIdx.x % width;
  for (std::int64_t job = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / width;
       job < r.outer * r.inner; job += step) {
    const std::int64_t at = job / r.inner * r.n * r.inner + job % r.inner;
    M total = 0;
    for (std::int64_t i = lane; i < r.n; i += width) {
      const M slope = convert<M>(dy[at + i * r.inner]);
      total += log ? slope : slope * convert<M>(y[at + i * r.inner]);
    }
    if constexpr (width > 1) total = warp_sum(total);
    for (std::int64_t i = lane; i < r.n; i += width) {
      const M value = convert<M>(y[at + i * r.inner]), slope = convert<M>(dy[at + i * r.inner]);
      dx[at + i * r.inner] = convert<T>(log ? slope - std::exp(value) * total : value * (slope - total));
    }
  }
}

// A warp a row, unless rows are so short that most of it would idle.
bool warp_a_row(const Rows& r) { return r.inner == 1 && r.n > 8; }

template <bool log, class T> void softmax_forward(Cuda, const Rows& r, const T* x, T* y) {
  const char* op = log ? "log_softmax" : "softmax";
  const bool warp = warp_a_row(r);
  launch(op, grid_stride(r.outer * (warp ? 32 : r.inner)),
         warp ? softmax_kernel<log, 32, T> : softmax_kernel<log, 1, T>, r, x, y);
}
template <bool log, class T> void softmax_backward(Cuda, const Rows& r, const T* y, const T* dy, T* dx) {
  const char* op = log ? "log_softmax backward" : "softmax backward";
  const bool warp = warp_a_row(r);
  launch(op, grid_stride(r.outer * (warp ? 32 : r.inner)),
         warp ? softmax_backward_kernel<log, 32, T> : softmax_backward_kernel<log, 1, T>, r, y, dy, dx);
}
#endif

// y = exp(x) / sum(exp(x)), so dx = y (dy - sum(y dy)); its logarithm has dx = dy - exp(y) sum(dy).
template <bool log> struct SoftmaxFunction {
  static constexpr auto name = log ? "log_softmax" : "softmax";
  int dim;
  Attributes attributes() const { return {{"dim", dim}}; }
  Saved y;

  Tensor allocate(const Tensor& x) const {
    require<DTypeError, 2>(is_floating(x.dtype()), name, ": ", x.dtype(),
                           " is not supported; convert with .to(DType::fp32)");
    return empty(x.shape(), x.dtype(), x.device());
  }
  void save(const Tensor&, const Tensor& result) { y = result; }
  template <class D> void forward(D device, const Tensor& x, Tensor& result) const {
    if (x.numel() == 0) return;
    const Tensor dense = x.contiguous();
    dispatch_floating(x.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      softmax_forward<log, T>(device, rows_of(dense, dim), dense.data<T>(), result.data<T>());
    });
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor dx = empty(dy.shape(), dy.dtype(), dy.device());
    if (dy.numel() == 0) return {dx};
    const Tensor dense = dy.contiguous();
    dispatch_floating(dy.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      softmax_backward<log, T>(device, rows_of(dense, dim), y->template data<T>(), dense.data<T>(),
                               dx.data<T>());
    });
    return {dx};
  }
};

// An image that stores its channels innermost is computed as it lies: [N, C, H, W] as [N, H, W, C].
template <bool log> Tensor any_softmax(const Tensor& x, int dim) {
  dim = checked_dim(SoftmaxFunction<log>::name, dim, x.dim());
  if (x.is_channels_last()) {
    const int moved = dim == 0 ? 0 : dim == 1 ? 3 : dim - 1;
    return apply(SoftmaxFunction<log>{moved, {}}, x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
  }
  return apply(SoftmaxFunction<log>{dim, {}}, x);
}

}  // namespace

Tensor softmax(const Tensor& x, int dim) { return any_softmax<false>(x, dim); }
Tensor log_softmax(const Tensor& x, int dim) { return any_softmax<true>(x, dim); }

}  // namespace gadolin
