// Matrix products on the GPU through cuBLASLt. Needs no CUDA header; exists when CUDA is compiled in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace gadolin {

// What happens to the product before it is stored. Vectors have c's dtype.
enum class GemmEpilogue : std::uint8_t {
  none,
  bias,  // + bias [n]
};

// c = epilogue(alpha op(a) op(b) + beta c), row-major: op(a) [m, k], op(b) [k, n], c [m, n].
struct GemmProblem {
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  bool transpose_a = false, transpose_b = false;  // a is stored as [k, m], b as [n, k]
  std::int64_t lda = 0, ldb = 0, ldc = 0;  // elements from row to row as stored; 0: rows lie side by side
  std::int64_t stride_a = 0, stride_b = 0, stride_c = 0;  // elements from matrix to matrix; 0 repeats a or b
  DType dtype = DType::fp32;                              // of a and b: fp32, fp64, bf16, fp16
  DType out = DType::fp32;                                // of c: `dtype`, or fp32 for 16-bit inputs
  bool tf32 = false;  // fp32 inputs may be rounded to tf32; fp32 stays fp32 otherwise
  double alpha = 1, beta = 0;
  GemmEpilogue epilogue = GemmEpilogue::none;
};

// Queues the product on the device's current stream. Sums run in fp32, or fp64 for fp64; the same problem and
// alignment always use the same algorithm, so results repeat. m, n or batch of 0 does nothing; k must not be
// 0. Throws Unsupported when cuBLASLt has no algorithm for it (fp64 with an epilogue, for one), CudaError
// naming `op`.
void gemm(const char* op, Device device, const GemmProblem& problem, const void* a, const void* b, void* c,
          const void* bias = nullptr);

// Whether this dtype has epilogues: every floating type but fp64.
bool gemm_has_epilogues(DType dtype);

}  // namespace gadolin
