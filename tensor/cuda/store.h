// Storing several neighbours at once.
#pragma once

#include "tensor/half.h"

namespace gadolin {

// *to = pack, for a pack of 8 or of a multiple of 16 bytes that begins on as many: in the widest accesses
// there are. nvcc splits an assignment into stores of the pack's elements.
template <class P> GADOLIN_HD void store_pack(void* to, const P& pack) {
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(P) % 16 == 0) {
#pragma unroll
    for (int k = 0; k < static_cast<int>(sizeof(P) / 16); ++k)
      __stwb(static_cast<uint4*>(to) + k, reinterpret_cast<const uint4*>(&pack)[k]);
    return;
  } else if constexpr (sizeof(P) == 8) {
    __stwb(static_cast<uint2*>(to), *reinterpret_cast<const uint2*>(&pack));
    return;
  }
#endif
  *static_cast<P*>(to) = pack;
}

}  // namespace gadolin
