// Raw memory and copies over the CUDA runtime.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/memory.h"

#include <cstring>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {
namespace {

// While this thread records, the runtime refuses calls that could wait. Allocating does not touch the
// recorded stream.
class RelaxedCapture {
 public:
  RelaxedCapture() {
    if (capturing()) check(cudaThreadExchangeStreamCaptureMode(&mode_), "allocate");
  }
  ~RelaxedCapture() {
    if (capturing()) cudaThreadExchangeStreamCaptureMode(&mode_);
  }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

// Memory from take(&address); nullptr when it is short.
template <class Take> void* taken(const char* op, const Take& take) {
  void* data = nullptr;
  const cudaError_t status = take(&data);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the allocator frees its caches and asks again
    return nullptr;
  }
  check(status, op);
  return data;
}
// A driver that has shut down has freed everything already.
void given_back(cudaError_t status, const char* op) {
  if (status != cudaErrorCudartUnloading) check(status, op);
}

}  // namespace

// Never destroyed: tensors held by static objects may be freed after main.
CachingAllocator& cuda_allocator(int index) {
  require<DeviceError, 4>(index >= 0 && index < cuda_device_count(), "allocate: cuda:", index,
                          " was asked for, but this machine has ", cuda_device_count(),
                          " usable CUDA devices; use --device cpu");
  static const auto& all = *new std::vector<CachingAllocator*>([] {
    std::vector<CachingAllocator*> made;
    for (int i = 0; i < cuda_device_count(); ++i) {
      const Device device{Device::Kind::cuda, i};
      made.push_back(new CachingAllocator(
          {name_of(device),
           [device](std::size_t bytes) {
             const DeviceGuard guard(device);
             const RelaxedCapture relaxed;
             return taken("cudaMalloc", [&](void** data) { return cudaMalloc(data, bytes); });
           },
           // Work that still uses the memory may be queued: cudaFree waits for it.
           [device](void* data, std::size_t) {
             const DeviceGuard guard(device);
             const RelaxedCapture relaxed;
             given_back(cudaFree(data), "cudaFree");
           },
           [device](void* data, int byte, std::size_t bytes) { set_bytes(data, device, byte, bytes); },
           [device](void* host, const void* data, std::size_t bytes) {
             copy_bytes(host, cpu, data, device, bytes, false);
           }}));
    }
    return made;
  }());
  return *all[static_cast<std::size_t>(index)];
}

CachingAllocator& cuda_pinned_allocator() {
  static CachingAllocator& made =
      *new CachingAllocator({"pinned",
                             [](std::size_t bytes) {
                               return taken("cudaHostAlloc", [&](void** data) {
                                 return cudaHostAlloc(data, bytes, cudaHostAllocPortable);
                               });
                             },
                             [](void* data, std::size_t) {
                               const RelaxedCapture relaxed;
                               given_back(cudaFreeHost(data), "cudaFreeHost");
                             }});
  return made;
}

void copy_bytes(void* dst, Device dst_device, const void* src, Device src_device, std::size_t n, bool async) {
  if (n == 0) return;
  if (dst_device.is_cpu() && src_device.is_cpu()) {
    std::memcpy(dst, src, n);
    return;
  }
  const bool from_host = src_device.is_cpu(), to_host = dst_device.is_cpu();
  if (from_host)
    refuse_while_capturing("copy to the device", "make the tensor on the device before the step");
  if (to_host && !async) refuse_while_capturing("copy to the host");
  const Device device = from_host ? dst_device : src_device;
  const DeviceGuard guard(device);
  const CudaStream stream = current_stream(device);
  if (!from_host && !to_host && src_device != dst_device) {
    // The destination's stream must have finished with dst, and must not run ahead of the copy.
    Event before, after;
    {
      const DeviceGuard other(dst_device);
      before.record(current_stream(dst_device));
    }
    before.make_wait(stream);
    check(cudaMemcpyPeerAsync(dst, dst_device.index, src, src_device.index, n, stream), "copy");
    after.record(stream);
    after.make_wait(current_stream(dst_device));
    return;
  }
  check(cudaMemcpyAsync(dst, src, n, cudaMemcpyDefault, stream), "copy");
  if (!async && (from_host || to_host)) check(cudaStreamSynchronize(stream), "copy");
}

void set_bytes(void* dst, Device device, int value, std::size_t n) {
  if (n == 0) return;
  if (device.is_cpu()) {
    std::memset(dst, value, n);
    return;
  }
  const DeviceGuard guard(device);
  check(cudaMemsetAsync(dst, value, n, current_stream(device)), "fill");
}

}  // namespace gadolin
#endif
