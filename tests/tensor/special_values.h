// What op tests try beside ordinary numbers: infinity, NaN, and every type.
#pragma once

#include <cmath>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

inline constexpr double inf = INFINITY, nan = NAN;
inline const std::vector<DType> all_types = {DType::fp64,  DType::fp32,  DType::bf16,  DType::fp16,
                                             DType::int64, DType::int32, DType::uint8, DType::boolean};

}  // namespace gadolin
