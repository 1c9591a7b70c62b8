// Copies of batches on the copy stream, ordered against the compute stream by events.
#include "data/sets/upload.h"

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
    Event copied{},
        used{};  // end of the copy; end of the work that was queued before the next batch was asked for
    bool in_use = false;  // `used` has been recorded for the present contents
#endif
  };
  Device device;
  std::size_t slots;
  std::deque<Slot> waiting, free;  // oldest first
  std::deque<Slot> popped;         // at most one: the batch that is being worked on

#ifdef GADOLIN_CUDA
  // The next slot to fill: a new one, or the one used longest ago.
  Slot next_slot() {
    if (waiting.size() + popped.size() + free.size() < slots) return {};
    require<ValueError>(!free.empty(), "upload: all ", slots, " slots are filled; pop a batch first");
    Slot slot = std::move(free.front());
    free.pop_front();
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
    const DeviceGuard guard(device);
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
  const CudaStream compute = compute_stream(impl_->device);
  for (Impl::Slot& done :
       impl_->popped) {  // its last op has been queued: the caller is asking for the next batch
    done.used.record(compute);
    done.in_use = true;
    impl_->free.push_back(std::move(done));
  }
  impl_->popped.clear();
  slot.copied.make_wait(compute);
  impl_->popped.push_back(std::move(slot));
  return impl_->popped.front().device;
#else
  return {};  // push() has refused the device
#endif
}

}  // namespace gadolin
