// Pooling on channels-last images. One function per output (or, in backward, input) pixel serves both devices: the CPU
// calls it for all channels of a pixel, so that its inner loop vectorises; the GPU for one channel a thread. Backward
// gathers: every input pixel looks at the windows that hold it, so no two threads write the same place.
#include "layers/pool.h"

#include "layers/pixels.h"
#include "tensor/function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// Windows along one dimension.
struct Windows {
  std::int64_t in, out, kernel, stride, padding;
  bool adaptive, include_padding;

  GADOLIN_HD std::int64_t start(std::int64_t i) const { return adaptive ? i * in / out : i * stride - padding; }
  GADOLIN_HD std::int64_t stop(std::int64_t i) const {
    return adaptive ? ((i + 1) * in + out - 1) / out : i * stride - padding + kernel;
  }
  GADOLIN_HD std::int64_t begin(std::int64_t i) const { return start(i) < 0 ? 0 : start(i); }
  GADOLIN_HD std::int64_t end(std::int64_t i) const { return stop(i) > in ? in : stop(i); }
  // What a mean divides by.
  GADOLIN_HD std::int64_t count(std::int64_t i) const {
    if (adaptive || !include_padding) return end(i) - begin(i);
    return (stop(i) > in + padding ? in + padding : stop(i)) - start(i);
  }
  // Windows that hold place h: [first(h), last(h)].
  GADOLIN_HD std::int64_t first(std::int64_t h) const {
    if (adaptive) return h * out / in;
    const std::int64_t after = h + padding - kernel;
    return after < 0 ? 0 : after / stride + 1;
  }
  GADOLIN_HD std::int64_t last(std::int64_t h) const {
    const std::int64_t i = adaptive ? ((h + 1) * out + in - 1) / in - 1 : (h + padding) / stride;
    return i < out ? i : out - 1;
  }
};

struct Geometry {
  std::int64_t n, c;
  Windows h, w;
  // padding: above and left only; windows may reach over the other edges.
  Attributes attributes() const {
    using List = std::vector<std::int64_t>;
    return {{"kernel", List{h.kernel, w.kernel}}, {"stride", List{h.stride, w.stride}}, {"padding", List{h.padding, w.padding}},
            {"adaptive", h.adaptive}, {"include_padding", h.include_padding}};
  }
};

// --- largest ---------------------------------------------------------------------------------------------------------

template <class T> struct MaxForward {
  Geometry g;
  const T* x;
  T* y;
  std::uint8_t* place;
  GADOLIN_HD std::int64_t pixels() const { return g.n * g.h.out * g.w.out; }
  GADOLIN_HD std::int64_t channels() const { return g.c; }
  GADOLIN_HD void operator()(std::int64_t pixel, std::int64_t from, std::int64_t to) const {
    const std::int64_t q = pixel % g.w.out, p = pixel / g.w.out % g.h.out, n = pixel / (g.w.out * g.h.out);
    constexpr std::int64_t tile = detail::channel_tile();  // the largest so far stay in registers
    for (std::int64_t c0 = from; c0 < to; c0 += tile) {
      const std::int64_t count = c0 + tile < to ? tile : to - c0;
      math_type<T> best[tile];
      std::uint8_t at[tile];
      bool any = false;
      for (std::int64_t h = g.h.begin(p); h < g.h.end(p); ++h) {
        for (std::int64_t w = g.w.begin(q); w < g.w.end(q); ++w) {
          const T* in = x + ((n * g.h.in + h) * g.w.in + w) * g.c + c0;
          const std::uint8_t here = static_cast<std::uint8_t>((h - g.h.start(p)) * g.w.kernel + (w - g.w.start(q)));
          if (!any) {
            for (std::int64_t c = 0; c < count; ++c) {
              best[c] = convert<math_type<T>>(in[c]);
              at[c] = here;
            }
            any = true;
            continue;
          }
          GADOLIN_IVDEP
          for (std::int64_t c = 0; c < count; ++c) {
            const math_type<T> v = convert<math_type<T>>(in[c]);
            const bool better = v > best[c] || v != v;  // a NaN wins
            best[c] = better ? v : best[c];
            at[c] = better ? here : at[c];
          }
        }
      }
      for (std::int64_t c = 0; c < count; ++c) {
        y[pixel * g.c + c0 + c] = convert<T>(best[c]);
        place[pixel * g.c + c0 + c] = at[c];
      }
    }
  }
};

