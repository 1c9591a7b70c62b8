// Raw memory and copies over the CUDA runtime.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/memory.h"

#include <cstring>

#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"

namespace gadolin {
namespace {

// While this thread records, the runtime refuses calls that could wait. Allocating does not touch the recorded stream.
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

void* accept(cudaError_t status, void* pointer, const char* op) {
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the allocator frees its caches and asks again
    return nullptr;
  }
  check(status, op);
  return pointer;
}

// A driver that has shut down has freed everything already.
void accept_free(cudaError_t status, const char* op) {
  if (status == cudaErrorCudartUnloading) return;
  check(status, op);
}

}  // namespace

void* cuda_raw_alloc(std::size_t nbytes) {
  const RelaxedCapture relaxed;
  void* pointer = nullptr;
  return accept(cudaMalloc(&pointer, nbytes), pointer, "cudaMalloc");
}
void cuda_raw_free(void* pointer) {
  const RelaxedCapture relaxed;
  accept_free(cudaFree(pointer), "cudaFree");
}
void* pinned_raw_alloc(std::size_t nbytes) {
  const RelaxedCapture relaxed;
  void* pointer = nullptr;
  return accept(cudaHostAlloc(&pointer, nbytes, cudaHostAllocPortable), pointer, "cudaHostAlloc");
}
void pinned_raw_free(void* pointer) {
  const RelaxedCapture relaxed;
  accept_free(cudaFreeHost(pointer), "cudaFreeHost");
}

DeviceMemory cuda_memory(Device device) {
  const DeviceGuard guard(device);
  DeviceMemory memory;
  check(cudaMemGetInfo(&memory.free, &memory.total), "memory");
  return memory;
}

void copy_bytes(void* dst, Device dst_device, const void* src, Device src_device, std::size_t n, bool async) {
  if (n == 0) return;
  if (dst_device.is_cpu() && src_device.is_cpu()) {
    std::memcpy(dst, src, n);
    return;
  }
  const bool from_host = src_device.is_cpu(), to_host = dst_device.is_cpu();
  if (from_host) refuse_while_capturing("copy to the device", "make the tensor on the device before the step");
  if (to_host && !async) refuse_while_capturing("copy to the host");
  const Device device = from_host ? dst_device : src_device;
  const DeviceGuard guard(device);
  const CudaStream stream = current_stream(device);
  if (!from_host && !to_host && src_device != dst_device) {
    // The destination's stream must have finished with dst, and must not run ahead of the copy.
    Event before, after;
    {
      const DeviceGuard other(dst_device);
      before = Event();
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
