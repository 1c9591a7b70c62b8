// Pooling on channels-last images: windows, tapes and launches; pool_bodies.h computes.
#include "layers/pool.h"

#include "layers/pool_bodies.h"
#include "layers/upsample.h"
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
    dispatch_floating(in.dtype(), name, [&]<class T>(Tag<T>) {
      detail::for_pixels(
          device, name,
          Body<T, largest>{g, in.data<T>(), to.data<T>(), largest ? places.data<std::uint8_t>() : nullptr});
    });
  }
};

// --- mean of whole images ----------------------------------------------------------------------------------

#ifdef __CUDACC__
// A block a slab of blockDim.x packs of one image; its rows share the pixels.
template <int V, class T>
__global__ void image_mean_kernel(detail::ImageSums<T> body, std::int64_t slabs, T* y) {
  __shared__ double shared[V][256];
  const std::int64_t n = blockIdx.x / slabs, c0 = ((blockIdx.x - n * slabs) * blockDim.x + threadIdx.x) * V;
  const int lane = static_cast<int>(threadIdx.y), lanes = static_cast<int>(blockDim.y);
  const int thread = static_cast<int>(lane * blockDim.x + threadIdx.x);
  double sums[V] = {};
  if (c0 < body.channels) body.template add<V>(n, c0, lane, lanes, sums);
  for (int j = 0; j < V; ++j) shared[j][thread] = sums[j];
  for (int half = lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane >= half) continue;
    for (int j = 0; j < V; ++j) shared[j][thread] += shared[j][thread + half * static_cast<int>(blockDim.x)];
  }
  if (lane > 0 || c0 >= body.channels) return;
  const double share = 1 / static_cast<double>(body.pixels);
  detail::put<V>(y + n * body.channels + c0, V, [&](int j) { return shared[j][thread] * share; });
}
#endif

// Of channels-last images whose pixels are whole packs; on the tape it is mean().
struct GlobalMeanFunction {
  static constexpr auto name = "mean";
  std::int64_t h, w;
  double scale() const { return 1 / static_cast<double>(h * w); }
  Attributes attributes() const { return {{"dims", std::vector<std::int64_t>{2, 3}}, {"scale", scale()}}; }
  Shape shape(const Tensor& x) const { return {x.size(0), x.size(1), 1, 1}; }
  void forward(Cpu, const Tensor& x, Tensor& y) const { y.copy_(mean(x, {2, 3}, true)); }
#ifdef __CUDACC__
  void forward(Cuda, const Tensor& x, Tensor& y) const {
    if (y.numel() == 0) return;
    dispatch_floating(x.dtype(), name, [&]<class T>(Tag<T>) {
      constexpr int V = 16 / sizeof(T);
      const std::int64_t packs = x.size(1) / V;
      unsigned width = 1;
      while (width < 32 && width < packs) width *= 2;
      const std::int64_t slabs = (packs + width - 1) / width;
      launch(name, {dim3(static_cast<unsigned>(x.size(0) * slabs)), dim3(width, 256 / width)},
             image_mean_kernel<V, T>, detail::ImageSums<T>{h * w, x.size(1), x.data<T>()}, slabs,
             y.data<T>());
    });
  }
#endif
  Grads backward(const Tensor& dy, Need) const {
    return {upsample(mul(dy, scale()), {static_cast<int>(h), static_cast<int>(w)})};
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
  const int pack = static_cast<int>(16 / size_of(x.dtype()));
  const bool packs =
      x.is_contiguous(MemoryFormat::channels_last) && detail::packs_fit(x.size(1), pack, x.raw(), nullptr);
  return packs ? apply(GlobalMeanFunction{x.size(2), x.size(3)}, x) : mean(x, {2, 3}, true);
}

}  // namespace gadolin
