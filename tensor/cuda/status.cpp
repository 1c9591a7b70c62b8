// Turns status codes of the GPU libraries into Gadolin's errors.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/status.h"

#include <string>

#include "tensor/check.h"
#include "tensor/cuda/library.h"

namespace gadolin {
namespace {

// Library texts span lines; an error is one.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '.' || text.back() == ' ')) text.pop_back();
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    if (c == ';') c = ',';  // the first "; " of a message starts its hint
  }
  return text;
}

}  // namespace

namespace detail {

void fail_status(cudaError_t status, const char* op) {
  cudaGetLastError();  // a reported error must not come up again at the next launch
  const std::string text =
      cat(op, ": ", cudaGetErrorName(status), " (", one_line(cudaGetErrorString(status)), ')');
  switch (status) {
    case cudaErrorMemoryAllocation: fail<OutOfMemory, 2>(text, "; use a smaller batch or bf16");
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
    case cudaErrorSystemDriverMismatch:
      fail<DeviceError, 4>(text, "; `gadolin doctor` shows driver and devices, --device cpu runs without");
    case cudaErrorNoKernelImageForDevice:
      fail<DeviceError, 5>(text, "; configure with GADOLIN_CUDA_ARCHS set to this device's architecture");
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureUnjoined:
    case cudaErrorStreamCaptureWrongThread:
      fail<CaptureError, 2>(text, "; this cannot be part of a captured step");
    default: fail<CudaError>(text);
  }
}

void fail_status(cublasStatus_t status, const char* op) {
  const CublasLtLibrary* library = opened_cublaslt();
  const std::string name =
      library ? library->cublasLtGetStatusString(status) : "status " + std::to_string(status);
  fail<CudaError, 2>(op, ": cuBLASLt: ", one_line(name));
}

void fail_status(cudnnStatus_t status, const char* op) {
  const CudnnLibrary* library = opened_cudnn();
  if (!library) fail<CudaError, 3>(op, ": cuDNN: status ", static_cast<int>(status));
  char why[512] = {};
  library->cudnnGetLastErrorString(why, sizeof why);
  const std::string reason = one_line(why);
  fail<CudaError, 3>(op, ": cuDNN: ", library->cudnnGetErrorString(status),
                     reason.empty() ? "" : " (" + reason + ")");
}

}  // namespace detail

void check_launch(const char* op) { check(cudaGetLastError(), op); }

}  // namespace gadolin
#endif
