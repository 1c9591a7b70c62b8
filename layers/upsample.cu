// Resampling on channels-last images: tapes and launches; upsample_bodies.h computes.
#include "layers/upsample.h"

#include "layers/upsample_bodies.h"
#include "tensor/function.h"

namespace gadolin {
namespace {

using detail::Axis;

Axis axis(std::int64_t in, std::int64_t out, const UpsampleOptions& options) {
  if (options.mode == Interpolation::nearest) return {in, out, in, 0, out, false};
  if (!options.align_corners) return {in, out, 2 * in, in - out, 2 * out, true};
  return out == 1 ? Axis{in, out, in, 0, 1, true} : Axis{in, out, in - 1, 0, out - 1, true};
}
struct UpsampleFunction {
  static constexpr auto name = "upsample";
  detail::Grid g;
  Attributes attributes() const {  // a, b, den of struct Axis
    using List = std::vector<std::int64_t>;
    return {{"rows", List{g.h.a, g.h.b, g.h.den}},
            {"columns", List{g.w.a, g.w.b, g.w.den}},
            {"blends", g.h.blends}};
  }
  Tensor allocate(const Tensor& x) const {
    return empty({g.n, g.c, g.h.out, g.w.out}, x.dtype(), x.device(), MemoryFormat::channels_last);
  }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    run<detail::ResampleForward>(device, x, y);
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need) const {
    const Tensor dx = empty({g.n, g.c, g.h.in, g.w.in}, dy.dtype(), dy.device(), MemoryFormat::channels_last);
    run<detail::ResampleBackward>(device, dy, dx);
    return {dx};
  }
  template <template <class> class Body, class D>
  void run(D device, const Tensor& from, const Tensor& to) const {
    const Tensor in = from.contiguous(MemoryFormat::channels_last);
    dispatch_floating(in.dtype(), name, [&]<class T>(Tag<T>) {
      detail::for_pixels(device, name, Body<T>{g, in.data<T>(), to.data<T>()});
    });
  }
};

}  // namespace

Tensor upsample(const Tensor& x, Pair size, const UpsampleOptions& options) {
  require<ShapeError>(x.dim() == 4, "upsample: input ", x.shape(), " is not [N, C, H, W]");
  require<ShapeError>(x.size(2) > 0 && x.size(3) > 0, "upsample: input ", x.shape(), " has no pixels");
  require<ValueError>(size.h > 0 && size.w > 0, "upsample: output ", size.h, " x ", size.w,
                      " must be positive");
  return apply(UpsampleFunction{{x.size(0), x.size(1), axis(x.size(2), size.h, options),
                                 axis(x.size(3), size.w, options)}},
               x);
}

Tensor Upsample::forward(const Tensor& x) {
  require<ShapeError>(x.dim() == 4, "upsample: input ", x.shape(), " is not [N, C, H, W]");
  return upsample(x, {static_cast<int>(x.size(2)) * scale_.h, static_cast<int>(x.size(3)) * scale_.w},
                  options_);
}

}  // namespace gadolin
