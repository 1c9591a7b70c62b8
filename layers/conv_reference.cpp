// The reference convolution: patches become columns, the rest is a matrix product. Row-major, any floating
// type.
#include "layers/conv_function.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::detail {
namespace {

// One image [C, H, W] <-> columns [groups, C / groups R S, P Q].
struct Columns {
  const ConvSizes& z;
  std::int64_t size = z.p * z.q;

  // Calls f(column element, image element or -1 outside the image) for all places of the patches of channels
  // [begin, end).
  template <class F> void walk(std::int64_t begin, std::int64_t end, F&& f) const {
    for (std::int64_t row = begin * z.r * z.s; row < end * z.r * z.s; ++row) {
      const std::int64_t c = row / (z.r * z.s), r = row / z.s % z.r, s = row % z.s;
      for (std::int64_t p = 0; p < z.p; ++p) {
        const std::int64_t y = p * z.options.stride.h - z.before.h + r * z.options.dilation.h;
        for (std::int64_t q = 0; q < z.q; ++q) {
          const std::int64_t x = q * z.options.stride.w - z.before.w + s * z.options.dilation.w;
          const bool inside = y >= 0 && y < z.h && x >= 0 && x < z.w;
          f(row * size + p * z.q + q, inside ? (c * z.h + y) * z.w + x : -1);
        }
      }
    }
  }
  Tensor gathered(const Tensor& image_any) const {
    const Tensor image = image_any.contiguous(),
                 columns = empty({z.groups, z.c / z.groups * z.r * z.s, size}, image.dtype());
    dispatch_floating(image.dtype(), "conv2d", [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = image.data<T>();
      T* to = columns.data<T>();
      parallel_for(z.c, 1, [&](std::int64_t begin, std::int64_t end) {
        walk(begin, end,
             [&](std::int64_t at, std::int64_t i) { to[at] = i < 0 ? convert<T>(0.0f) : from[i]; });
      });
    });
    return columns;
  }
  // Columns added up to an image; a channel's rows touch that channel only.
  Tensor scattered(const Tensor& columns) const {
    const Tensor image = zeros({z.c, z.h, z.w}, wide_type(columns.dtype()));
    dispatch_floating(columns.dtype(), "conv2d", [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = columns.data<T>();
      math_type<T>* to = image.data<math_type<T>>();
      parallel_for(z.c, 1, [&](std::int64_t begin, std::int64_t end) {
        walk(begin, end, [&](std::int64_t at, std::int64_t i) {
          if (i >= 0) to[i] += convert<math_type<T>>(from[at]);
        });
      });
    });
    return image;
  }
  static DType wide_type(DType dtype) { return dtype == DType::fp64 ? dtype : DType::fp32; }
  // [K, ...] as a matrix a group.
  Tensor matrices(const Tensor& t) const {
    return t.reshape({z.groups, z.k / z.groups, t.numel() / std::max<std::int64_t>(1, z.k)});
  }
};

}  // namespace

void conv_forward_reference(const ConvSizes& z, const Tensor& x, const Tensor& weight, Tensor& y) {
  const NoGrad guard;
  const Columns columns{z};
  const Tensor filters = columns.matrices(weight);
  for (std::int64_t n = 0; n < z.n; ++n)
    y.select(0, n).copy_(matmul(filters, columns.gathered(x.select(0, n))).reshape({z.k, z.p, z.q}));
}

Tensor conv_data_gradient_reference(const ConvSizes& z, const Tensor& dy, const Tensor& weight,
                                    const Tensor& x) {
  const NoGrad guard;
  const Columns columns{z};
  const Tensor filters = columns.matrices(weight).transpose(1, 2), dx = empty_like(x);
  for (std::int64_t n = 0; n < z.n; ++n)
    dx.select(0, n).copy_(columns.scattered(matmul(filters, columns.matrices(dy.select(0, n)))));
  return dx;
}

Tensor conv_filter_gradient_reference(const ConvSizes& z, const Tensor& dy, const Tensor& x,
                                      const Tensor& weight) {
  const NoGrad guard;
  const Columns columns{z};
  Tensor sums = zeros(columns.matrices(weight).shape(), Columns::wide_type(x.dtype()));
  for (std::int64_t n = 0; n < z.n; ++n) {  // images in order: the sum does not depend on threads
    const Tensor transposed = columns.gathered(x.select(0, n)).transpose(1, 2);
    sums.add_(matmul(columns.matrices(dy.select(0, n)), transposed).to(sums.dtype()));
  }
  Tensor dw = empty_like(weight);
  dw.copy_(sums.reshape(weight.shape()));
  return dw;
}

}  // namespace gadolin::detail
