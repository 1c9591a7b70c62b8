// Raw device and pinned memory, and copies on streams. Needs no CUDA header; exists when CUDA is compiled in.
#pragma once

#include <cstddef>

#include "tensor/device.h"

namespace gadolin {

// The caching allocators of CUDA's memory; never destroyed. What they ask of the runtime throws CudaError for
// anything but a lack of memory. Device memory may be asked for while a step is recorded, though a planned
// one has no need to: the allocation is not part of the recording. Pinned memory, page-locked on the host and
// read by every device, may not (CaptureError): the driver would wait. Throw DeviceError when there is no
// such device.
class CachingAllocator;
CachingAllocator& cuda_allocator(int index);
CachingAllocator& cuda_pinned_allocator();

// Copies n bytes between any two places, on the device's current stream. With async the caller keeps the
// source alive and unchanged until the stream has run, and may read a host destination only after waiting;
// otherwise the call returns when dst is complete, except for copies inside one device, which later ops
// follow in order anyway. Throws CaptureError for copies from the host, and for waiting ones, inside a
// captured step.
void copy_bytes(void* dst, Device dst_device, const void* src, Device src_device, std::size_t n, bool async);
// Sets n bytes; on a device it is queued like a kernel.
void set_bytes(void* dst, Device device, int value, std::size_t n);

}  // namespace gadolin
