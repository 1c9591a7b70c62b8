// Element types and the one switch from DType to a C++ type.
#pragma once

#include <cstdint>

#include "tensor/check.h"
#include "tensor/half.h"

namespace gadolin {

// Element types: floating ones first, with fp32 as the default everywhere.
enum class DType : std::uint8_t { fp32, fp64, bf16, fp16, int64, int32, uint8, boolean };

// Bytes of an element.
constexpr std::int64_t size_of(DType dtype) {
  constexpr std::int64_t sizes[] = {4, 8, 2, 2, 8, 4, 1, 1};
  return sizes[static_cast<int>(dtype)];
}
// "fp32", "boolean", ...
constexpr const char* name_of(DType dtype) {
  constexpr const char* names[] = {"fp32", "fp64", "bf16", "fp16", "int64", "int32", "uint8", "bool"};
  return names[static_cast<int>(dtype)];
}
// Whether gradients exist for it.
constexpr bool is_floating(DType dtype) { return static_cast<int>(dtype) <= static_cast<int>(DType::fp16); }

template <class T> struct dtype_of_t;
// The element type of a C++ type:
template <> struct dtype_of_t<float> { static constexpr DType value = DType::fp32; };
template <> struct dtype_of_t<double> { static constexpr DType value = DType::fp64; };
template <> struct dtype_of_t<bfloat16> { static constexpr DType value = DType::bf16; };
template <> struct dtype_of_t<float16> { static constexpr DType value = DType::fp16; };
template <> struct dtype_of_t<std::int64_t> { static constexpr DType value = DType::int64; };
template <> struct dtype_of_t<std::int32_t> { static constexpr DType value = DType::int32; };
template <> struct dtype_of_t<std::uint8_t> { static constexpr DType value = DType::uint8; };
template <> struct dtype_of_t<bool> { static constexpr DType value = DType::boolean; };
template <class T> inline constexpr DType dtype_of = dtype_of_t<T>::value;  // as dtype_of<float>

// The type arithmetic is done in: 16-bit floats are widened on load and narrowed on store:
template <class T> struct math_type_t { using type = T; };
template <> struct math_type_t<bfloat16> { using type = float; };
template <> struct math_type_t<float16> { using type = float; };
template <class T> using math_type = typename math_type_t<T>::type;

// For ops that compute with floats only. Throws DTypeError.
inline void require_floating(const char* op, DType dtype) {
  require<DTypeError, 2>(is_floating(dtype), op, ": ", dtype,
                         " is not supported; convert with .to(DType::fp32)");
}

// A type as a value, for lambdas.
template <class T> struct Tag { using type = T; };

// dispatch_floating(x.dtype(), "silu", [&]<class T>(Tag<T>) { ... });
template <class F> decltype(auto) dispatch_floating(DType dtype, const char* op, F&& f) {
  require_floating(op, dtype);
  switch (dtype) {
    case DType::fp32: return f(Tag<float>{});
    case DType::fp64: return f(Tag<double>{});
    case DType::bf16: return f(Tag<bfloat16>{});
    default: return f(Tag<float16>{});
  }
}
// All eight types.
template <class F> decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::fp32: return f(Tag<float>{});
    case DType::fp64: return f(Tag<double>{});
    case DType::bf16: return f(Tag<bfloat16>{});
    case DType::fp16: return f(Tag<float16>{});
    case DType::int64: return f(Tag<std::int64_t>{});
    case DType::int32: return f(Tag<std::int32_t>{});
    case DType::uint8: return f(Tag<std::uint8_t>{});
    default: return f(Tag<bool>{});
  }
}

}  // namespace gadolin
