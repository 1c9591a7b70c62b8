// In which type tensors of different types, or a tensor and a number, meet. The rules are PyTorch's, but for
// two different floating types, which stay as they are for the op to refuse: copying a whole tensor in
// silence would hide what is mostly a mistake. For files in tensor/ops.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "tensor/autograd.h"

namespace gadolin::detail {

// A floating type among integers decides; of integers the wider one; bool is the narrowest.
constexpr DType common_type(DType a, DType b) { return std::min(a, b); }  // DType has this order

struct Two {
  Tensor a, b;
};
inline Two together(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined() || a.dtype() == b.dtype()) return {a, b};
  if (is_floating(a.dtype()) && is_floating(b.dtype())) return {a, b};
  const DType common = common_type(a.dtype(), b.dtype());
  return {a.to(common), b.to(common)};
}

// x with what lets it be divided: integers as fp32.
inline Tensor as_floating(const Tensor& x) { return is_floating(x.dtype()) ? x : x.to(DType::fp32); }
// Integers and bools as int64: what is computed with integers of fewer bits is computed so, which saves
// kernels.
inline Tensor as_int64(const Tensor& x) { return is_floating(x.dtype()) ? x : x.to(DType::int64); }
inline bool is_narrow(DType dtype) { return dtype == DType::int32 || dtype == DType::uint8; }

// Whether the type can hold the number: a float holds (and rounds) any, an integer what is whole and in its
// range.
inline bool holds(DType dtype, double number) {
  if (is_floating(dtype) || dtype == DType::boolean) return true;
  const bool is_signed = dtype != DType::uint8;
  const double end = std::ldexp(1.0, static_cast<int>(8 * size_of(dtype)) - (is_signed ? 1 : 0));
  return number == std::trunc(number) && number >= (is_signed ? -end : 0) && number < end;
}

// x in the type in which it meets the number: integers become fp32 for a fraction, infinity or NaN, and bools
// int64 for a whole number. Throws ValueError for a whole number beyond an integer type.
inline Tensor meeting(const char* op, const Tensor& x, double number) {
  if (!x.defined() || is_floating(x.dtype())) return x;
  if (number != std::trunc(number) || std::isinf(number)) return x.to(DType::fp32);
  if (x.dtype() == DType::boolean) return meeting(op, x.to(DType::int64), number);
  require<ValueError>(holds(x.dtype(), number), op, ": the number ", number, " is outside ", x.dtype(),
                      "; convert the tensor with .to(DType::fp64)");
  return x;
}

// Uninitialised, of the shape that the inputs broadcast to, in the order of the first one that has it
// already.
inline Tensor empty_broadcast(const char* op, DType dtype, std::initializer_list<const Tensor*> inputs) {
  Shape shape;
  for (const Tensor* t : inputs) shape = broadcast(op, shape, t->shape());
  for (const Tensor* t : inputs) {
    if (t->shape() == shape) return empty_like(*t, dtype);
  }
  return empty(shape, dtype, (*inputs.begin())->device());
}

// For what moves elements and does not compute: four loops over words of the elements' size serve eight
// types.
template <class F> decltype(auto) dispatch_words(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1: return f(Tag<std::uint8_t>{});
    case 2: return f(Tag<float16>{});
    case 4: return f(Tag<std::int32_t>{});
    default: return f(Tag<std::int64_t>{});
  }
}
// The same memory as those words.
inline Tensor as_words(const Tensor& t) {
  const DType word = dispatch_words(t.dtype(), []<class Word>(Tag<Word>) { return dtype_of<Word>; });
  return Tensor::over(t.shared_storage(), t.shape(), t.strides(), t.offset(), word);
}

// A change in place would be lost on the tape.
inline void require_no_tape(const char* op, const Tensor& t) {
  require<AutogradError, 5>(!grad_enabled() || !t.requires_grad(), op,
                            ": the tensor is on the tape; change values in place under NoGrad only");
}

}  // namespace gadolin::detail