template <class T> struct MaxBackward {
  Geometry g;
  const T* dy;
  const std::uint8_t* place;
  T* dx;
  GADOLIN_HD std::int64_t pixels() const { return g.n * g.h.in * g.w.in; }
  GADOLIN_HD std::int64_t channels() const { return g.c; }
  GADOLIN_HD void operator()(std::int64_t pixel, std::int64_t from, std::int64_t to) const {
    const std::int64_t w = pixel % g.w.in, h = pixel / g.w.in % g.h.in, n = pixel / (g.w.in * g.h.in);
    constexpr std::int64_t tile = detail::channel_tile();  // sums stay in registers
    for (std::int64_t c0 = from; c0 < to; c0 += tile) {
      const std::int64_t c1 = c0 + tile < to ? c0 + tile : to;
      math_type<T> sums[tile];
      for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] = 0;
      for (std::int64_t p = g.h.first(h); p <= g.h.last(h); ++p) {
        for (std::int64_t q = g.w.first(w); q <= g.w.last(w); ++q) {
          const std::int64_t base = ((n * g.h.out + p) * g.w.out + q) * g.c;
          const std::uint8_t here = static_cast<std::uint8_t>((h - g.h.start(p)) * g.w.kernel + (w - g.w.start(q)));
          const T* up = dy + base + c0;
          const std::uint8_t* at = place + base + c0;
          GADOLIN_IVDEP
          for (std::int64_t c = 0; c < c1 - c0; ++c) {
            const math_type<T> value = convert<math_type<T>>(up[c]);  // loaded in any case: the loop vectorises
            sums[c] += at[c] == here ? value : math_type<T>(0);
          }
        }
      }
      for (std::int64_t c = c0; c < c1; ++c) dx[pixel * g.c + c] = convert<T>(sums[c - c0]);
    }
  }
};

// --- mean ------------------------------------------------------------------------------------------------------------

template <class T> struct MeanForward {
  Geometry g;
  const T* x;
  T* y;
  GADOLIN_HD std::int64_t pixels() const { return g.n * g.h.out * g.w.out; }
  GADOLIN_HD std::int64_t channels() const { return g.c; }
  GADOLIN_HD void operator()(std::int64_t pixel, std::int64_t from, std::int64_t to) const {
    const std::int64_t q = pixel % g.w.out, p = pixel / g.w.out % g.h.out, n = pixel / (g.w.out * g.h.out);
    const math_type<T> share = math_type<T>(1) / static_cast<math_type<T>>(g.h.count(p) * g.w.count(q));
    constexpr std::int64_t tile = detail::channel_tile();
    for (std::int64_t c0 = from; c0 < to; c0 += tile) {
      const std::int64_t c1 = c0 + tile < to ? c0 + tile : to;
      math_type<T> sums[tile];
      for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] = 0;
      for (std::int64_t h = g.h.begin(p); h < g.h.end(p); ++h) {
        for (std::int64_t w = g.w.begin(q); w < g.w.end(q); ++w) {
          const T* in = x + ((n * g.h.in + h) * g.w.in + w) * g.c;
          for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] += convert<math_type<T>>(in[c]);
        }
      }
      for (std::int64_t c = c0; c < c1; ++c) y[pixel * g.c + c] = convert<T>(sums[c - c0] * share);
    }
  }
};

template <class T> struct MeanBackward {
  Geometry g;
  const T* dy;
  T* dx;
  GADOLIN_HD std::int64_t pixels() const { return g.n * g.h.in * g.w.in; }
  GADOLIN_HD std::int64_t channels() const { return g.c; }
  GADOLIN_HD void operator()(std::int64_t pixel, std::int64_t from, std::int64_t to) const {
    const std::int64_t w = pixel % g.w.in, h = pixel / g.w.in % g.h.in, n = pixel / (g.w.in * g.h.in);
    constexpr std::int64_t tile = detail::channel_tile();
    for (std::int64_t c0 = from; c0 < to; c0 += tile) {
      const std::int64_t c1 = c0 + tile < to ? c0 + tile : to;
      math_type<T> sums[tile];
      for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] = 0;
      for (std::int64_t p = g.h.first(h); p <= g.h.last(h); ++p) {
        for (std::int64_t q = g.w.first(w); q <= g.w.last(w); ++q) {
          const math_type<T> share = math_type<T>(1) / static_cast<math_type<T>>(g.h.count(p) * g.w.count(q));
          const T* out = dy + ((n * g.h.out + p) * g.w.out + q) * g.c;
          for (std::int64_t c = c0; c < c1; ++c) sums[c - c0] += convert<math_type<T>>(out[c]) * share;
        }
      }
      for (std::int64_t c = c0; c < c1; ++c) dx[pixel * g.c + c] = convert<T>(sums[c - c0]);
    }
  }
};

// --- running ---------------------------------------------------------------------------------------------------------

Tensor nhwc(const Tensor& t) { return t.contiguous(MemoryFormat::channels_last); }

void check_image(const char* op, const Tensor& x) {
  require<ShapeError>(x.dim() == 4, op, ": input ", x.shape(), " is not [N, C, H, W]");
  require<ShapeError>(x.size(2) > 0 && x.size(3) > 0, op, ": input ", x.shape(), " has no pixels");
}

