// What there is to run on: driver, devices and GPU libraries, for `gadolin doctor` and for error texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gadolin {

struct CudaDeviceInfo {
  std::string name;          // "NVIDIA H200"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::int64_t memory_total = 0, memory_free = 0;  // bytes
  std::int64_t l2_bytes = 0;
};

struct CudaInfo {
  bool built = false;           // CUDA is compiled in
  std::string runtime, driver;  // CUDA versions, "13.0"; the driver's is the newest it supports; empty: none
  std::string problem;          // why there is no usable device; empty when there is one
  std::vector<CudaDeviceInfo> devices;
  std::string cublaslt, cudnn;  // versions, or why the library could not be opened
  bool cublaslt_ok = false, cudnn_ok = false;
};
// Never throws. Opening the libraries takes up to a second on a cold disk; `libraries` = false leaves them
// alone.
CudaInfo cuda_info(bool libraries = true);

}  // namespace gadolin
