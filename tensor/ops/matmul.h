// What the files of matmul share with one another and their test (the functions to call are in tensor/ops.h).
#pragma once

#include "tensor/cpu/gemm.h"
#include "tensor/cuda/blas_lt.h"
#include "tensor/ops.h"

namespace gadolin::detail {

// c = a b + bias through oneDNN, then gelu in its exact form if asked for; bias [n] may be null. False when
// oneDNN does not do it: not built in, not this dtype. Sizes must not be 0. Its relu is not used: it turns
// NaN into 0.
bool multiply_onednn(const char* op, const MatrixProduct& p, DType dtype, const void* a, const void* b,
                     void* c, const void* bias = nullptr, bool gelu = false);

// Whether cuBLASLt is asked to round to TF32, in builds without CUDA too: fp32, where that is allowed.
inline bool rounds_to_tf32(DType dtype) { return dtype == DType::fp32 && tf32_allowed(); }

}  // namespace gadolin::detail
