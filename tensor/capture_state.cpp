// State of this thread's recording.
#include "tensor/capture_state.h"

#include <atomic>

#include "tensor/check.h"

namespace gadolin {

namespace {
std::atomic<std::uint64_t> launched{0};
std::atomic<std::uint64_t> recordings{0};
}  // namespace

std::uint64_t replays() { return launched.load(std::memory_order_relaxed); }
bool caches_hold() { return !capturing() || detail::capture_state().reads_only; }

namespace detail {
std::uint64_t next_recording() { return ++recordings; }
std::uint64_t count_replay() { return launched.fetch_add(1, std::memory_order_relaxed) + 1; }
CaptureState& capture_state() {
  thread_local CaptureState state;
  return state;
}
}  // namespace detail

bool capturing() { return detail::capture_state().active; }

void refuse_while_capturing(const char* op, const char* way_out) {
  require<CaptureError>(!capturing(), op, ": would wait for the GPU inside a captured step; ", way_out);
}

const std::uint64_t* capture_random_offset() { return detail::capture_state().random_offset; }

}  // namespace gadolin
