// Mixed precision: the type that layers compute in, and copies of their fp32 weights in that type.
#pragma once

#include <vector>

#include "tensor/companion.h"

namespace gadolin {

// Mixed precision: while one is alive on this thread, convolutions and linear layers compute in this type
// from copies of their fp32 weights, and what follows them gets its results. Losses convert back.
class ComputeScope {
 public:
  explicit ComputeScope(DType dtype);  // a floating type
  ~ComputeScope();
  ComputeScope(const ComputeScope&) = delete;
  ComputeScope& operator=(const ComputeScope&) = delete;

 private:
  bool on_before_;
  DType before_;
};
// The tensor in the type of the innermost ComputeScope; as it is without one, or when it is fp64.
Tensor for_compute(const Tensor& t);

// for_compute of a parameter, from a copy that the parameter owns: its values are cast again only after a
// change that no optimiser wrote to the copy. Gradients go to the parameter itself, in its own type, but see
// detail::copy_to_write. A copy is made at its first use: the thread that runs a net also trains it.
Tensor compute_copy(const Tensor& parameter);
// Whether compute_copy gives a copy that is off the tape, and the same one until the parameter changes.
bool keeps_compute_copy(const Tensor& parameter);

namespace detail {

// A parameter's copy in another type. It keeps its memory, which recorded steps read. Its values are written
// in two ways: by refresh() before a use when the parameter was changed, and by an optimiser that writes
// both in one pass.
//
// It is out of date when the parameter's version has changed, or when a recording was launched that may write
// the parameter (replays change no versions) and whose optimiser step did not write this copy too. Before a
// step is recorded, and before each launch of a recording, the copies that it uses are brought up to date: if
// the parameter is changed between two replays (load_state, copy_, an exchange of averages), the second one
// computes with the new values.
class WeightCopy {
 public:
  WeightCopy(const Tensor& parameter, DType dtype) : data_(empty_like(parameter, dtype)) {}
  const Tensor& data() const { return data_; }
  bool current(const Tensor& parameter) const;
  void refresh(const Tensor& parameter);
  // An optimiser wrote both, and the parameter has its new version.
  void written(const Tensor& parameter);
  bool optimised() const { return optimised_; }  // an optimiser has asked for it

 private:
  friend class WeightCopies;
  Tensor data_;
  std::uint64_t version_ = ~0ull, replays_ = 0;  // of the parameter, and replays(), when it was written
  bool optimised_ = false;
  std::vector<std::uint64_t> writers_;  // recordings that write the copy with the parameter
};

// For an optimiser that writes a parameter and its copy in one pass: the 16-bit copy that holds the present
// values in the parameter's own order; nullptr when there is none. Once it has been asked for, a 16-bit
// gradient that is the parameter's first is kept in 16 bits; later ones are added in the parameter's type.
// Valid until the parameter moves or another copy of it is made.
WeightCopy* copy_to_write(const Tensor& parameter);

}  // namespace detail
}  // namespace gadolin
