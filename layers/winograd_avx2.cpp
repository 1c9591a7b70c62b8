// Compiled for AVX2 and FMA, whatever the rest is compiled for.
#ifdef __AVX2__
#define GADOLIN_LANE_BYTES 32
#include "layers/winograd_lanes.h"

namespace gadolin::detail {
template <> const WinogradKernels<float>* winograd_avx2(int tile) { return kernels_of_lanes<float>(tile); }
template <> const WinogradKernels<double>* winograd_avx2(int tile) { return kernels_of_lanes<double>(tile); }
}  // namespace gadolin::detail
#endif
