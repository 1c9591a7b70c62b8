// The reference convolution: patches become columns, the rest is a matrix product. Row-major, any floating
// type.
#include "course/todo.h"
#include "layers/conv_function.h"
#include "tensor/cpu/parallel.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {
namespace {

// One image [C, H, W] <-> columns [groups, C / groups R S, P Q].
struct Columns {
  const ConvSizes& z;
  std::int64_t size = z.p * z.q;

  // Calls f(column element, image element or -1 outside the image) for all places of the patches of channels
  // [begin, end).
  template <class F> void walk(std::int64_t begin, std::int64_t end, F&& f) const {
    course::todo("3.2b", "Columns::walk");
  }
  Tensor gathered(const Tensor& image_any) const {
    const Tensor image = image_any.contiguous(),
                 columns = empty({z.groups, z.c / z.groups * z.r * z.s, size}, image.dtype());
    dispatch_floating(image.dtype(), "conv2d", [&]<class T>(Tag<T>) {
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
    course::todo("3.2c", "Columns::scattered");
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
  course::todo("3.2c", "conv_data_gradient_reference");
}

Tensor conv_filter_gradient_reference(const ConvSizes& z, const Tensor& dy, const Tensor& x,
                                      const Tensor& weight) {
  const NoGrad guard;
  const Columns columns{z};
  course::todo("3.2d", "conv_filter_gradient_reference");
}

}  // namespace gadolin::detail
