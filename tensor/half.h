// The two 16-bit floating types as storage: converted to float for arithmetic, rounded to nearest even on
// store.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#ifdef __CUDACC__
#define GADOLIN_HD __host__ __device__ inline
#else
// In front of functions for both devices.
#define GADOLIN_HD inline
#endif

namespace gadolin {
namespace detail {

GADOLIN_HD std::uint32_t float_bits(float x) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(x);
#else
  return std::bit_cast<std::uint32_t>(x);
#endif
}
GADOLIN_HD float bits_float(std::uint32_t x) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(x);
#else
  return std::bit_cast<float>(x);
#endif
}

// A GPU has an instruction for each (PTX: cvt.rn), with one NaN for all.
GADOLIN_HD std::uint16_t float_to_bf16(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint16_t y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#else
  const std::uint32_t u = float_bits(x);
  const std::uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const std::uint32_t nan = (u >> 16) | 0x40u;  // a NaN whose payload sits in the low bits must stay a NaN
  return static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
#endif
}

GADOLIN_HD std::uint16_t float_to_fp16(float x) {
#ifdef __CUDA_ARCH__
  std::uint16_t y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#else
  const std::uint32_t u = float_bits(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (a >= 0x477ff000u)
    return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and above round to infinity
  if (a < 0x38800000u) {  // subnormal: adding 0.5 aligns the mantissa so that the hardware rounds it
    const std::uint32_t r = float_bits(bits_float(a) + 0.5f) - 0x3f000000u;
    return static_cast<std::uint16_t>(sign | r);
  }
  const std::uint32_t r = a - 0x38000000u;  // exponent bias 127 -> 15
  return static_cast<std::uint16_t>(sign | ((r + 0xfffu + ((r >> 13) & 1u)) >> 13));
#endif
}
GADOLIN_HD float fp16_to_float(std::uint16_t h) {
#ifdef __CUDA_ARCH__
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(h));
  return y;
#else
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16, e = (h >> 10) & 31u,
                      m = h & 0x3ffu;
  if (e == 31u) return bits_float(sign | 0x7f800000u | (m << 13));
  if (e == 0u) {
    const float f = static_cast<float>(m) * 0x1p-24f;
    return bits_float(sign | float_bits(f));
  }
  return bits_float(sign | ((e + 112u) << 23) | (m << 13));
#endif
}

}  // namespace detail

// A float without its lower 16 bits: 8 bits of exponent, 7 of fraction.
struct bfloat16 {
  std::uint16_t bits;  // as they lie in memory
  bfloat16() = default;
  // Rounded to the nearest, ties to even.
  GADOLIN_HD explicit bfloat16(float x) : bits(detail::float_to_bf16(x)) {}
  // Exact.
  GADOLIN_HD explicit operator float() const {
    return detail::bits_float(static_cast<std::uint32_t>(bits) << 16);
  }
};

// IEEE 754 binary16: 5 bits of exponent, 10 of fraction.
struct float16 {
  std::uint16_t bits;  // as they lie in memory
  float16() = default;
  // Rounded to the nearest, ties to even; beyond 65504 infinity.
  GADOLIN_HD explicit float16(float x) : bits(detail::float_to_fp16(x)) {}
  GADOLIN_HD explicit operator float() const { return detail::fp16_to_float(bits); }  // exact
};

// One of the two.
template <class T> inline constexpr bool is_half = std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

// Conversion between any two element types; 16-bit floats pass through float. By reference: compilers make
// vectors of loads of `bits`, not of copies of structs.
template <class To, class From> GADOLIN_HD To convert(const From& x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (is_half<To> || is_half<From>)
    return static_cast<To>(static_cast<float>(x));
  else
    return static_cast<To>(x);
}

}  // namespace gadolin
