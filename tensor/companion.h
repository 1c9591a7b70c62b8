// What a tensor keeps that is derived from it, such as copies of a weight in 16 bits (layers/compute.h), and
// how recorded steps (tensor/capture.h) read and write it as they do the tensor itself.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// A companion lives as long as the last handle of its owner, and is dropped when the owner moves to other
// memory. It holds no handle of its owner, or neither would ever be freed; callers pass the owner in.
struct Companion : Counted {
  virtual ~Companion() = default;
  // Derives again, in the same memory, what is older than the owner.
  virtual void refresh(const Tensor& owner) = 0;
  // A step was recorded to its end.
  virtual void recorded(const Tensor& owner, std::uint64_t recording) = 0;
  // A recording was launched that may have written the owner; replays() is now `launches`.
  virtual void replayed(std::uint64_t recording, std::uint64_t launches) = 0;
};

namespace detail {

// The owners whose companions a step used. A recording has its own: what its replays read is brought up to
// date before each launch, and the rest of the process need not be known.
class Companions {
 public:
  void note(const Tensor& owner);  // kept alive from now on
  void refresh() const;
  void recorded(std::uint64_t recording) const;
  // Call it before each launch, on the stream of the launch. Counts it, unless the recording only reads.
  void launches(std::uint64_t recording, bool reads_only) const;

 private:
  std::vector<Tensor> owners_;
};

// To be called by whoever uses a companion: adds the owner to those of the step that is being recorded on
// this thread, or will be recorded next.
void note_companion(const Tensor& owner);

}  // namespace detail
}  // namespace gadolin
