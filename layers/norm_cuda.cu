// Batch normalisation on the GPU: a matrix of rows of channels. A thread owns V neighbouring channels (16 bytes) of some
// rows, a block a slab of channels of a share of the rows. Sums go thread, block, grid in a fixed order: no float is ever
// added atomically, and the number of blocks depends on the shape alone.
#ifdef GADOLIN_CUDA
#include <algorithm>
#include <cstdint>

#include "layers/norm_function.h"
#include "layers/norm_sums.h"
#include "tensor/loops.h"
#include "tensor/ops.h"

namespace gadolin::detail {
#ifdef __CUDACC__
namespace {

enum class Mask { none, from_x, from_y };

template <class P, int V> struct Channels { P v[V]; };
template <int V, class P> __device__ Channels<P, V> channels_at(const P* p, std::int64_t c) {
  Channels<P, V> out;
#pragma unroll
  for (int j = 0; j < V; ++j) out.v[j] = p[c + j];
  return out;
}
template <int V, class T> __device__ Pack<T, V> load(const T* p, std::int64_t at) {
  return *reinterpret_cast<const Pack<T, V>*>(p + at);
}
template <int V, class T> __device__ void store(T* p, std::int64_t at, const Pack<T, V>& value) {
  *reinterpret_cast<Pack<T, V>*>(p + at) = value;
}

// Statistics of a batch -> what normalises, and the running ones moved. Without batch statistics, from the running ones.
template <class P> struct UseStatistics {
  const P *batch_mean, *batch_variance;  // may be null
  P *mean, *rstd, *running_mean, *running_var;
  std::int64_t* batches;                 // may be null
  double n, momentum, eps;

  __device__ void operator()(std::int64_t c, double average, double variance, bool moves) const {
    mean[c] = static_cast<P>(average);
    rstd[c] = static_cast<P>(1 / ::sqrt(variance + eps));
    if (!moves) return;
    if (c == 0 && batches) ++*batches;
    running_mean[c] = static_cast<P>((1 - momentum) * static_cast<double>(running_mean[c]) + momentum * average);
    running_var[c] = static_cast<P>((1 - momentum) * static_cast<double>(running_var[c]) + momentum * variance * n / (n - 1));
  }
};

template <class T> struct Statistics {
  using P = math_type<T>;
  Rows<const T> x;
  std::int64_t rows;
  UseStatistics<P> use;
  P *batch_mean = nullptr, *batch_variance = nullptr;  // written instead of used when they are there

  template <int V> __device__ Channels<P, V> constants(std::int64_t c) const {
    Channels<P, V> shift{};
#pragma unroll
    for (int i = 0; i < shift_rows; ++i) {
      const Pack<T, V> in = load<V>(x.at(shift_row(rows, i)), c);
#pragma unroll
      for (int j = 0; j < V; ++j) shift.v[j] += convert<P>(in.v[j]) * P(1.0 / shift_rows);  // exact: a power of two
    }
    return shift;
  }
  template <int V>
  __device__ void step(const Channels<P, V>& shift, std::int64_t row, std::int64_t c, P (&first)[V], P (&second)[V]) const {
    const Pack<T, V> in = load<V>(x.at(row), c);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const P d = convert<P>(in.v[j]) - shift.v[j];
      first[j] += d;
      second[j] += d * d;
    }
  }
  __device__ void finish(std::int64_t c, double first, double second) const {
    const double d = first / use.n, spread = second / use.n - d * d;
    const double variance = spread < 0 ? 0 : spread, average = static_cast<double>(constants<1>(c).v[0]) + d;
    if (!batch_mean) return use(c, average, variance, true);
    batch_mean[c] = static_cast<P>(average);
    batch_variance[c] = static_cast<P>(variance);
  }
};

template <class P> __global__ void use_statistics_kernel(std::int64_t channels, UseStatistics<P> use) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const bool batch = use.batch_mean != nullptr;
  use(c, static_cast<double>(batch ? use.batch_mean[c] : use.running_mean[c]),
      static_cast<double>(batch ? use.batch_variance[c] : use.running_var[c]), batch);
}

