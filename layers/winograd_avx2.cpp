// Compiled for AVX2 and FMA, whatever the rest is compiled for.
#ifdef __AVX2__
#define GADOLIN_LANE_BYTES 32
#include "layers/winograd_lanes.h"

namespace gadolin::detail {
template <class S, class E> const WinogradKernels<S, E>* winograd_avx2(int tile) {
  return kernels_of_lanes<S, E>(tile);
}
template const WinogradKernels<float, float>* winograd_avx2(int);
template const WinogradKernels<double, double>* winograd_avx2(int);
template const WinogradKernels<float, Bf16Bits>* winograd_avx2(int);
}  // namespace gadolin::detail
#endif
