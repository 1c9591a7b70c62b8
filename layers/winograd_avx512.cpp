// Compiled for AVX-512, whatever the rest is compiled for.
#ifdef __AVX512F__
#define GADOLIN_LANE_BYTES 64
#include "layers/winograd_lanes.h"

namespace gadolin::detail {
template <> const WinogradKernels<float>* winograd_avx512(int tile) { return kernels_of_lanes<float>(tile); }
template <> const WinogradKernels<double>* winograd_avx512(int tile) {
  return kernels_of_lanes<double>(tile);
}
}  // namespace gadolin::detail
#endif
