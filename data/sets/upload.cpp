// Copies of batches on the copy stream, ordered against the compute stream by events.
#include "data/sets/upload.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"

#ifdef GADOLIN_CUDA
#include "tensor/cuda/memory.h"
#include "tensor/cuda/stream.h"
#endif

namespace gadolin {

struct Uploader::Impl {
  struct Slot {
    std::vector<Tensor> host, device;
#ifdef GADOLIN_CUDA
    Event copied{}, used{};  // end of the copy; of the work that had been queued when nobody held the batch
    bool in_use = false;     // `used` has been recorded for the present contents
    bool let_go() const {
      return std::all_of(device.begin(), device.end(), [](const Tensor& t) { return t.sole_owner(); });
    }
#endif
  };
  Device device;
  std::size_t slots;
  std::deque<Slot> waiting, free;  // oldest first
  std::deque<Slot> popped;         // of batches that somebody holds, or held when last looked at

#ifdef GADOLIN_CUDA
  // Whoever works on a batch holds it until the work is queued, however many he takes for a step.
  void settle() {
    const CudaStream compute = compute_stream(device);
    std::deque<Slot> held;
    for (Slot& slot : popped) {
      const bool done = slot.let_go();
      if (done) {
        slot.used.record(compute);
        slot.in_use = true;
      }
      (done ? free : held).push_back(std::move(slot));
    }
    popped = std::move(held);
  }
  // The next slot to fill: a new one, or the one used longest ago. One whose batch is held gets new memory.
  Slot next_slot() {
    settle();
    if (waiting.size() + popped.size() + free.size() < slots) return {};
    std::deque<Slot>& from = free.empty() ? popped : free;
    require<ValueError>(!from.empty(), "upload: all ", slots, " slots are filled; pop a batch first");
    Slot slot = std::move(from.front());
    from.pop_front();
    slot.copied.synchronize();  // the sources are about to be let go; the copy ended steps ago
    return slot;
  }
  // A tensor like `source` to copy into: the slot's old one when nobody else holds it and it fits.
  Tensor target(Slot& slot, std::size_t i, const Tensor& source, bool& fresh) {
    if (i < slot.device.size()) {
      const Tensor& old = slot.device[i];
      if (old.sole_owner() && old.shape() == source.shape() && old.dtype() == source.dtype() &&
          old.format() == source.format()) {
        return std::move(slot.device[i]);
      }
    }
    fresh = true;
    return empty(source.shape(), source.dtype(), device, source.format());
  }
  void fill(Slot& slot, const std::vector<Tensor>& host) {
    const NoGrad no_grad;
    const CudaStream copies = copy_stream(device), compute = compute_stream(device);
    bool fresh = false;
    std::vector<Tensor> sources, targets;
    for (std::size_t i = 0; i < host.size(); ++i) {
      sources.push_back(host[i].contiguous(host[i].format()));
      targets.push_back(target(slot, i, sources.back(), fresh));
    }
    if (fresh) {  // memory from the allocator may still be read by work that was queued before
      Event tail;
      tail.record(compute);
      tail.make_wait(copies);
    }
    if (slot.in_use) slot.used.make_wait(copies);
    {
      const StreamGuard on(copies);
      for (std::size_t i = 0; i < sources.size(); ++i) {
        copy_bytes(targets[i].raw(), device, sources[i].raw(), cpu,
                   static_cast<std::size_t>(sources[i].nbytes()), true);
      }
    }
    slot.copied.record(copies);
    slot.in_use = false;
    slot.host = std::move(sources);
    slot.device = std::move(targets);
  }
#endif
};

Uploader::Uploader(Device device, int slots) : impl_(std::make_unique<Impl>()) {
  require<ValueError>(slots >= 2, "upload: ", slots, " slots cannot overlap anything; use at least 2");
  impl_->device = device;
  impl_->slots = static_cast<std::size_t>(slots);
}
Uploader::Uploader(Uploader&&) noexcept = default;
Uploader& Uploader::operator=(Uploader&&) noexcept = default;

Uploader::~Uploader() {
#ifdef GADOLIN_CUDA
  if (!impl_ || impl_->device.is_cpu()) return;
  // The sources must not be freed, nor the targets reused, under a running copy.
  try {
    for (Impl::Slot& slot : impl_->waiting) slot.copied.synchronize();
    for (Impl::Slot& slot : impl_->popped) slot.copied.synchronize();
    for (Impl::Slot& slot : impl_->free) slot.copied.synchronize();
  } catch (const Error&) {  // a device that has failed has nothing in flight
  }
#endif
}

int Uploader::pending() const { return static_cast<int>(impl_->waiting.size()); }

void Uploader::push(const std::vector<Tensor>& host) {
  refuse_while_capturing("upload", "push batches outside the step");
  if (impl_->device.is_cpu()) {
    require<ValueError>(impl_->waiting.size() < impl_->slots, "upload: all ", impl_->slots,
                        " slots are filled; pop a batch first");
    impl_->waiting.emplace_back().host = host;
    return;
  }
#ifdef GADOLIN_CUDA
  const DeviceGuard guard(impl_->device);
  Impl::Slot slot = impl_->next_slot();
  impl_->fill(slot, host);
  impl_->waiting.push_back(std::move(slot));
#else
  fail<DeviceError>("upload: ", impl_->device, " is not available; this build has no CUDA");
#endif
}

std::vector<Tensor> Uploader::pop() {
  require<ValueError>(!impl_->waiting.empty(), "upload: nothing was pushed");
  Impl::Slot slot = std::move(impl_->waiting.front());
  impl_->waiting.pop_front();
  if (impl_->device.is_cpu()) return std::move(slot.host);
#ifdef GADOLIN_CUDA
  const DeviceGuard guard(impl_->device);
  impl_->settle();
  slot.copied.make_wait(compute_stream(impl_->device));
  impl_->popped.push_back(std::move(slot));
  return impl_->popped.back().device;
#else
  return {};  // push() has refused the device
#endif
}

}  // namespace gadolin
