// Mixed precision: the type that layers compute in, and copies of their fp32 weights in that type.
#pragma once

#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

struct RecordingEvent;  // tensor/capture_state.h

// Mixed precision: while one is alive on this thread, convolutions and linear layers compute in this type
// from copies of their fp32 weights, and what follows them gets its results. Losses convert back.
class ComputeScope {
 public:
  explicit ComputeScope(DType dtype);
  ~ComputeScope();
  ComputeScope(const ComputeScope&) = delete;
  ComputeScope& operator=(const ComputeScope&) = delete;

 private:
  bool on_before_;
  DType before_;
};
// The tensor in the type of the innermost ComputeScope; as it is without one, or when it is fp64.
Tensor for_compute(const Tensor& t);

namespace detail {

// A weight's copy in another type. It keeps its memory, which recorded steps read, and its values are written
// in two ways: by refresh() before a use when the weight was changed, and by an optimiser that writes weight
// and copy in one pass.
//
// Out of date it is when the weight's version moved, or when a recording was launched that writes weights
// (replays move no versions) and whose recorded optimiser step did not write this copy. Before each launch,
// and before a step is recorded, all copies on its device are brought up to date; so load_state, copy_ or an
// exchange of averages between two replays count for the second.
class WeightCopy {
 public:
  WeightCopy(const Tensor& weight, DType dtype);
  ~WeightCopy();
  WeightCopy(const WeightCopy&) = delete;
  WeightCopy& operator=(const WeightCopy&) = delete;

  // A copy of 16 bits that holds the weight's present values and lies in its order, for an optimiser that
  // writes both. From then on gradients of 16 bits reach the weight as they are when they are the first ones.
  // nullptr when there is none; valid until the layer that made it ends.
  static WeightCopy* to_write(const Tensor& weight);
  void written();  // both were, and the weight has its new version

  bool is_of(const Tensor& weight, DType dtype) const;
  bool current() const;
  void refresh();
  const Tensor& data() const { return data_; }
  bool narrow_gradient() const { return optimised_; }

 private:
  static void on_recording(const RecordingEvent& event);
  Tensor weight_, data_;  // the weight's handle: it may have moved to other memory since
  std::uint64_t storage_, version_ = 0;
  bool current_ = false, optimised_ = false;
  std::vector<std::uint64_t> writers_;  // recordings that write the copy with the weight
};

}  // namespace detail

// for_compute of a weight, from a copy that lives as long as this object or the weight's memory: values are
// cast again only after a change that no optimiser wrote to the copy. Gradients go to the weight itself: in
// its own type, but see WeightCopy.
class ComputeCopy {
 public:
  Tensor of(const Tensor& weight);
  bool kept() const {
    return kept_;
  }  // the last result is off the tape and comes again while the weight stays

 private:
  std::vector<std::shared_ptr<detail::WeightCopy>> copies_;  // of one weight, a type each
  bool kept_ = false;
};

}  // namespace gadolin
