// A net as the list of ops that its evaluation records on the tape: what an export reads.
#pragma once

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
  Tensor input, output;       // hold the tape
  std::vector<TracedOp> ops;  // inputs before those who use them; the last one makes the output
};

// Runs `net` in evaluation mode on images [N, C, H, W] of two batch sizes, with layers called one by one
// (Unfused), as in their papers. Every parameter wants a gradient meanwhile, so that it is on the tape.
// Throws Unsupported when the ops depend on the size of the batch, or the result is not [N, classes].
Trace trace_net(Layer& net, const Shape& image);

}  // namespace gadolin
