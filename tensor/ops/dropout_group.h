// Dropout's numbers and the part of one thread on CUDA; host code as well, so that tests walk it without a
// device.
#pragma once

#include "tensor/loops.h"
#include "tensor/random.h"

namespace gadolin::detail {

// One drawn number in 2^-24: an element stays when its 24 random bits are not below `threshold`.
struct DropoutMask {
  std::uint64_t seed, stream;
  std::uint32_t threshold;
};
GADOLIN_HD bool stays(std::uint32_t word, std::uint32_t threshold) { return (word >> 8) >= threshold; }

// Row-major sizes with the strides of both tensors, which have a dimension.
struct DropoutLayout {
  int dim;
  std::int64_t sizes[Shape::max_dim], x[Shape::max_dim], y[Shape::max_dim];
  DropoutLayout(const Tensor& from, const Tensor& to) : dim(from.dim()) {
    for (int d = 0; d < dim; ++d) {
      sizes[d] = from.size(d);
      x[d] = from.stride(d);
      y[d] = to.stride(d);
    }
  }
};

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
  std::int64_t at_x = 0, at_y = 0, left = 0;  // of the row along the last dimension
  for (std::int64_t i = items * g; i < items * (g + 1) && i < numel; ++i) {
    if (left == 0) {
      at_x = at_y = 0;
      left = layout.sizes[last] - i % layout.sizes[last];
      std::int64_t rest = i;
      for (int d = last; d >= 0; --d) {
        const std::int64_t c = rest % layout.sizes[d];
        rest /= layout.sizes[d];
        at_x += c * layout.x[d];
        at_y += c * layout.y[d];
      }
    }
    y[at_y] = convert<T>(stays(words[i - items * g], mask.threshold) ? convert<M>(x[at_x]) * scale : M(0));
    at_x += layout.x[last];
    at_y += layout.y[last];
    --left;
  }
}

}  // namespace gadolin::detail
