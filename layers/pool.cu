// Pooling on channels-last images: windows, tapes and launches; pool_bodies.h computes.
#include "layers/pool.h"

#include "layers/pool_bodies.h"
#include "tensor/function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

using detail::Geometry;
using detail::Windows;

void check_image(const char* op, const Tensor& x) {
  require<ShapeError>(x.dim() == 4, op, ": input ", x.shape(), " is not [N, C, H, W]");
  require<ShapeError>(x.size(2) > 0 && x.size(3) > 0, op, ": input ", x.shape(), " has no pixels");
  require<ShapeError>((x.size(2) | x.size(3)) >> 30 == 0, op, ": input ", x.shape(),
                      " has 2^30 pixels or more on a side; cut it");
}

Windows windows(const char* op, std::int64_t side, int kernel, int stride, int padding,
                const PoolOptions& o) {
  require<ValueError>(kernel > 0 && stride > 0 && padding >= 0 && 2 * padding <= kernel, op, ": kernel ",
                      kernel, ", stride ", stride, ", padding ", padding,
                      "; padding may be at most half the kernel");
  const int in = static_cast<int>(side);
  if (o.same) {
    require<ValueError>(padding == 0, op, ": same decides the padding; leave padding at 0");
    const int out = (in - 1) / stride + 1;
    return {in, out, kernel, stride, std::max(0, (out - 1) * stride + kernel - in) / 2, false, false};
  }
  const int room = in + 2 * padding - kernel;
  require<ShapeError>(room > (o.ceil_mode ? -stride : -1), op, ": kernel ", kernel,
                      " is larger than the padded input of ", in);
  int out = (room + (o.ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (o.ceil_mode && (out - 1) * stride >= in + padding) --out;
  return {in, out, kernel, stride, padding, false, o.count_include_pad};
}
Geometry geometry(const char* op, const Tensor& x, const PoolOptions& o) {
  check_image(op, x);
  return {x.size(0), x.size(1), windows(op, x.size(2), o.kernel_size.h, o.stride.h, o.padding.h, o),
          windows(op, x.size(3), o.kernel_size.w, o.stride.w, o.padding.w, o)};
}
Tensor images(const Geometry& g, std::int64_t h, std::int64_t w, const Tensor& like) {
  return empty({g.n, g.c, h, w}, like.dtype(), like.device(), MemoryFormat::channels_last);
}

template <bool largest> struct PoolFunction {
  static constexpr auto name = largest ? "max_pool2d" : "avg_pool2d";
  Geometry g;
  mutable Tensor places = {};      // [N, C, P, Q] uint8
  Attributes attributes() const {  // padding: above and left only; windows may reach over the other edges
    using List = std::vector<std::int64_t>;
    return {{"kernel", List{g.h.kernel, g.w.kernel}},
            {"stride", List{g.h.stride, g.w.stride}},
            {"padding", List{g.h.padding, g.w.padding}},
            {"adaptive", g.h.adaptive},
            {"include_padding", g.h.include_padding}};
  }
  Tensor allocate(const Tensor& x) const { return images(g, g.h.out, g.w.out, x); }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    if (largest) places = empty(y.shape(), DType::uint8, y.device(), MemoryFormat::channels_last);
    run<detail::PoolForward>(device, x, y);
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor dx = images(g, g.h.in, g.w.in, dy);
    run<detail::PoolBackward>(device, dy, dx);
    return {dx};
  }
  template <template <class, bool> class Body, class D>
  void run(D device, const Tensor& from, const Tensor& to) const {
    const Tensor in = from.contiguous(MemoryFormat::channels_last);
    dispatch_floating(in.dtype(), name, [&](auto tag) {
      using T = typename decltype(tag)::type;
      detail::for_pixels(
          device, name,
          Body<T, largest>{g, in.data<T>(), to.data<T>(), largest ? places.data<std::uint8_t>() : nullptr});
    });
  }
};

}  // namespace

Tensor max_pool2d(const Tensor& x, const PoolOptions& options) {
  require<ValueError>(options.kernel_size.h * options.kernel_size.w <= 256, "max_pool2d: kernel ",
                      options.kernel_size.h, " x ", options.kernel_size.w,
                      " has more than 256 places; pool in two steps");
  return apply(PoolFunction<true>{geometry("max_pool2d", x, options)}, x);
}
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options) {
  return apply(PoolFunction<false>{geometry("avg_pool2d", x, options)}, x);
}
Tensor adaptive_avg_pool2d(const Tensor& x, Pair out) {
  check_image("adaptive_avg_pool2d", x);
  require<ValueError>(out.h > 0 && out.w > 0, "adaptive_avg_pool2d: output ", out.h, " x ", out.w,
                      " must be positive");
  const int h = static_cast<int>(x.size(2)), w = static_cast<int>(x.size(3));
  return apply(
      PoolFunction<false>{
          {x.size(0), x.size(1), {h, out.h, 0, 0, 0, true, false}, {w, out.w, 0, 0, 0, true, false}}},
      x);
}
Tensor global_avg_pool2d(const Tensor& x) {
  check_image("global_avg_pool2d", x);
  return mean(x, {2, 3}, true);
}

}  // namespace gadolin
