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
// How many recordings this process has launched. A replay writes weights, statistics and gradients without raising their
// host-side versions, so a cache of what was derived from a tensor is valid only while the pair
// (tensor.storage().version(), replays()) is the one it was made under. Inside a recording a cache must not be trusted
// nor filled with values: what is computed there exists after the launch only.
std::uint64_t replays();

namespace detail {
void count_replay();

struct CaptureState {
  bool active = false;
  const std::uint64_t* random_offset = nullptr;  // device memory
};
CaptureState& capture_state();  // of this thread
}  // namespace detail

}  // namespace gadolin
