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
inline void check(cudaError_t status, const char* op) {
  if (status != cudaSuccess) [[unlikely]]
    detail::fail_status(status, op);
}
inline void check(cublasStatus_t status, const char* op) {
  if (status != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    detail::fail_status(status, op);
}
// Adds cuDNN's own account of the failing condition.
inline void check(cudnnStatus_t status, const char* op) {
  if (status != CUDNN_STATUS_SUCCESS) [[unlikely]]
    detail::fail_status(status, op);
}

// After a launch without tensor/cuda/launch.h: names `op` if the launch was refused, and, under
// set_sync_check(true), waits and names it if the kernel failed.
void check_launch(const char* op);

}  // namespace gadolin
#endif
