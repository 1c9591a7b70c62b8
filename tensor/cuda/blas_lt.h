// Matrix products on the GPU through cuBLASLt. Needs no CUDA header; exists when CUDA is compiled in.
#pragma once

#include "tensor/cpu/gemm.h"
#include "tensor/device.h"
#include "tensor/dtype.h"

namespace gadolin {

// c = a b, + bias [n] for each row where there is one; all of one floating dtype, c's rows and matrices side
// by side. `tf32`: fp32 inputs may be rounded to tf32; fp32 stays fp32 otherwise.
// Queues the product on the device's current stream. Sums run in fp32, or fp64 for fp64; the same problem and
// alignment always use the same algorithm, so results repeat. m, n or batch of 0 does nothing; k must not be
// 0. Throws Unsupported when cuBLASLt has no algorithm for it (fp64 with a bias, for one), CudaError naming
// `op`.
void gemm(const char* op, Device device, const MatrixProduct& product, DType dtype, bool tf32, const void* a,
          const void* b, void* c, const void* bias = nullptr);

// Whether a bias of this dtype can be added: every floating type but fp64.
inline bool gemm_takes_bias(DType dtype) { return dtype != DType::fp64; }

}  // namespace gadolin
