// Compiled for AVX-512, whatever the rest is compiled for.
#ifdef __AVX512F__
#define GADOLIN_LANE_BYTES 64
#include "layers/winograd_lanes.h"
#endif
