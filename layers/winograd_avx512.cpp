// Compiled for AVX-512, whatever the rest is compiled for.
#ifdef __AVX512F__
#define GADOLIN_LANE_BYTES 64
#include "layers/winograd_lanes.h"

namespace gadolin::detail {
template <class S, class E> const WinogradKernels<S, E>* winograd_avx512(int tile) {
  return kernels_of_lanes<S, E>(tile);
}
template const WinogradKernels<float, float>* winograd_avx512(int);
template const WinogradKernels<double, double>* winograd_avx512(int);
template const WinogradKernels<float, Bf16Bits>* winograd_avx512(int);
}  // namespace gadolin::detail
#endif
