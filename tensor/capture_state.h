// What ops may ask about a recording of a step that is on its way on this thread (tensor/capture.h makes them).
#pragma once

#include <cstdint>

namespace gadolin {

// True while this thread records a step. Always false without CUDA.
bool capturing();
// For everything that waits for the device or reads host memory. Throws CaptureError
// "<op>: would wait for the GPU inside a captured step; <way_out>".
void refuse_while_capturing(const char* op, const char* way_out = "return the tensor and read it afterwards");
// Note: random numbers in a recording. A random op takes the stream number default_generator().calls++ on the host, and
// its kernel adds *offset to it when the pointer is not null. A replay finds there how many calls have happened since
// the recording was made, so it draws what an eager step would have drawn. nullptr outside a recording.
const std::uint64_t* capture_random_offset();

namespace detail {
struct CaptureState {
  bool active = false;
  const std::uint64_t* random_offset = nullptr;  // device memory
};
CaptureState& capture_state();  // of this thread
}  // namespace detail

}  // namespace gadolin
