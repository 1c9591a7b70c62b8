// What a net that halves its images several times says to one that is too small for it.
#pragma once

#include "tensor/tensor.h"

namespace gadolin {

inline void require_image(const Tensor& x, std::int64_t least, const char* net) {
  require<ShapeError>(x.dim() == 4 && x.size(2) >= least && x.size(3) >= least, net, ": input ", x.shape(),
                      " is no batch of images of at least ", least, " x ", least,
                      " pixels; resize them, or use another net");
}

}  // namespace gadolin
