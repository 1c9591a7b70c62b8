// check(status, op): one overloaded name for the status codes of the CUDA runtime, cuBLASLt and cuDNN.
#pragma once

#ifdef GADOLIN_CUDA
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

namespace gadolin {
namespace detail {
[[noreturn]] void fail_status(cudaError_t status, const char* op);
[[noreturn]] void fail_status(cublasStatus_t status, const char* op);
[[noreturn]] void fail_status(cudnnStatus_t status, const char* op);
}  // namespace detail

// Throws CudaError with the op, the library's name for the status and its explanation; OutOfMemory when the
// device is full, CaptureError for what a recording does not allow, DeviceError when there is no usable
// device or driver.
// Of cuDNN, with its own account of the failing condition.
template <class Status>
requires requires(Status status) { detail::fail_status(status, ""); }
void check(Status status, const char* op) {
  if (status != Status{}) [[unlikely]]  // 0 is success in all of them
    detail::fail_status(status, op);
}

// After a launch without tensor/cuda/launch.h: names `op` if the launch was refused.
void check_launch(const char* op);

}  // namespace gadolin
#endif
