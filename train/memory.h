// The memory that training a net takes, predicted from steps with two small batches.
#pragma once

#include <functional>

#include "layers/module.h"
#include "train/optimizer.h"

namespace gadolin {

struct TrainingMemory {        // bytes, in the allocator's blocks
  std::int64_t weights = 0;    // parameters and buffers
  std::int64_t gradients = 0;  // of the parameters that learn
  std::int64_t optimizer = 0;  // moments
  std::int64_t kept = 0;       // by the forward pass for the backward pass, with the batch itself
  std::int64_t peak = 0;       // of a whole step, with all of the above that lives then, and scratch memory
  std::int64_t measured_batch = 0;  // largest batch that was run
};

// The loss of a batch: of images [N, C, H, W] and class numbers [N].
using TrainingLoss = std::function<Tensor(const Tensor& images, const Tensor& labels)>;

// The memory of training `net` with batches of `input` [N, C, H, W] by `loss`, which calls it, computing in
// `compute`; `peak` is what the allocator of the device would show as `peak_allocated`. Steps with batches of
// 2 and 4 are run with the real optimiser, and every request for memory is written down. Requests that grow
// in proportion from 2 to 4 are taken to do so up to N, the others to stay as they are; the peak is the
// largest sum of what is in use at any moment of the step. N up to 4 is run as it is. Batches that a loader
// prepares at the same time are not counted. `net` must be in training mode; its weights and statistics
// change. Throws Unsupported when the two batches do not ask for the same blocks, so that nothing can be
// predicted.
TrainingMemory training_memory(Module& net, const TrainingLoss& loss, const Shape& input,
                               const OptimizerOptions& rule, DType compute = DType::fp32);

}  // namespace gadolin
