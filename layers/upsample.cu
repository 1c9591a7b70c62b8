// Resampling on channels-last images. Places are fractions of whole numbers, so both devices find the same ones. Backward
// gathers: every input pixel looks at the outputs that read it, so no two threads write the same place.
#include "layers/upsample.h"

#include "layers/pixels.h"
#include "tensor/function.h"

namespace gadolin {
namespace {

// Where outputs read along one dimension: output i at (a i + b) / den, not below 0.
struct Axis {
  std::int64_t in, out, a, b, den;
  bool blends;  // between that pixel and the next; otherwise the pixel alone

  GADOLIN_HD std::int64_t numerator(std::int64_t i) const { return a * i + b < 0 ? 0 : a * i + b; }
  GADOLIN_HD std::int64_t low(std::int64_t i) const { return numerator(i) / den; }
  GADOLIN_HD std::int64_t high(std::int64_t i) const { return blends && low(i) + 1 < in ? low(i) + 1 : low(i); }
  template <class M> GADOLIN_HD M share_of_high(std::int64_t i) const {
    return blends ? static_cast<M>(numerator(i) % den) / static_cast<M>(den) : M(0);
  }
  // Share of input h in output i.
  template <class M> GADOLIN_HD M share(std::int64_t i, std::int64_t h) const {
    const M t = share_of_high<M>(i);
    return (low(i) == h ? M(1) - t : M(0)) + (high(i) == h ? t : M(0));
  }
  // Outputs that read input h: [first(h), last(h)].
  GADOLIN_HD std::int64_t first(std::int64_t h) const {
    const std::int64_t from = (blends ? h - 1 : h) * den - b;
    return h == 0 || from <= 0 ? 0 : (from + a - 1) / a;
  }
  GADOLIN_HD std::int64_t last(std::int64_t h) const {
    if (h == in - 1) return out - 1;
    const std::int64_t i = ((h + 1) * den - 1 - b) / a;
    return i < out ? i : out - 1;
  }
};
Axis axis(std::int64_t in, std::int64_t out, const UpsampleOptions& options) {
  if (options.mode == Interpolation::nearest) return {in, out, in, 0, out, false};
  if (!options.align_corners) return {in, out, 2 * in, in - out, 2 * out, true};
  return out == 1 ? Axis{in, out, in, 0, 1, true} : Axis{in, out, in - 1, 0, out - 1, true};
}
struct Grid { std::int64_t n, c; Axis h, w; };

template <class T> struct Forward {
  Grid g;
  const T* x;
  T* y;
  GADOLIN_HD std::int64_t pixels() const { return g.n * g.h.out * g.w.out; }
  GADOLIN_HD std::int64_t channels() const { return g.c; }
  GADOLIN_HD void operator()(std::int64_t pixel, std::int64_t from, std::int64_t to) const {
    using M = math_type<T>;
    const std::int64_t q = pixel % g.w.out, p = pixel / g.w.out % g.h.out, n = pixel / (g.w.out * g.h.out);
    const T* top = x + (n * g.h.in + g.h.low(p)) * g.w.in * g.c;
    const T* bottom = x + (n * g.h.in + g.h.high(p)) * g.w.in * g.c;
    const std::int64_t left = g.w.low(q) * g.c, right = g.w.high(q) * g.c;
    const M v = g.h.template share_of_high<M>(p), u = g.w.template share_of_high<M>(q);
    T* out = y + pixel * g.c;
    if (!g.h.blends) {
      for (std::int64_t c = from; c < to; ++c) out[c] = top[left + c];
      return;
    }
    for (std::int64_t c = from; c < to; ++c) {
      const M above = (M(1) - u) * convert<M>(top[left + c]) + u * convert<M>(top[right + c]);
      const M below = (M(1) - u) * convert<M>(bottom[left + c]) + u * convert<M>(bottom[right + c]);
      out[c] = convert<T>((M(1) - v) * above + v * below);
    }
  }
};

template <class T> struct Backward {
  Grid g;
  const T* dy;
  T* dx;
  GADOLIN_HD std::int64_t pixels() const { return g.n * g.h.in * g.w.in; }
  GADOLIN_HD std::int64_t channels() const { return g.c; }
  GADOLIN_HD void operator()(std::int64_t pixel, std::int64_t from, std::int64_t to) const {
    using M = math_type<T>;
    const std::int64_t w = pixel % g.w.in, h = pixel / g.w.in % g.h.in, n = pixel / (g.w.in * g.h.in);
    const std::int64_t p0 = g.h.first(h), p1 = g.h.last(h), q0 = g.w.first(w), q1 = g.w.last(w);
    constexpr std::int64_t tile = detail::channel_tile();  // sums stay in registers
    for (std::int64_t c0 = from; c0 < to; c0 += tile) {
      const std::int64_t c1 = c0 + tile < to ? c0 + tile : to;
      M sums[tile];
      for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] = 0;
      for (std::int64_t p = p0; p <= p1; ++p) {
        for (std::int64_t q = q0; q <= q1; ++q) {
          const M share = g.h.template share<M>(p, h) * g.w.template share<M>(q, w);
          const T* from_y = dy + ((n * g.h.out + p) * g.w.out + q) * g.c;
          for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] += share * convert<M>(from_y[c]);
        }
      }
      for (std::int64_t c = c0; c < c1; ++c) dx[pixel * g.c + c] = convert<T>(sums[c - c0]);
    }
  }
};

