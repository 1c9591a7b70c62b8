// Scratch arenas, one a stream.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/workspace.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <utility>

#include "tensor/allocator.h"

namespace gadolin {
namespace {

constexpr std::size_t arena_unit = std::size_t{32} << 20;

struct Arena {
  void* data = nullptr;
  std::size_t size = 0;
};
}  // namespace

void* stream_workspace(Device device, CudaStream stream, std::size_t bytes) {
  if (bytes == 0) return nullptr;
  static std::mutex mutex;
  static auto& arenas = *new std::map<std::pair<int, CudaStream>, Arena>;
  const std::lock_guard lock(mutex);
  Arena& arena = arenas[{device.index, stream}];
  if (arena.size < bytes) {
    // From the common pool even during a recording, and the smaller arena is kept: recordings may still use
    // it. By doubling, all that are left together are smaller than the one in use.
    const PoolScope common(device, 0);
    const std::size_t size = std::max(arena_unit, std::bit_ceil(bytes));
    arena = {allocator(device).allocate(static_cast<std::int64_t>(size)), size};
  }
  return arena.data;
}

}  // namespace gadolin
#endif
