// CapturedStep: a whole training step recorded as one CUDA graph and launched as one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// How a step is recorded.
struct CaptureOptions {
  int warm_up = 3;          // eager steps for each shape of the inputs before one is recorded
  int most_recordings = 4;  // the one used longest ago goes first
  // The step writes nothing that outlives it but its result: a forward pass in evaluation mode. Such a
  // recording holds the weights' derived values as they were when it was made: clear() after the weights have
  // changed.
  bool reads_only = false;
};

// Wraps a step: forward, loss, backward and optimizer.
//
//   CapturedStep step([&](const std::vector<Tensor>& batch) { ...; return loss; });
//   total.add_(step({images, labels}));
//
// On the CPU it calls the function. On a device, for each set of input shapes, the first calls run eagerly as
// real steps (plans, workspaces, optimizer state and gradients come to be) and the last of them shows which
// memory is needed when; the next is recorded in one arena and launched, later ones copy their inputs into
// the recording's fixed tensors and launch it. One copy inside the device costs less than a thousandth of a
// step and lets inputs come from anywhere: a loader's ring, whose slots the copy stream fills meanwhile, is
// read in the compute stream's order. Rules for the function:
//   * what changes between steps lives on the device: a host number that is read inside keeps the value that
//     it had during the recording;
//   * nothing may wait for the device or read host memory: item(), printing and to(...) throw CaptureError;
//   * random numbers come from ops on the default generator; each replay draws what an eager step would have
//     drawn.
// The result is detached. After a replay it belongs to the recording and the next call overwrites it: clone()
// keeps it. An exception thrown by the function while it is recorded leaves no recording behind and is passed
// on.
class CapturedStep {
 public:
  // Inputs in, result out; the result may be undefined.
  using Function = std::function<Tensor(const std::vector<Tensor>&)>;
  explicit CapturedStep(Function step, CaptureOptions options = {});  // runs nothing yet
  ~CapturedStep();
  CapturedStep(CapturedStep&&) noexcept;
  CapturedStep& operator=(CapturedStep&&) noexcept;

  // All inputs on one device. Throws DeviceError otherwise, and what the function throws.
  Tensor operator()(const std::vector<Tensor>& inputs);

  bool replayed() const;       // whether the last call launched a recording
  int recordings() const;      // kept now
  std::int64_t nodes() const;  // of the recording that was launched last; 0 before
  // Bytes of the recordings' arenas, and requests that their memory plans did not predict
  // (tensor/memory_plan.h).
  std::int64_t arena_bytes() const, unplanned() const;
  void clear();  // drops all recordings, for example after the model was moved or frozen

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gadolin
