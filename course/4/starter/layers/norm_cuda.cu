// Batch normalisation on the GPU, forward: a matrix of rows of channels. A thread owns V neighbouring
// channels of some rows, a block a slab of channels of a share of the rows. Sums go thread, block, grid in a
// fixed order: no float is ever added atomically, and the number of blocks depends on the shape alone.
#ifdef GADOLIN_CUDA
#include "course/todo.h"
#include "layers/norm_function.h"
#include "layers/norm_sums.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin::detail {
#ifdef __CUDACC__
namespace {

template <class T> struct Statistics {
  using P = math_type<T>;
  static constexpr int sums = 2;
  Rows<const T> x;
  std::int64_t rows;
  UseStatistics<P> use;
  P *batch_mean = nullptr, *batch_variance = nullptr;  // written instead of used when they are there

  template <class A> __device__ Channels<P, A::V> constants(std::int64_t c, std::int64_t left) const {
    Channels<P, A::V> shift{};
#pragma unroll
    for (int i = 0; i < shift_rows; ++i) {
      const auto in = load<A>(x.at(shift_row(rows, i)) + c, left);
#pragma unroll
      for (int j = 0; j < A::V; ++j)
        shift.v[j] += convert<P>(in.v[j]) * P(1.0 / shift_rows);  // exact: a power of two
    }
    return shift;
  }
  template <class A>
  __device__ void step(const Channels<P, A::V>& shift, std::int64_t row, std::int64_t c, std::int64_t left,
                       P (&s)[sums][A::V]) const {
    // 4.5: Statistics::step is not written yet
  }
  __device__ void finish(std::int64_t c, const double (&s)[sums]) const {
    // 4.5: Statistics::finish is not written yet
  }
};

template <class P> __global__ void use_statistics_kernel(std::int64_t channels, UseStatistics<P> use) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c < channels) use(c);
}

// A thread owns V channels of every step-th row, some rows in flight, from the last row to the first: what
// the statistics have read last is still in the cache. y = relu(norm(x) + addend).
template <class A, bool relu, Addend addend, bool bits, class T, class P>
__global__ void __launch_bounds__(block_threads)
    forward_kernel(std::int64_t rows, std::int64_t channels, Rows<const T> x, Rows<const T> other, Rows<T> y,
                   MaskRows mask, NormLine<P> first, NormLine<P> second) {
  const std::int64_t c0 = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * A::V,
                     left = channels - c0;
  if (left <= 0) return;
  const Affine<A, P> a(first, c0, left), b(second, c0, left);
      // 4.5: forward_kernel is not written yet
    }

}  // namespace

void batch_statistics(Cuda, const Tensor& rows, const ChannelStatistics& into) {
  const NormSizes size = norm_sizes(rows);
  dispatch_floating(rows.dtype(), "batch statistics", [&]<class T>(Tag<T>) {
    using P = math_type<T>;
    const Rows<const T> x(rows);
    const Statistics<T> body{x, size.rows, UseStatistics<P>(size), into.mean.data<P>(),
                             into.variance.data<P>()};
    by_width<T, false>(size, {x}, [&](auto access) {
      sum_rows<decltype(access)>("batch statistics", body, size, into.mean);
    });
  });
}

void NormPart::statistics(Cuda, const Tensor& in) const {
  constexpr auto name = "batch_norm";
  const NormSizes size = norm_sizes(in);
  dispatch_floating(in.dtype(), name, [&]<class T>(Tag<T>) {
    using P = math_type<T>;
    const ChannelStatistics batch = batch_of(in, false);
    const UseStatistics<P> use(*this, batch, size);
    if (options.training && !use.batch_mean) {
      const Rows<const T> matrix(in);
      by_width<T, false>(size, {matrix}, [&](auto access) {
        sum_rows<decltype(access)>(name, Statistics<T>{matrix, size.rows, use}, size, mean);
      });
    } else {
      launch(name, grid_stride(size.channels), use_statistics_kernel<P>, size.channels, use);
    }
    if (!options.training) return;
    running_mean.storage().bump_version();
    running_var.storage().bump_version();
  });
}

void norm_forward(Cuda, const NormPass& pass) {
  const NormSizes size = norm_sizes(pass.x);
  dispatch_floating(pass.x.dtype(), "batch_norm", [&]<class T>(Tag<T>) {
    using P = math_type<T>;
    const Rows<const T> x(pass.x), other(pass.other);
    by_forward(pass, [&]<bool relu, Addend addend, bool bits>() {
      by_width<T, bits>(size, {x, other, Rows<const T>(pass.y)}, [&](auto access) {
        using A = decltype(access);
        launch("batch_norm", matrix_launch(size, A::V, 4, 1056), forward_kernel<A, relu, addend, bits, T, P>,
               size.rows, size.channels, x, other, Rows<T>(pass.y), MaskRows(pass.mask),
               NormLine<P>(pass.first, size), NormLine<P>(pass.second, size));
      });
    });
  });
}

#endif
}  // namespace gadolin::detail
#endif
