// The tape as a picture, in the language of Graphviz.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// The graph behind `result`: ops as boxes, leaves as ellipses with their names.
std::string graphviz(const Tensor& result, const std::vector<std::pair<std::string, Tensor>>& names = {});

}  // namespace gadolin
