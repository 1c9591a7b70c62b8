// What ops may ask about a recording of a step that is on its way on this thread (tensor/capture.h makes
// them).
#pragma once

#include <cstdint>

namespace gadolin {

// True while this thread records a step. Always false without CUDA.
bool capturing();
// For everything that waits for the device or reads host memory. Throws CaptureError
// "<op>: would wait for the GPU inside a captured step; <way_out>".
void refuse_while_capturing(const char* op, const char* way_out = "return the tensor and read it afterwards");
// Note: random numbers in a recording. A random op takes the stream number default_generator().calls++ on the
// host, and its kernel adds *offset to it when the pointer is not null. A replay finds there how many calls
// have happened since the recording was made, so it draws what an eager step would have drawn. nullptr
// outside a recording.
const std::uint64_t* capture_random_offset();
// For caches of what is derived from weights (low-precision copies, folded batch norms):
// A replay writes weights, statistics and gradients without raising their host-side versions, so outside a
// recording a cached value holds only while (storage().version(), replays()) is the pair it was made under.
// replays() counts the launches of this process, without those of steps that said they only read
// (CaptureOptions::reads_only). Inside a recording caches_hold() decides: false in one that changes weights,
// where the derivation must be recorded with the step, into the cache's own tensor; true in one that only
// reads. What recorded ops read must keep its address while the recording lives: derive again in place, never
// into a new tensor. Copies of weights (layers/compute.h) are more than caches: see tensor/companion.h.
std::uint64_t replays();
bool caches_hold();

namespace detail {
class Companions;
std::uint64_t count_replay();  // replays() with this one
// The stream numbers that a recording draws: `first`, `first` + 1, ..., `count` of them, on which replays add
// their offset.
struct RecordedDraws {
  std::uint64_t first = 0, count = 0;
  // Modulo 2^64, so `calls` may be smaller.
  std::uint64_t offset(std::uint64_t calls) const { return calls - first; }
};
std::uint64_t next_recording();  // a number for it, from 1

struct CaptureState {
  bool active = false;
  bool reads_only = false;
  const std::uint64_t* random_offset = nullptr;  // device memory
  std::uint64_t recording = 0;
  Companions* companions = nullptr;  // of the step on its way, if it is recorded or the next one will be
};
CaptureState& capture_state();  // of this thread
}  // namespace detail

}  // namespace gadolin
