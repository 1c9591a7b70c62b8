// Scratch memory of the GPU libraries: one arena a stream, shared by cuBLASLt and cuDNN, whose calls run
// there in order.
#pragma once

#include <cstddef>

#include "tensor/cuda/stream.h"

namespace gadolin {

// At least `bytes` of device memory, 512-byte aligned, that calls on this stream may scribble on. An arena
// grows and never shrinks or moves under its users: a recorded step keeps the address it was recorded with.
// Throws OutOfMemory.
void* stream_workspace(Device device, CudaStream stream, std::size_t bytes);

}  // namespace gadolin