// A thread owns V channels of every step-th row, four rows in flight. y = relu(scale (x - mean) + bias + addend).
template <int V, bool relu, bool adds, class T, class P>
__global__ void __launch_bounds__(block_threads)
normalise_kernel(std::int64_t rows, std::int64_t channels, Rows<const T> x, Rows<const T> addend, Rows<T> y, const P* mean_in, const P* rstd, const P* weight, const P* bias_in) {
  const std::int64_t c0 = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V;
  if (c0 >= channels) return;
  const auto mean = channels_at<V>(mean_in, c0), bias = channels_at<V>(bias_in, c0);
  Channels<P, V> scale;
#pragma unroll
  for (int j = 0; j < V; ++j) scale.v[j] = weight[c0 + j] * rstd[c0 + j];
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  constexpr int flight = 4;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += flight * step) {
    Pack<T, V> in[flight], extra[flight];
#pragma unroll
    for (int k = 0; k < flight; ++k) {
      if (row + k * step >= rows) break;
      in[k] = load<V>(x.at(row + k * step), c0);
      if constexpr (adds) extra[k] = load<V>(addend.at(row + k * step), c0);
    }
#pragma unroll
    for (int k = 0; k < flight; ++k) {
      if (row + k * step >= rows) break;
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        P v = scale.v[j] * (convert<P>(in[k].v[j]) - mean.v[j]) + bias.v[j];
        if constexpr (adds) v += convert<P>(extra[k].v[j]);
        if constexpr (relu) v = v < P(0) ? P(0) : v;
        out.v[j] = convert<T>(v);
      }
      store<V>(y.at(row + k * step), c0, out);
    }
  }
}

// g = dy where the result was positive; sums of g and of g (x - mean).
template <class P, int V> struct GradientConstants { Channels<P, V> mean, scale, bias; };
template <class T, Mask mask> struct Gradient {
  using P = math_type<T>;
  Rows<const T> x, y, dy;
  const P *mean, *rstd, *weight, *bias;
  P *dweight, *dbias;    // may be null
  P *shift, *slope;      // [C]: dx = scale (g - shift - (x - mean) slope)
  double n;
  bool training;

  template <int V> __device__ GradientConstants<P, V> constants(std::int64_t c) const {
    GradientConstants<P, V> k{channels_at<V>(mean, c), channels_at<V>(weight, c), channels_at<V>(bias, c)};
#pragma unroll
    for (int j = 0; j < V; ++j) k.scale.v[j] *= rstd[c + j];
    return k;
  }
  template <int V> __device__ P masked(const GradientConstants<P, V>& k, int j, P g, P v, P out) const {
    if constexpr (mask == Mask::from_x) return k.scale.v[j] * (v - k.mean.v[j]) + k.bias.v[j] <= P(0) ? P(0) : g;
    if constexpr (mask == Mask::from_y) return out <= P(0) ? P(0) : g;
    return g;
  }
  template <int V>
  __device__ void step(const GradientConstants<P, V>& k, std::int64_t row, std::int64_t c, P (&first)[V], P (&second)[V]) const {
    const Pack<T, V> in = load<V>(x.at(row), c), up = load<V>(dy.at(row), c);
    Pack<T, V> out = up;
    if constexpr (mask == Mask::from_y) out = load<V>(y.at(row), c);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const P v = convert<P>(in.v[j]);
      const P g = masked<V>(k, j, convert<P>(up.v[j]), v, convert<P>(out.v[j]));
      first[j] += g;
      second[j] += g * (v - k.mean.v[j]);
    }
  }
  __device__ void finish(std::int64_t c, double sum, double product) const {
    const double r = static_cast<double>(rstd[c]);
    if (dweight) dweight[c] = static_cast<P>(product * r);
    if (dbias) dbias[c] = static_cast<P>(sum);
    shift[c] = static_cast<P>(training ? sum / n : 0);
    slope[c] = static_cast<P>(training ? product * r * r / n : 0);
  }
};

