// Devices: how many, what they are, waiting for one.
#include "tensor/cuda/info.h"

#ifdef GADOLIN_CUDA
#include <algorithm>
#include <array>
#include <atomic>
#include <exception>

#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/launch.h"
#include "tensor/cuda/library.h"
#include "tensor/device.h"

namespace gadolin {
namespace {

struct Probe {
  int count = 0;
  cudaError_t status = cudaSuccess;
};
// Asked once: devices do not come and go, and without a driver each question costs a search for it.
const Probe& probe() {
  static const Probe found = [] {
    Probe p;
    p.status = cudaGetDeviceCount(&p.count);
    if (p.status != cudaSuccess) {
      p.count = 0;
      cudaGetLastError();
    }
    return p;
  }();
  return found;
}

std::string cuda_version(int version) {
  return version > 0 ? std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10) : "";
}

CudaDeviceInfo describe(int index) {
  CudaDeviceInfo info;
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "device");
  info.name = properties.name;
  info.major = properties.major;
  info.minor = properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  info.l2_bytes = properties.l2CacheSize;
  const DeviceGuard guard({Device::Kind::cuda, index});
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "device");
  info.memory_free = static_cast<std::int64_t>(free);
  info.memory_total = static_cast<std::int64_t>(total);
  return info;
}

// The version, or the reason there is none.
template <class F> std::string ask_library(F version, bool& ok) {
  try {
    const std::size_t v = version();
    ok = true;
    return std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." + std::to_string(v % 100);
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

int cuda_device_count() { return probe().count; }

void synchronize(Device device) {
  if (device.is_cpu()) return;
  refuse_while_capturing("synchronize");
  const DeviceGuard guard(device);
  check(cudaDeviceSynchronize(), "synchronize");
}

int multiprocessor_count() {
  static std::array<std::atomic<int>, 64> known{};
  const int index = current_device().index;
  std::atomic<int>& slot = known[static_cast<std::size_t>(index) % known.size()];
  int count = slot.load(std::memory_order_relaxed);
  if (count == 0) {
    check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, index), "device");
    slot.store(count, std::memory_order_relaxed);
  }
  return count;
}

CudaInfo cuda_info(bool libraries) {
  CudaInfo info;
  info.built = true;
  int runtime = 0, driver = 0;
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess) info.runtime = cuda_version(runtime);
  if (cudaDriverGetVersion(&driver) == cudaSuccess) info.driver = cuda_version(driver);
  if (probe().status == cudaErrorInsufficientDriver) {
    info.problem = info.driver.empty()
                       ? "no NVIDIA driver is loaded"
                       : "the driver supports CUDA " + info.driver + ", this build needs " + info.runtime;
  } else if (probe().status != cudaSuccess) {
    info.problem = cudaGetErrorString(probe().status);
  } else if (probe().count == 0) {
    info.problem = "the driver reports no device";
  }
  try {
    for (int i = 0; i < probe().count; ++i) info.devices.push_back(describe(i));
  } catch (const std::exception& error) {
    info.problem = error.what();
  }
  if (libraries) {
    info.cublaslt = ask_library([] { return cublaslt().cublasLtGetVersion(); }, info.cublaslt_ok);
    info.cudnn = ask_library([] { return cudnn().cudnnGetVersion(); }, info.cudnn_ok);
  }
  return info;
}

}  // namespace gadolin

#else
namespace gadolin {
CudaInfo cuda_info(bool) {
  CudaInfo info;
  info.problem = "this build has no CUDA";
  return info;
}
}  // namespace gadolin
#endif
