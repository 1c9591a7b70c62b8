// What matmul.cpp and matmul_onednn.cpp share; not for others (the functions to call are in tensor/ops.h).
#pragma once

#include "tensor/cpu/gemm.h"
#include "tensor/ops.h"

namespace gadolin::detail {

// c = activation(a b + bias) through oneDNN; bias [n] may be null. False when oneDNN does not do it: not built in, not
// this dtype. Sizes must not be 0. gelu is the exact form.
bool multiply_onednn(const char* op, const MatrixProduct& p, DType dtype, const void* a, const void* b, void* c,
                     const void* bias = nullptr, Activation activation = Activation::none);

}  // namespace gadolin::detail
