// Elements of the types that matrix products and convolutions take, as doubles.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "library_types.h"
#include "tensor/half.h"

namespace software_cuda {

void library_reads(const void* from, std::size_t bytes);
void library_writes(const void* to, std::size_t bytes);

inline std::int64_t element_bytes(cudaDataType_t type) {
  return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2;
}

// Of the host, such as a factor.
inline double get_host(const void* base, cudaDataType_t type, std::int64_t i = 0) {
  switch (type) {
    case CUDA_R_64F: return static_cast<const double*>(base)[i];
    case CUDA_R_32F: return static_cast<double>(static_cast<const float*>(base)[i]);
    case CUDA_R_16F:
      return static_cast<double>(gadolin::detail::fp16_to_float(static_cast<const std::uint16_t*>(base)[i]));
    default: break;
  }
  const std::uint32_t bits = std::uint32_t{static_cast<const std::uint16_t*>(base)[i]} << 16;
  return static_cast<double>(std::bit_cast<float>(bits));
}
inline double get(const void* base, cudaDataType_t type, std::int64_t i) {
  const std::int64_t bytes = element_bytes(type);
  library_reads(static_cast<const char*>(base) + i * bytes, static_cast<std::size_t>(bytes));
  return get_host(base, type, i);
}
inline void put_host(void* base, cudaDataType_t type, std::int64_t i, double value) {
  switch (type) {
    case CUDA_R_64F: static_cast<double*>(base)[i] = value; return;
    case CUDA_R_32F: static_cast<float*>(base)[i] = static_cast<float>(value); return;
    case CUDA_R_16F:
      static_cast<std::uint16_t*>(base)[i] = gadolin::detail::float_to_fp16(static_cast<float>(value));
      return;
    default: static_cast<std::uint16_t*>(base)[i] = gadolin::detail::float_to_bf16(static_cast<float>(value));
  }
}
inline void put(void* base, cudaDataType_t type, std::int64_t i, double value) {
  const std::int64_t bytes = element_bytes(type);
  library_writes(static_cast<char*>(base) + i * bytes, static_cast<std::size_t>(bytes));
  put_host(base, type, i, value);
}

inline double dot(const double* x, const double* y, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += x[i] * y[i];
  return sum;
}
inline void add_scaled(double* to, double factor, const double* x, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) to[i] += factor * x[i];
}

// Ten bits behind the point, to nearest.
inline double tf32(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return static_cast<double>(std::bit_cast<float>((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu));
}

}  // namespace software_cuda
