// Compiled for AVX2 and FMA, whatever the rest is compiled for.
#ifdef __AVX2__
#define GADOLIN_LANE_BYTES 32
#include "layers/winograd_lanes.h"
#endif
