// GradientHook: a function that backward calls for each leaf as soon as its gradient is final, so that what
// comes next (sums over processes) can begin while backward still runs.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "tensor/autograd.h"

namespace gadolin {

// A backward that is given a hook (BackwardOptions::hook) calls `final(i, leaves[i])` once for each of its
// leaves, at the moment after which no edge of this walk can add to that leaf's gradient. Leaves that the
// walk does not reach, or reaches without a gradient, follow at its end, in their order; their grad() is what
// it was. When gradients of several backward calls add up, give the hook to the last one.
//
// `final` runs on the thread of the walk, with no tape unless create_graph is set. It may change the gradient
// or replace it, but not the leaf. What it throws ends the walk and passes through. In a recorded step
// (tensor/capture.h) it is called while the step is recorded, and what it launches is part of the recording.
class GradientHook {
 public:
  // `index` counts the leaves that the hook was made with.
  using Final = std::function<void(std::size_t index, const Tensor& leaf)>;
  // Throws AutogradError for what is no leaf that wants a gradient, and for a leaf that is given twice.
  GradientHook(std::vector<Tensor> leaves, Final final);
  const std::vector<Tensor>& leaves() const { return leaves_; }  // as given

 private:
  friend class HookedWalk;
  std::vector<Tensor> leaves_;
  Final final_;
  std::unordered_map<const void*, std::size_t> index_;  // by Tensor::id()
};

// One walk with a hook, or without one: then it does nothing. For tensor/autograd.cpp.
class HookedWalk {
 public:
  HookedWalk(const GradientHook* hook, Node* root);  // root: nullptr for a walk that begins at a leaf
  void passed(const Node& node);                     // it has added to its inputs all that it will
  void ends();                                       // tells the leaves that the walk did not reach

 private:
  void tell(std::size_t index);
  const GradientHook* hook_;
  std::vector<std::int64_t> edges_;  // that may still add to each leaf; -1: `final` was called for it
};

}  // namespace gadolin
