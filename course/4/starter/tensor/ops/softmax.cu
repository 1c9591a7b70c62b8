// softmax and log_softmax along any dimension. The largest number is subtracted first, so nothing overflows.
//
// A tensor is seen as [outer, n, inner]. With inner 1 a row lies side by side: a vectorised loop on the CPU,
// a warp on the GPU. Otherwise neighbouring columns are worked on together. The formulas stand here once, for
// all of these; they reach the elements through a walk:
//   fold(acc, none, value, join)  joins `none` and value(place, column) of all elements, one number a column
//   each(f)                       calls f(place, column) for all elements
#include "course/todo.h"
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/function.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

// yours: includes and helpers may stand here
// end of yours

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

// exp for x <= 0. On the CPU without branches or calls, so that loops over it vectorise: 2^k e^r with |r| <=
// log(2) / 2 and the Taylor series of e^r; relative error below 2e-7. Results below the smallest normal
// number become 0. NaN stays NaN.
GADOLIN_HD float exp_below_0(float x) {
#ifdef __CUDA_ARCH__
  return std::exp(x);
#else
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
#endif
}
GADOLIN_HD double exp_below_0(double x) { return std::exp(x); }

struct Larger {
  template <class M> GADOLIN_HD M operator()(M a, M b) const { return b > a ? b : a; }
};
struct Added {
  template <class M> GADOLIN_HD M operator()(M a, M b) const { return a + b; }
};

template <bool log, class T> struct SoftmaxForward {
  using M = math_type<T>;
  const T* x;
  T* y;
  // Of the row or the columns that begin at element `at`.
  template <class Walk> GADOLIN_HD void operator()(const Walk& walk, std::int64_t at) const {
    // 4.3: softmax forward is not written yet
  }
};

template <bool log, class T> struct SoftmaxBackward {
  using M = math_type<T>;
  const T *y, *dy;
  T* dx;
  template <class Walk> GADOLIN_HD void operator()(const Walk& walk, std::int64_t at) const {
    // 4.3: softmax backward is not written yet
  }
};

// --- CPU ---------------------------------------------------------------------------------------------------

// A row that lies side by side. Folds have 16 partial results, so that they vectorise.
template <class M> struct RowWalk {
  static constexpr int room = 16, columns = 1;
  static constexpr bool keeps = true;
  std::int64_t n;
  M* kept;  // room for a row
  template <class F> GADOLIN_HD void each(F f) const {
    GADOLIN_IVDEP
    for (std::int64_t i = 0; i < n; ++i) f(i, 0);
  }
  template <class F, class Join> GADOLIN_HD void fold(M* acc, M none, F value, Join join) const {
    for (int k = 0; k < room; ++k) acc[k] = none;
    std::int64_t i = 0;
    for (; i + room <= n; i += room) {
      GADOLIN_IVDEP
      for (int k = 0; k < room; ++k) acc[k] = join(acc[k], value(i + k, 0));
    }
    for (; i < n; ++i) acc[0] = join(acc[0], value(i, 0));
    for (int k = 1; k < room; ++k) acc[0] = join(acc[0], acc[k]);
  }
};

// Neighbouring columns, whose rows are `step` apart.
template <class M> struct ColumnWalk {
  static constexpr int room = 64;
  static constexpr bool keeps = false;
  std::int64_t n, step;
  int columns;
  template <class F> GADOLIN_HD void each(F f) const {
    for (std::int64_t i = 0; i < n; ++i) {
      GADOLIN_IVDEP
      for (int c = 0; c < columns; ++c) f(i * step + c, c);
    }
  }
  template <class F, class Join> GADOLIN_HD void fold(M* acc, M none, F value, Join join) const {
    for (int c = 0; c < columns; ++c) acc[c] = none;
    each([&](std::int64_t i, int c) { acc[c] = join(acc[c], value(i, c)); });
  }
};

template <class Body> void for_rows(Cpu, const char*, const Rows& r, const Body& body) {
  using M = typename Body::M;
  if (r.inner == 1) {
    parallel_for(r.outer, 1 + detail::map_grain / (8 * r.n), [&](std::int64_t begin, std::int64_t end) {
      thread_local std::vector<M> kept;
      kept.resize(std::max(kept.size(), static_cast<std::size_t>(r.n)));
      for (std::int64_t o = begin; o < end; ++o) body(RowWalk<M>{r.n, kept.data()}, o * r.n);
    });
    return;
  }
  constexpr std::int64_t tile = ColumnWalk<M>::room;
  const std::int64_t tiles = (r.inner + tile - 1) / tile;
  parallel_for(r.outer * tiles, 1 + detail::map_grain / (8 * tile * r.n),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t job = begin; job < end; ++job) {
                   const std::int64_t first = job % tiles * tile;
                   body(ColumnWalk<M>{r.n, r.inner, static_cast<int>(std::min(tile, r.inner - first))},
                        job / tiles * r.n * r.inner + first);
                 }
               });
}

// --- CUDA --------------------------------------------------------------------------------------------------

#ifdef __CUDACC__
// `width` threads a row: 32 when the row lies side by side, 1 when neighbouring threads own neighbouring
// columns.
template <int width, class M> struct LaneWalk {
  static constexpr int room = 1, columns = 1;
  static constexpr bool keeps = false;
  std::int64_t n, step;
  template <class F> __device__ void each(F f) const {
    // 4.3: LaneWalk::each is not written yet
  }
  template <class F, class Join> __device__ void fold(M* acc, M none, F value, Join join) const {
    // 4.3: LaneWalk::fold is not written yet
  }
};
template <int width, class Body> __global__ void rows_kernel(Rows r, Body body) {
  // 4.3: rows_kernel is not written yet
}
template <class Body> void for_rows(Cuda, const char* op, const Rows& r, const Body& body) {
  const bool warp = r.inner == 1 && r.n > 8;  // of shorter rows most of a warp would idle
  launch(op, grid_stride(r.outer * (warp ? 32 : r.inner)),
         warp ? rows_kernel<32, Body> : rows_kernel<1, Body>, r, body);
}
#endif

// y = exp(x) / sum(exp(x)), so dx = y (dy - sum(y dy)); its logarithm has dx = dy - exp(y) sum(dy).
template <bool log> struct SoftmaxFunction {
  static constexpr auto name = log ? "log_softmax" : "softmax";
  int dim;
  Attributes attributes() const { return {{"dim", dim}}; }
  Saved y;

  Tensor allocate(const Tensor& x) const {
    require_floating(name, x.dtype());
    return empty(x.shape(), x.dtype(), x.device());
  }
  void save(const Tensor&, const Tensor& result) { y = result; }
  template <class D> void forward(D device, const Tensor& x, Tensor& result) const {
    if (x.numel() == 0) return;
    const Tensor dense = x.contiguous();
    dispatch_floating(x.dtype(), name, [&]<class T>(Tag<T>) {
      for_rows(device, name, rows_of(dense, dim), SoftmaxForward<log, T>{dense.data<T>(), result.data<T>()});
    });
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor dx = empty(dy.shape(), dy.dtype(), dy.device());
    if (dy.numel() == 0) return {dx};
    const Tensor dense = dy.contiguous();
    dispatch_floating(dy.dtype(), name, [&]<class T>(Tag<T>) {
      for_rows(device, log ? "log_softmax backward" : "softmax backward", rows_of(dense, dim),
               SoftmaxBackward<log, T>{y->template data<T>(), dense.data<T>(), dx.data<T>()});
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
