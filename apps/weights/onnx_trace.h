// A net as the list of ops that its evaluation records on the tape: what an export reads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "layers/module.h"

namespace gadolin {

struct TracedOp {
  const Node* node;
  Attributes attributes;
  std::vector<std::int64_t> sizes;  // of the result; -1 where it depends on the size of the batch
  std::string place() const;        // "layer1.0.conv1: conv2d", for messages
};

struct Trace {
  Tensor input;                 // these two hold the tape
  std::vector<Tensor> outputs;  // of two images
  std::vector<TracedOp> ops;    // inputs before those who use them
};

// Runs `call`, which calls `net`, in evaluation mode on images [N, C, H, W] of two batch sizes, with layers
// called one by one (Unfused), as in their papers. Every parameter wants a gradient meanwhile, so that it is
// on the tape. Throws Unsupported when the ops depend on the size of the batch.
using TracedCall = std::function<std::vector<Tensor>(const Tensor& x)>;
Trace trace_net(Module& net, const TracedCall& call, const Shape& image);

}  // namespace gadolin
