// Batch normalisation on the GPU, backward: one pass that sums over the rows and one that writes the
// gradients, for one batch norm or for the two that a join adds.
#ifdef GADOLIN_CUDA
#include "layers/norm_function.h"
#include "layers/norm_sums.h"

namespace gadolin::detail {
#ifdef __CUDACC__
namespace {

// g = dy where the result was positive; sums of g, g (x - mean) and in joins g (other - its mean).
template <class T, ReluMask mask, bool joins> struct Gradient {
  using P = math_type<T>;
  static constexpr int sums = joins ? 3 : 2;
  Rows<const T> x, other, dy;
  MaskRows bits;
  NormLine<P> first, second;

  template <class A> struct Constants : Affine<A, P> { Channels<P, A::V> mean2; };
  template <class A> __device__ Constants<A> constants(std::int64_t c, std::int64_t left) const {
    return {{first, c, left}, joins ? numbers<A>(second.mean + c, left) : Channels<P, A::V>{}};
  }
  template <class A>
  __device__ void step(const Constants<A>& k, std::int64_t row, std::int64_t c, std::int64_t left,
                       P (&s)[sums][A::V]) const {
    const auto in = load<A>(x.at(row) + c, left), up = load<A>(dy.at(row) + c, left);
    Channels<T, A::V> in2;
    if constexpr (joins) in2 = load<A>(other.at(row) + c, left);
    unsigned byte = 0;
    if constexpr (mask == ReluMask::from_bits) byte = *bits.at(row, c);
#pragma unroll
    for (int j = 0; j < A::V; ++j) {
      const P v = convert<P>(in.v[j]), g = masked<mask>(convert<P>(up.v[j]), mask_passes(byte, j), v,
                                                        k.mean.v[j], k.scale.v[j], k.bias.v[j]);
      s[0][j] += g;
      s[1][j] += g * (v - k.mean.v[j]);
      if constexpr (joins) s[2][j] += g * (convert<P>(in2.v[j]) - k.mean2.v[j]);
    }
  }
  __device__ void finish(std::int64_t c, const double (&s)[sums]) const {
    first.finish(c, s[0], s[1]);
    if constexpr (joins) second.finish(c, s[0], s[2]);
  }
};

// A thread owns V channels of every step-th row, some rows in flight, from the last row to the first: what
// the sums have read last is still in the cache. dx and dother may be null; dx may be added to. dother is the
// gradient of a plain addend or of what goes through the second batch norm.
template <class A, bool adds, class T, ReluMask mask, bool joins>
__global__ void __launch_bounds__(block_threads)
    gradient_kernel(Gradient<T, mask, joins> body, std::int64_t rows, std::int64_t channels, Rows<T> dx,
                    Rows<T> dother) {
  using P = math_type<T>;
  const std::int64_t c0 = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * A::V,
                     left = channels - c0;
  if (left <= 0) return;
  const auto k = body.template constants<A>(c0, left);
  const auto shift = numbers<A>(body.first.shift + c0, left), slope = numbers<A>(body.first.slope + c0, left);
  const Affine<A, P> second(body.second, c0, left);
  Channels<P, A::V> shift2, slope2;
  if constexpr (joins)
    shift2 = numbers<A>(body.second.shift + c0, left), slope2 = numbers<A>(body.second.slope + c0, left);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  constexpr int flight = joins && sizeof(T) > 2 ? 1 : 2;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows;
       row += flight * step) {
    Channels<T, A::V> in[flight], in2[flight], up[flight], before[flight];
    unsigned byte[flight] = {};
#pragma unroll
    for (int i = 0; i < flight; ++i) {
      const std::int64_t r = rows - 1 - row - i * step;
      if (r < 0) break;
      in[i] = load<A, true>(body.x.at(r) + c0, left);
      up[i] = load<A, true>(body.dy.at(r) + c0, left);
      if constexpr (joins) in2[i] = load<A, true>(body.other.at(r) + c0, left);
      if constexpr (mask == ReluMask::from_bits) byte[i] = __ldcs(body.bits.at(r, c0));
      if constexpr (adds) before[i] = load<A>(dx.at(r) + c0, left);
    }
#pragma unroll
    for (int i = 0; i < flight; ++i) {
      const std::int64_t r = rows - 1 - row - i * step;
      if (r < 0) break;
      Channels<T, A::V> to_x, to_other;
#pragma unroll
      for (int j = 0; j < A::V; ++j) {
        const P v = convert<P>(in[i].v[j]), g = masked<mask>(convert<P>(up[i].v[j]), mask_passes(byte[i], j),
                                                             v, k.mean.v[j], k.scale.v[j], k.bias.v[j]);
        P d = norm_gradient(g, v, k.mean.v[j], k.scale.v[j], shift.v[j], slope.v[j]), d2 = g;
        if constexpr (joins)
          d2 = norm_gradient(g, convert<P>(in2[i].v[j]), k.mean2.v[j], second.scale.v[j], shift2.v[j],
                             slope2.v[j]);
        if constexpr (adds) d += convert<P>(before[i].v[j]);
        to_x.v[j] = convert<T>(d);
        to_other.v[j] = convert<T>(d2);
      }
      if (dx.data) store<A>(dx.at(r) + c0, left, to_x);
      if (dother.data) store<A>(dother.at(r) + c0, left, to_other);
    }
  }
}

}  // namespace

void norm_backward(Cuda, const NormPass& pass) {
  constexpr auto op = "batch_norm backward";
  const NormSizes size = norm_sizes(pass.x);
  dispatch_floating(pass.x.dtype(), op, [&]<class T>(Tag<T>) {
    using P = math_type<T>;
    const Rows<T> dx(pass.dx), dother(pass.dother);
    by_backward(pass, [&]<ReluMask mask, bool joins>() {
      const Gradient<T, mask, joins> body{Rows<const T>(pass.x),         Rows<const T>(pass.other),
                                          Rows<const T>(pass.dy),        MaskRows(pass.mask),
                                          NormLine<P>(pass.first, size), NormLine<P>(pass.second, size)};
      by_width<T, mask == ReluMask::from_bits>(
          size, {body.x, body.other, body.dy, Rows<const T>(pass.dx), Rows<const T>(pass.dother)},
          [&](auto access) {
            using A = decltype(access);
            sum_rows<A>(op, body, size, pass.first.mean);
            if (pass.first.training && lines_of_all)
              lines_of_all(pass.first.lines, pass.second.lines, body.first.n);
            if (!dx.data && !dother.data) return;
            const auto kernel = pass.adds ? gradient_kernel<A, true, T, mask, joins>
                                          : gradient_kernel<A, false, T, mask, joins>;
            launch(op, matrix_launch(size, A::V, 2, 1056), kernel, body, size.rows, size.channels, dx,
                   dother);
          });
    });
  });
}

#endif
}  // namespace gadolin::detail
#endif
