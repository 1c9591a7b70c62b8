// Streams, events and the current device over the CUDA runtime.
#ifdef GADOLIN_CUDA
#include "tensor/cuda/stream.h"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/status.h"

namespace gadolin {
namespace {

struct DeviceStreams {
  std::once_flag made;
  CudaStream compute = nullptr, copy = nullptr;
};

// Streams live as long as the process: the driver may be gone when destructors of statics run.
DeviceStreams& streams_of(Device device) {
  static const int count = cuda_device_count();
  static DeviceStreams* const all = new DeviceStreams[static_cast<std::size_t>(count > 0 ? count : 1)];
  require<DeviceError, 4>(device.is_cuda() && device.index >= 0 && device.index < count, "stream: ", device,
                          " was asked for, but this machine has ", count,
                          " usable CUDA devices; use --device cpu");
  DeviceStreams& streams = all[device.index];
  std::call_once(streams.made, [&] {
    const DeviceGuard guard(device);
    check(cudaStreamCreateWithFlags(&streams.compute, cudaStreamNonBlocking), "stream");
    check(cudaStreamCreateWithFlags(&streams.copy, cudaStreamNonBlocking), "stream");
  });
  return streams;
}

thread_local CudaStream chosen_stream = nullptr;
thread_local int guarded_device = -1;  // what the innermost DeviceGuard made current; -1: there is none

}  // namespace

CudaStream compute_stream(Device device) { return streams_of(device).compute; }
CudaStream copy_stream(Device device) { return streams_of(device).copy; }

Device current_device() {
  int index = guarded_device;
  if (index < 0) check(cudaGetDevice(&index), "device");
  return {Device::Kind::cuda, index};
}
CudaStream current_stream(Device device) { return chosen_stream ? chosen_stream : compute_stream(device); }
CudaStream current_stream() { return chosen_stream ? chosen_stream : compute_stream(current_device()); }

void DeviceGuard::enter(int index) {
  if (index == guarded_device) return;
  const int before = current_device().index;
  if (before != index) check(cudaSetDevice(index), "device");
  outermost_ = guarded_device < 0;
  before_ = before;
  guarded_device = index;
}
void DeviceGuard::leave() {
  if (before_ != guarded_device) cudaSetDevice(before_);
  guarded_device = outermost_ ? -1 : before_;
}

StreamGuard::StreamGuard(CudaStream stream) : before_(std::exchange(chosen_stream, stream)) {}
StreamGuard::~StreamGuard() { chosen_stream = before_; }

void Event::Destroy::operator()(CUevent_st* event) const { cudaEventDestroy(event); }
void Event::record(CudaStream stream) {
  if (!event_) {
    cudaEvent_t made = nullptr;
    check(cudaEventCreateWithFlags(&made, timed_ ? cudaEventDefault : cudaEventDisableTiming), "event");
    event_.reset(made);
  }
  check(cudaEventRecord(event_.get(), stream), "event");
}
void Event::make_wait(CudaStream stream) const {
  if (event_) check(cudaStreamWaitEvent(stream, event_.get(), 0), "event");
}
bool Event::done() const {
  refuse_while_capturing("event");
  if (!event_) return true;
  const cudaError_t status = cudaEventQuery(event_.get());
  if (status == cudaErrorNotReady) return false;
  check(status, "event");
  return true;
}
void Event::synchronize() const {
  refuse_while_capturing("event");
  if (event_) check(cudaEventSynchronize(event_.get()), "event");
}
double Event::milliseconds_since(const Event& start) const {
  synchronize();
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, start.event_.get(), event_.get()), "event");
  return static_cast<double>(milliseconds);
}

// --- scratch memory

void* stream_workspace(Device device, CudaStream stream, std::size_t bytes) {
  if (bytes == 0) return nullptr;
  struct Arena {
    void* data = nullptr;
    std::size_t size = 0;
  };
  constexpr std::size_t arena_unit = std::size_t{32} << 20;
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
