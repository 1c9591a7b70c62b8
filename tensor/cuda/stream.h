// Streams, events and the current device. Needs no CUDA header; the functions exist when CUDA is compiled in.
//
// Note: streams. Each device has one compute stream, created non-blocking, on which every op runs in order,
// and one copy stream for batches on their way to the device. The legacy default stream is never used: it
// cannot be recorded.
#pragma once

#include <memory>

#include "tensor/device.h"

struct CUstream_st;
struct CUevent_st;

namespace gadolin {

using CudaStream = CUstream_st*;  // the runtime's cudaStream_t

CudaStream compute_stream(Device device);  // where ops run
CudaStream copy_stream(Device device);     // where batches travel
// Where ops are launched: the compute stream, or that of the innermost StreamGuard on this thread.
CudaStream current_stream();               // of the thread's current device
CudaStream current_stream(Device device);  // of that device
Device current_device();                   // of the runtime on this thread

// Sends this thread's ops to another stream while it lives.
class StreamGuard {
 public:
  explicit StreamGuard(CudaStream stream);  // from now on
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

 private:
  CudaStream before_;
};

// A point in a stream's queue. Recording and waiting on the device are allowed inside a captured step. Before
// the first record() there is nothing to wait for.
class Event {
 public:
  explicit Event(bool timed = false) : timed_(timed) {}  // timed: seconds between two can be asked for
  void record(CudaStream stream);                        // at this point of the stream
  void make_wait(CudaStream stream) const;               // the stream waits, not the caller
  bool done() const;                                     // does not wait
  void synchronize() const;                              // the caller waits
  double milliseconds_since(const Event& start) const;   // both timed; waits for this one

 private:
  struct Destroy {
    void operator()(CUevent_st* event) const;
  };
  std::unique_ptr<CUevent_st, Destroy> event_;
  bool timed_;
};

// Scratch memory of the GPU libraries: one arena a stream, shared by cuBLASLt and cuDNN, whose calls run
// there in order. At least `bytes` of device memory, 512-byte aligned, that calls on this stream may scribble
// on. An arena grows and never shrinks or moves under its users: a recorded step keeps the address it was
// recorded with. Throws OutOfMemory.
void* stream_workspace(Device device, CudaStream stream, std::size_t bytes);

}  // namespace gadolin