// A thread owns V channels of every step-th row, two rows in flight. dx and dadd may be null; dx may be added to.
template <int V, bool adds, class T, Mask mask>
__global__ void __launch_bounds__(block_threads)
gradient_kernel(Gradient<T, mask> body, std::int64_t rows, std::int64_t channels, Rows<T> dx, Rows<T> dadd) {
  using P = math_type<T>;
  const std::int64_t c0 = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V;
  if (c0 >= channels) return;
  const auto k = body.template constants<V>(c0);
  const auto shift = channels_at<V>(body.shift, c0), slope = channels_at<V>(body.slope, c0);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  constexpr int flight = 2;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += flight * step) {
    Pack<T, V> in[flight], up[flight], out[flight], before[flight];
#pragma unroll
    for (int i = 0; i < flight; ++i) {
      const std::int64_t r = row + i * step;
      if (r >= rows) break;
      in[i] = load<V>(body.x.at(r), c0);
      up[i] = load<V>(body.dy.at(r), c0);
      if constexpr (mask == Mask::from_y) out[i] = load<V>(body.y.at(r), c0);
      if constexpr (adds) before[i] = load<V>(dx.at(r), c0);
    }
#pragma unroll
    for (int i = 0; i < flight; ++i) {
      const std::int64_t r = row + i * step;
      if (r >= rows) break;
      Pack<T, V> to_x, to_addend;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const P v = convert<P>(in[i].v[j]);
        P result = P(0);
        if constexpr (mask == Mask::from_y) result = convert<P>(out[i].v[j]);
        const P g = body.template masked<V>(k, j, convert<P>(up[i].v[j]), v, result);
        to_addend.v[j] = convert<T>(g);
        P d = k.scale.v[j] * (g - shift.v[j] - (v - k.mean.v[j]) * slope.v[j]);
        if constexpr (adds) d += convert<P>(before[i].v[j]);
        to_x.v[j] = convert<T>(d);
      }
      if (dx.data) store<V>(dx.at(r), c0, to_x);
      if (dadd.data) store<V>(dadd.at(r), c0, to_addend);
    }
  }
}

// --- launching -------------------------------------------------------------------------------------------------------

// `rows_each`: rows that a thread should at least have; `blocks`: how many in all fill the GPU.
Launch matrix_launch(const NormSizes& size, int v, int rows_each, std::int64_t blocks) {
  const std::int64_t groups = size.channels / v;
  int x = 1;
  while (x < groups && x < 32) x *= 2;
  const int y = block_threads / x;
  const std::int64_t slabs = (groups + x - 1) / x, enough = (size.rows + y * rows_each - 1) / (y * rows_each);
  const std::int64_t shares = slabs > most_slabs ? 1 : std::clamp<std::int64_t>(blocks / slabs, 1, std::max<std::int64_t>(1, enough));
  return {dim3(static_cast<unsigned>(slabs), static_cast<unsigned>(shares)), dim3(static_cast<unsigned>(x), static_cast<unsigned>(y)), 0};
}

// Calls f with the widest access that the channels, all addresses and all rows allow.
template <class T, class F> void by_width(const NormSizes& size, std::initializer_list<Rows<const T>> matrices, F&& f) {
  constexpr int wide = 16 / static_cast<int>(sizeof(T));
  bool aligned = size.channels % wide == 0;
  for (const Rows<const T>& m : matrices) aligned = aligned && reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0 && m.stride % wide == 0;
  if (aligned) {
    f(std::integral_constant<int, wide>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

template <int V, class Body> void sum_rows(const char* op, const Body& body, const NormSizes& size, const Tensor& like) {
  const Launch how = matrix_launch(size, V, 8, 264);
  const Tensor partial = empty({static_cast<std::int64_t>(how.grid.y), 2, size.channels}, like.dtype(), like.device());
  launch(op, how, sum_rows_kernel<V, Body>, body, size.rows, size.channels, partial.data<typename Body::P>());
}

template <class P> UseStatistics<P> use_of(const BatchNormFunction& f, const NormSizes& size) {
  const bool known = f.options.training && f.known.mean.defined();
  return {known ? f.known.mean.data<P>() : nullptr, known ? f.known.variance.data<P>() : nullptr,
          f.mean.data<P>(), f.rstd.data<P>(), f.running_mean.data<P>(), f.running_var.data<P>(),
          f.batches.defined() ? f.batches.data<std::int64_t>() : nullptr, static_cast<double>(size.rows), f.options.momentum,
          f.options.eps};
}

}  // namespace

void batch_statistics(Cuda, const Tensor& rows, const ChannelStatistics& into) {
  const NormSizes size = norm_sizes(rows);
  dispatch_floating(rows.dtype(), "batch statistics", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using P = math_type<T>;
    const Rows<const T> x(rows);
    Statistics<T> body{x, size.rows, {}, into.mean.data<P>(), into.variance.data<P>()};
    body.use.n = static_cast<double>(size.rows);
    by_width<T>(size, {x}, [&](auto width) { sum_rows<decltype(width)::value>("batch statistics", body, size, into.mean); });
  });
}

void BatchNormFunction::statistics(Cuda, const Tensor& in) const {
  const NormSizes size = norm_sizes(in);
  dispatch_floating(in.dtype(), name, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using P = math_type<T>;
    const UseStatistics<P> use = use_of<P>(*this, size);
    if (options.training && !use.batch_mean) {
      const Rows<const T> matrix(in);
      by_width<T>(size, {matrix}, [&](auto width) {
        sum_rows<decltype(width)::value>(name, Statistics<T>{matrix, size.rows, use}, size, mean);
      });
    } else {
      launch(name, grid_stride(size.channels), use_statistics_kernel<P>, size.channels, use);
    }
    if (!options.training) return;
    running_mean.storage().bump_version();
    running_var.storage().bump_version();
  });
}