Windows windows(const char* op, std::int64_t in, int kernel, int stride, int padding, const PoolOptions& o) {
  require<ValueError>(kernel > 0 && stride > 0 && padding >= 0 && 2 * padding <= kernel, op, ": kernel ", kernel, ", stride ", stride,
                      ", padding ", padding, "; padding may be at most half the kernel");
  if (o.same) {
    require<ValueError>(padding == 0, op, ": same decides the padding; leave padding at 0");
    const std::int64_t out = (in + stride - 1) / stride;
    return {in, out, kernel, stride, std::max<std::int64_t>(0, (out - 1) * stride + kernel - in) / 2, false, false};
  }
  const std::int64_t room = in + 2 * padding - kernel;
  require<ShapeError>(room > (o.ceil_mode ? -stride : -1), op, ": kernel ", kernel, " is larger than the padded input of ", in);
  std::int64_t out = (room + (o.ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (o.ceil_mode && (out - 1) * stride >= in + padding) --out;
  return {in, out, kernel, stride, padding, false, o.count_include_pad};
}
Geometry geometry(const char* op, const Tensor& x, const PoolOptions& o) {
  check_image(op, x);
  return {x.size(0), x.size(1), windows(op, x.size(2), o.kernel_size.h, o.stride.h, o.padding.h, o),
          windows(op, x.size(3), o.kernel_size.w, o.stride.w, o.padding.w, o)};
}
Tensor result(const Tensor& x, const Geometry& g) {
  return empty({g.n, g.c, g.h.out, g.w.out}, x.dtype(), x.device(), MemoryFormat::channels_last);
}

struct MaxPoolFunction {
  static constexpr auto name = "max_pool2d";
  PoolOptions options;
  Geometry g{};
  mutable Tensor place;  // [N, C, P, Q] uint8
  Attributes attributes() const { return g.attributes(); }

  Tensor allocate(const Tensor& x) const { return result(x, geometry(name, x, options)); }
  void save(const Tensor& x, const Tensor&) { g = geometry(name, x, options); }
  template <class D> void forward(D device, const Tensor& x_any, Tensor& y) const {
    const Geometry z = geometry(name, x_any, options);
    place = empty(y.shape(), DType::uint8, y.device(), MemoryFormat::channels_last);
    const Tensor x = nhwc(x_any);
    dispatch_floating(x.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(device, name, MaxForward<T>{z, x.data<T>(), y.data<T>(), place.data<std::uint8_t>()});
    });
  }
  template <class D> Grads backward(D device, const Tensor& dy_any, Need) const {
    const Tensor dy = nhwc(dy_any);
    Tensor dx = empty({g.n, g.c, g.h.in, g.w.in}, dy.dtype(), dy.device(), MemoryFormat::channels_last);
    dispatch_floating(dy.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(device, name, MaxBackward<T>{g, dy.data<T>(), place.data<std::uint8_t>(), dx.data<T>()});
    });
    return {dx};
  }
};

struct MeanPoolFunction {
  static constexpr auto name = "avg_pool2d";
  Geometry g;
  Attributes attributes() const { return g.attributes(); }
  Tensor allocate(const Tensor& x) const { return result(x, g); }
  void save(const Tensor&, const Tensor&) {}
  template <class D> void forward(D device, const Tensor& x_any, Tensor& y) const {
    const Tensor x = nhwc(x_any);
    dispatch_floating(x.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(device, name, MeanForward<T>{g, x.data<T>(), y.data<T>()});
    });
  }
  template <class D> Grads backward(D device, const Tensor& dy_any, Need) const {
    const Tensor dy = nhwc(dy_any);
    Tensor dx = empty({g.n, g.c, g.h.in, g.w.in}, dy.dtype(), dy.device(), MemoryFormat::channels_last);
    dispatch_floating(dy.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(device, name, MeanBackward<T>{g, dy.data<T>(), dx.data<T>()});
    });
    return {dx};
  }
};

}  // namespace

Tensor max_pool2d(const Tensor& x, const PoolOptions& options) {
  require<ValueError>(options.kernel_size.h * options.kernel_size.w <= 256, "max_pool2d: kernel ", options.kernel_size.h, " x ",
                      options.kernel_size.w, " has more than 256 places; pool in two steps");
  return apply(MaxPoolFunction{options, {}, {}}, x);
}
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options) {
  return apply(MeanPoolFunction{geometry("avg_pool2d", x, options)}, x);
}
Tensor adaptive_avg_pool2d(const Tensor& x, Pair out) {
  check_image("adaptive_avg_pool2d", x);
  require<ValueError>(out.h > 0 && out.w > 0, "adaptive_avg_pool2d: output ", out.h, " x ", out.w, " must be positive");
  return apply(MeanPoolFunction{{x.size(0), x.size(1), {x.size(2), out.h, 0, 0, 0, true, false}, {x.size(3), out.w, 0, 0, 0, true, false}}},
               x);
}
Tensor global_avg_pool2d(const Tensor& x) {
  check_image("global_avg_pool2d", x);
  return mean(x, {2, 3}, true);
}

}  // namespace gadolin
