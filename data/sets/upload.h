// Uploader: batches on their way to the device while a step runs.
#pragma once

#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// A ring of device tensors filled on the device's copy stream. Use:
//
//   uploader.push(first);
//   while (uploader.pending()) { batch = uploader.pop(); if (more) uploader.push(next); step(batch); }
//
// so that `next` is copied while the step works on `batch`. Sources should be pinned (empty_pinned): others
// are first copied to memory of the driver, and the caller waits for that. On the CPU, push and pop only hand
// the tensors on. A recorded step (tensor/capture.h) may take the batch: it copies it into its own fixed
// tensors on the compute stream, so that it does not matter which slot the batch is in. A step may take
// several batches: hold each until the step is queued, since that is when its slot is free to be filled
// again.
class Uploader {
 public:
  // slots: batches that may exist on the device at once, at least 2.
  explicit Uploader(Device device, int slots = 3);
  ~Uploader();
  Uploader(Uploader&&) noexcept;
  Uploader& operator=(Uploader&&) noexcept;

  // Queues the copies and returns. Holds on to the sources until they have been read: a source may be written
  // again when its sole_owner() is true. Waits when all slots are on their way. Throws ValueError when they
  // were not popped.
  void push(const std::vector<Tensor>& host);
  // The oldest pushed batch; ops on the device's compute stream wait for its copy, the caller does not. Once
  // nobody holds its tensors their memory is filled again, behind what was queued until then. Throws
  // ValueError when empty.
  std::vector<Tensor> pop();
  int pending() const;  // pushed and not yet popped

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gadolin
