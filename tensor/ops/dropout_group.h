// Dropout's numbers and the part of one thread on CUDA; host code as well, so that tests walk it without a
// device.
#pragma once

#include "tensor/ops/index_loop.h"
#include "tensor/random.h"

namespace gadolin::detail {

// One drawn number in 2^-24: an element stays when its 24 random bits are not below `threshold`.
struct DropoutMask {
  std::uint64_t seed, stream;
  std::uint32_t threshold;
};
GADOLIN_HD bool stays(std::uint32_t word, std::uint32_t threshold) { return (word >> 8) >= threshold; }

// Where the elements of x and y lie, by their place in row-major order.
using DropoutLayout = Walk<2>;
inline DropoutLayout dropout_layout(const Tensor& x, const Tensor& y) {
  return make_walk<2>(x.shape(), {x.strides(), y.strides()});
}

// Elements of a thread: 16 bytes, and whole Philox blocks of four.
template <class T> inline constexpr int dropout_group = sizeof(T) == 2 ? 8 : 4;
template <class T> struct alignas(16) DropoutPack { T v[dropout_group<T>]; };

// Group g: elements dropout_group<T> g and on, in row-major order. Packed: both tensors are row major and
// aligned.
template <class T, bool packed>
GADOLIN_HD void drop_group(const DropoutMask& mask, math_type<T> scale, const DropoutLayout& layout,
                           const T* x, T* y, std::int64_t numel, std::int64_t g) {
  using M = math_type<T>;
  constexpr int items = dropout_group<T>;
  std::uint32_t words[items];
  for (int b = 0; b < items / 4; ++b) {
    const Philox4 four = philox(mask.seed, mask.stream, static_cast<std::uint64_t>(g * (items / 4) + b));
    for (int j = 0; j < 4; ++j) words[4 * b + j] = four.v[j];
  }
  if (packed && items * (g + 1) <= numel) {
    DropoutPack<T> v = reinterpret_cast<const DropoutPack<T>*>(x)[g];
    for (int j = 0; j < items; ++j)
      v.v[j] = convert<T>(stays(words[j], mask.threshold) ? convert<M>(v.v[j]) * scale : M(0));
    reinterpret_cast<DropoutPack<T>*>(y)[g] = v;
    return;
  }
  const int last = layout.dim - 1;
  std::int64_t at[2] = {}, left = 0;  // in x and y, and of the row along the last dimension
  for (std::int64_t i = items * g; i < items * (g + 1) && i < numel; ++i) {
    if (left == 0) {
      layout.at(i, at);
      left = last < 0 ? 1 : layout.sizes[last] - i % layout.sizes[last];
    }
    y[at[1]] = convert<T>(stays(words[i - items * g], mask.threshold) ? convert<M>(x[at[0]]) * scale : M(0));
    for (int k = 0; k < 2; ++k) at[k] += last < 0 ? 0 : layout.strides[k][last];
    --left;
  }
}

}  // namespace gadolin::detail