struct UpsampleFunction {
  static constexpr auto name = "upsample";
  Grid g;
  Attributes attributes() const {  // a, b, den of struct Axis
    using List = std::vector<std::int64_t>;
    return {{"rows", List{g.h.a, g.h.b, g.h.den}}, {"columns", List{g.w.a, g.w.b, g.w.den}}, {"blends", g.h.blends}};
  }
  Tensor allocate(const Tensor& x) const {
    return empty({g.n, g.c, g.h.out, g.w.out}, x.dtype(), x.device(), MemoryFormat::channels_last);
  }
  void save(const Tensor&, const Tensor&) {}
  template <class D> void forward(D device, const Tensor& x_any, Tensor& y) const {
    const Tensor x = x_any.contiguous(MemoryFormat::channels_last);
    dispatch_floating(x.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(device, name, Forward<T>{g, x.data<T>(), y.data<T>()});
    });
  }
  template <class D> Grads backward(D device, const Tensor& dy_any, Need) const {
    const Tensor dy = dy_any.contiguous(MemoryFormat::channels_last);
    Tensor dx = empty({g.n, g.c, g.h.in, g.w.in}, dy.dtype(), dy.device(), MemoryFormat::channels_last);
    dispatch_floating(dy.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(device, name, Backward<T>{g, dy.data<T>(), dx.data<T>()});
    });
    return {dx};
  }
};

}  // namespace

Tensor upsample(const Tensor& x, Pair size, const UpsampleOptions& options) {
  require<ShapeError>(x.dim() == 4, "upsample: input ", x.shape(), " is not [N, C, H, W]");
  require<ShapeError>(x.size(2) > 0 && x.size(3) > 0, "upsample: input ", x.shape(), " has no pixels");
  require<ValueError>(size.h > 0 && size.w > 0, "upsample: output ", size.h, " x ", size.w, " must be positive");
  return apply(UpsampleFunction{{x.size(0), x.size(1), axis(x.size(2), size.h, options), axis(x.size(3), size.w, options)}}, x);
}

Tensor Upsample::forward(const Tensor& x) {
  require<ShapeError>(x.dim() == 4, "upsample: input ", x.shape(), " is not [N, C, H, W]");
  return upsample(x, {static_cast<int>(x.size(2)) * scale_.h, static_cast<int>(x.size(3)) * scale_.w}, options_);
}

}  // namespace gadolin
