// Dropout (Srivastava et al. 2014), scaled while training. The mask is a pure function of (seed, stream,
// index), so it is drawn again in backward and costs no memory; index counts elements in row-major order
// whatever their order in memory.
#include <cmath>

#include "tensor/capture_state.h"
#include "tensor/function.h"
#include "tensor/ops.h"
#include "tensor/ops/dropout_group.h"

namespace gadolin {
namespace {

using detail::DropoutMask;
using detail::stays;

constexpr int batch_blocks = 16, batch = 4 * batch_blocks;

// Words of elements 4 * block ... 4 * block + 63. Blocks side by side, so that the compiler computes several
// at once.
void draw_batch(const DropoutMask& mask, std::uint64_t block, std::uint32_t* words) {
  std::uint32_t w[4][batch_blocks];
  for (int b = 0; b < batch_blocks; ++b) {
    const Philox4 four = philox(mask.seed, mask.stream, block + static_cast<std::uint64_t>(b));
    for (int j = 0; j < 4; ++j) w[j][b] = four.v[j];
  }
  for (int b = 0; b < batch_blocks; ++b) {
    for (int j = 0; j < 4; ++j) words[4 * b + j] = w[j][b];
  }
}

// Drops or scales n elements that lie together; a select, so that it runs on vectors.
template <class T>
void apply_words(const std::uint32_t* words, std::uint32_t threshold, math_type<T> scale, const T* x, T* y,
                 std::int64_t n) {
  using M = math_type<T>;
  GADOLIN_IVDEP
  for (std::int64_t i = 0; i < n; ++i) {
    const M scaled = convert<M>(x[i]) * scale;
    y[i] = convert<T>(stays(words[i], threshold) ? scaled : M(0));
  }
}

// Both tensors row major: a flat loop in batches.
template <class T>
void dense_loop(const DropoutMask& mask, math_type<T> scale, const T* x, T* y, std::int64_t numel) {
  parallel_for((numel + batch - 1) / batch, 256, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t words[batch];
    for (std::int64_t k = begin; k < end; ++k) {
      draw_batch(mask, static_cast<std::uint64_t>(k) * batch_blocks, words);
      const std::int64_t first = k * batch, n = numel - first < batch ? numel - first : batch;
      apply_words(words, mask.threshold, scale, x + first, y + first, n);
    }
  });
}

template <class T> void drop(Cpu, const DropoutMask& mask, math_type<T> scale, const Tensor& x, Tensor& y) {
  if (x.is_contiguous() && y.is_contiguous()) {
    dense_loop<T>(mask, scale, x.data<T>(), y.data<T>(), x.numel());
  } else {
    const detail::DropoutLayout layout = detail::dropout_layout(x, y);
    const std::int64_t numel = x.numel(),
                       groups = (numel + detail::dropout_group<T> - 1) / detail::dropout_group<T>;
    parallel_for(groups, detail::map_grain / 8,
                 [&, from = x.data<T>(), to = y.data<T>()](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t g = begin; g < end; ++g)
                     detail::drop_group<T, false>(mask, scale, layout, from, to, numel, g);
                 });
  }
}

#ifdef __CUDACC__
template <class T, bool packed>
__global__ void dropout_kernel(DropoutMask mask, const std::uint64_t* stream_offset, math_type<T> scale,
                               detail::DropoutLayout layout, const T* x, T* y, std::int64_t numel) {
  if (stream_offset) mask.stream += *stream_offset;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const std::int64_t groups = (numel + detail::dropout_group<T> - 1) / detail::dropout_group<T>;
  for (std::int64_t g = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; g < groups;
       g += step) {
    detail::drop_group<T, packed>(mask, scale, layout, x, y, numel, g);
  }
}

template <class T> void drop(Cuda, const DropoutMask& mask, math_type<T> scale, const Tensor& x, Tensor& y) {
  const auto aligned = [](const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw()) % 16 == 0; };
  const bool packed = x.is_contiguous() && y.is_contiguous() && aligned(x) && aligned(y);
  const auto kernel = packed ? dropout_kernel<T, true> : dropout_kernel<T, false>;
  launch("dropout", grid_stride(x.numel() / detail::dropout_group<T> + 1), kernel, mask,
         capture_random_offset(), scale, detail::dropout_layout(x, y), x.data<T>(), y.data<T>(), x.numel());
}
#endif

// dx is the same mask and scale applied to dy, so backward is this op again, with the numbers drawn then.
struct DropoutFunction {
  static constexpr auto name = "dropout";
  double p;
  std::uint64_t seed, stream;
  Tensor allocate(const Tensor& x) const { return empty_like(x); }
  template <class D> void forward(D device, const Tensor& x, Tensor& y) const {
    dispatch_floating(x.dtype(), name, [&]<class T>(Tag<T>) {
      if (x.numel() == 0) return;
      const DropoutMask mask{seed, stream, static_cast<std::uint32_t>(std::ceil(p * 0x1p24))};
      drop<T>(device, mask, static_cast<math_type<T>>(1 / (1 - p)), x, y);
    });
  }
  Grads backward(const Tensor& dy, Need) const { return {apply(DropoutFunction{p, seed, stream}, dy)}; }
};

}  // namespace

Tensor dropout(const Tensor& x, double p) {
  require<ValueError>(p >= 0 && p < 1, "dropout: p ", p, " is outside [0, 1)");
  require_floating("dropout", x.dtype());
  if (p == 0) return x;
  GeneratorState& generator = default_generator();
  return apply(DropoutFunction{p, generator.seed, generator.calls++}, x);
}

}  // namespace gadolin
