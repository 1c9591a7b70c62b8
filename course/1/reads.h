// How often a matrix product reads its operands.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/cpu/gemm.h"

namespace gadolin::course {

// c = a b by gemm_reference; the number of reads of a's and b's elements.
std::int64_t counted_product(const MatrixProduct& p, const std::vector<float>& a, const std::vector<float>& b,
                             std::vector<float>& c);

}  // namespace gadolin::course
