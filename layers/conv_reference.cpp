// The reference convolution: patches become columns, the rest is a matrix product. Row-major, any floating
// type.
#include <vector>

#include "layers/conv_function.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/parallel.h"

namespace gadolin::detail {
namespace {

// One image's channels of one group [C/g, H, W] <-> columns [C/g R S, P Q].
template <class T> struct Columns {
  const ConvSizes& z;
  std::int64_t channels = z.c / z.groups, rows = channels * z.r * z.s, size = z.p * z.q;

  // Calls f(column element, image element) for every place of a patch that lies inside the image; g for those
  // outside.
  template <class In, class Out> void walk(std::int64_t row, In&& inside, Out&& outside) const {
    const std::int64_t c = row / (z.r * z.s), r = row / z.s % z.r, s = row % z.s;
    for (std::int64_t p = 0; p < z.p; ++p) {
      const std::int64_t y = p * z.options.stride.h - z.before.h + r * z.options.dilation.h;
      for (std::int64_t q = 0; q < z.q; ++q) {
        const std::int64_t x = q * z.options.stride.w - z.before.w + s * z.options.dilation.w;
        const std::int64_t at = row * size + p * z.q + q;
        if (y >= 0 && y < z.h && x >= 0 && x < z.w) {
          inside(at, (c * z.h + y) * z.w + x);
        } else {
          outside(at);
        }
      }
    }
  }
  void gather(const T* image, T* columns) const {
    parallel_for(rows, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        walk(
            row, [&](std::int64_t to, std::int64_t from) { columns[to] = image[from]; },
            [&](std::int64_t to) { columns[to] = convert<T>(0.0f); });
      }
    });
  }
  // Adds columns back to the image; a channel's rows touch that channel only.
  void scatter(const T* columns, math_type<T>* image) const {
    parallel_for(channels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin * z.r * z.s; row < end * z.r * z.s; ++row) {
        walk(
            row,
            [&](std::int64_t from, std::int64_t to) { image[to] += convert<math_type<T>>(columns[from]); },
            [](std::int64_t) {});
      }
    });
  }
};

template <class F> void by_type(const Tensor& x, F&& f) { dispatch_floating(x.dtype(), "conv2d", f); }

// Copies a row-major result into a tensor of any order.
Tensor in_order_of(const Tensor& like, const Tensor& result) {
  if (like.strides() == result.strides()) return result;
  Tensor y = empty_like(like);
  y.copy_(result);
  return y;
}

}  // namespace

void conv_forward_reference(const ConvSizes& z, const Tensor& x_any, const Tensor& weight_any, Tensor& y) {
  const Tensor x = x_any.contiguous(), weight = weight_any.contiguous();
  Tensor out = empty(y.shape(), y.dtype());
  by_type(x, [&]<class T>(Tag<T>) {
    const Columns<T> columns{z};
    std::vector<T> buffer(static_cast<std::size_t>(columns.rows * columns.size));
    const std::int64_t k = z.k / z.groups;
    for (std::int64_t n = 0; n < z.n; ++n) {
      for (std::int64_t g = 0; g < z.groups; ++g) {
        columns.gather(x.data<T>() + (n * z.c + g * columns.channels) * z.h * z.w, buffer.data());
        gemm_reference<T>({k, columns.size, columns.rows, 1, {false, columns.rows}, {false, columns.size}},
                          weight.data<T>() + g * k * columns.rows, buffer.data(),
                          out.data<T>() + (n * z.k + g * k) * columns.size);
      }
    }
  });
  y.copy_(out);
}

Tensor conv_data_gradient_reference(const ConvSizes& z, const Tensor& dy_any, const Tensor& weight_any,
                                    const Tensor& x) {
  const Tensor dy = dy_any.contiguous(), weight = weight_any.contiguous();
  Tensor dx = empty(x.shape(), x.dtype());
  by_type(x, [&]<class T>(Tag<T>) {
    using M = math_type<T>;
    const Columns<T> columns{z};
    std::vector<T> buffer(static_cast<std::size_t>(columns.rows * columns.size));
    const std::int64_t k = z.k / z.groups, image = columns.channels * z.h * z.w;
    std::vector<M> sums(static_cast<std::size_t>(image));
    for (std::int64_t n = 0; n < z.n; ++n) {
      for (std::int64_t g = 0; g < z.groups; ++g) {
        gemm_reference<T>({columns.rows, columns.size, k, 1, {true, columns.rows}, {false, columns.size}},
                          weight.data<T>() + g * k * columns.rows,
                          dy.data<T>() + (n * z.k + g * k) * columns.size, buffer.data());
        std::fill(sums.begin(), sums.end(), M(0));
        columns.scatter(buffer.data(), sums.data());
        T* to = dx.data<T>() + (n * z.groups + g) * image;
        for (std::int64_t i = 0; i < image; ++i) to[i] = convert<T>(sums[static_cast<std::size_t>(i)]);
      }
    }
  });
  return in_order_of(x, dx);
}

Tensor conv_filter_gradient_reference(const ConvSizes& z, const Tensor& dy_any, const Tensor& x_any,
                                      const Tensor& weight) {
  const Tensor dy = dy_any.contiguous(), x = x_any.contiguous();
  Tensor dw = empty(weight.shape(), weight.dtype());
  by_type(x, [&]<class T>(Tag<T>) {
    using M = math_type<T>;
    const Columns<T> columns{z};
    std::vector<T> buffer(static_cast<std::size_t>(columns.rows * columns.size));
    const std::int64_t k = z.k / z.groups, filters = k * columns.rows;
    std::vector<T> product(static_cast<std::size_t>(filters));
    std::vector<M> sums(static_cast<std::size_t>(z.groups * filters), M(0));
    for (std::int64_t n = 0; n < z.n; ++n) {  // images in order: the sum does not depend on threads
      for (std::int64_t g = 0; g < z.groups; ++g) {
        columns.gather(x.data<T>() + (n * z.c + g * columns.channels) * z.h * z.w, buffer.data());
        gemm_reference<T>({k, columns.rows, columns.size, 1, {false, columns.size}, {true, columns.size}},
                          dy.data<T>() + (n * z.k + g * k) * columns.size, buffer.data(), product.data());
        M* to = sums.data() + g * filters;
        for (std::int64_t i = 0; i < filters; ++i) to[i] += convert<M>(product[static_cast<std::size_t>(i)]);
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) dw.data<T>()[i] = convert<T>(sums[i]);
  });
  return in_order_of(weight, dw);
}

}  // namespace gadolin::detail
