// Code that kernels and the host share, as headers of tensor/ and layers/ have much of it.
#pragma once

#ifdef DEVICE_FAULTS_ON_HOST
#define DEVICE_FAULTS_BOTH inline
#else
#include "cuda_runtime.h"
#define DEVICE_FAULTS_BOTH __host__ __device__ inline
#endif

namespace device_faults {

struct Doubled {
  float* x;
  DEVICE_FAULTS_BOTH explicit Doubled(float* from) : x(from) {}
  template <class T> [[gnu::noinline]] DEVICE_FAULTS_BOTH void at(T i) const { x[i] *= 2; }
};

void doubled_on_host(float* x);

}  // namespace device_faults