void BatchNormFunction::normalise(Cuda, const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, Tensor& result) const {
  const Tensor rows = as_rows(in), added = addend.defined() ? as_rows(addend) : addend;
  const NormSizes size = norm_sizes(in);
  dispatch_floating(in.dtype(), name, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using P = math_type<T>;
    const Rows<const T> x_rows(rows), a_rows(added), y_const(result);
    const Rows<T> y_rows(result);
    by_width<T>(size, {x_rows, a_rows, y_const}, [&](auto width) {
      constexpr int V = decltype(width)::value;
      const auto run = [&]<bool relu, bool adds>() {
        launch(name, matrix_launch(size, V, 4, 1056), normalise_kernel<V, relu, adds, T, P>, size.rows, size.channels, x_rows,
               a_rows, y_rows, mean.data<P>(), rstd.data<P>(), w.data<P>(), b.data<P>());
      };
      if (options.relu && a_rows.data) {
        run.template operator()<true, true>();
      } else if (options.relu) {
        run.template operator()<true, false>();
      } else if (a_rows.data) {
        run.template operator()<false, true>();
      } else {
        run.template operator()<false, false>();
      }
    });
  });
}

Grads BatchNormFunction::backward(Cuda, const Tensor& dy_any, Need need) const {
  const Tensor in = as_rows(x), dy = as_rows(dy_any), result = y.defined() ? as_rows(y) : Tensor();
  const NormSizes size = norm_sizes(in);
  Tensor dx, dadd, dweight, dbias;
  if (need[0]) dx = adds() ? into : empty_rows(in);
  if (need[1]) dweight = empty_like(weight.get());
  if (need[2]) dbias = empty_like(bias.get());
  // Without relu the addend's gradient is dy itself.
  if (need[3]) dadd = options.relu ? empty_rows(in) : dy;
  if (in.numel() == 0) {
    if (need[1]) dweight.zero_();
    if (need[2]) dbias.zero_();
    return {dx, dweight, dbias, dadd};
  }
  const Tensor lines = empty({2, size.channels}, weight->dtype(), in.device());  // shift and slope
  dispatch_floating(in.dtype(), name, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using P = math_type<T>;
    const Rows<const T> x_rows(in), y_rows(result), dy_rows(dy);
    const Rows<T> dx_rows(dx), dadd_rows(need[3] && options.relu ? dadd : Tensor());
    by_width<T>(size, {x_rows, y_rows, dy_rows, Rows<const T>(dx), Rows<const T>(dadd)}, [&](auto width) {
      constexpr int V = decltype(width)::value;
      const auto run = [&]<Mask mask>() {
        const Gradient<T, mask> body{x_rows, y_rows, dy_rows, mean.data<P>(), rstd.data<P>(), weight->data<P>(),
                                     bias->data<P>(), dweight.defined() ? dweight.data<P>() : nullptr,
                                     dbias.defined() ? dbias.data<P>() : nullptr, lines.data<P>(),
                                     lines.data<P>() + size.channels, static_cast<double>(size.rows), options.training};
        sum_rows<V>("batch_norm backward", body, size, weight);
        if (!dx.defined() && !dadd_rows.data) return;
        const auto kernel = adds() ? gradient_kernel<V, true, T, mask> : gradient_kernel<V, false, T, mask>;
        launch("batch_norm backward", matrix_launch(size, V, 2, 1056), kernel, body, size.rows, size.channels, dx_rows, dadd_rows);
      };
      if (!options.relu) {
        run.template operator()<Mask::none>();
      } else if (has_addend) {
        run.template operator()<Mask::from_y>();
      } else {
        run.template operator()<Mask::from_x>();
      }
    });
  });
  return {dx, dweight, dbias, dadd};
}

#endif
}  // namespace gadolin::detail
#endif
