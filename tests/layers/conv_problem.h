// Problems of cuDNN for square images and filters.
#pragma once

#include "layers/cudnn_plans.h"

namespace gadolin {

inline ConvProblem conv_problem(std::int64_t n, std::int64_t c, std::int64_t size, std::int64_t k,
                                std::int64_t filter, std::int64_t stride = 1, std::int64_t groups = 1) {
  ConvProblem p;
  p.n = n, p.c = c, p.h = p.w = size, p.k = k, p.r = p.s = filter, p.groups = groups;
  p.stride[0] = p.stride[1] = stride;
  p.padding[0] = p.padding[1] = filter / 2;
  return p;
}

}  // namespace gadolin
