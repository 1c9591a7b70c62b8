// What a net is made of, layer by layer: found by running it once with an observer, unfused.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "layers/module.h"

namespace gadolin {

// A call of a module.
struct LayerRow {
  std::string path, kind;         // "layer1.0.conv1", "Conv2d"
  int depth = 0;                  // dots in the path, plus one; 0 for the net itself
  Shape output;                   // of the first result when there are several
  std::int64_t parameters = 0;    // own ones, without those of children
  std::int64_t trainable = 0;     // of these, those that want a gradient
  std::int64_t macs = 0;          // multiply-adds of one forward pass over the batch
  std::int64_t output_bytes = 0;  // 0 for a layer that hands its input on
  bool leaf = false;              // no module below it was called
};

// All calls of one pass, and totals.
struct NetSummary {
  Shape input;                 // [N, C, H, W]
  std::vector<LayerRow> rows;  // a parent before its children, in the order of calls
  std::int64_t parameters = 0, trainable = 0, macs = 0;  // numbers; of these, that learn; multiply-adds
  std::int64_t state_entries = 0, state_bytes = 0;       // parameters and buffers
  std::int64_t activation_bytes = 0;                     // results of all leaves, without workspaces
};

// Runs `net` once in evaluation mode, without a tape, on zeros of this shape on the CPU; the mode is put
// back. A layer that is called twice has two rows, and its parameters count in the first.
NetSummary summarise(Layer& net, const Shape& input);
// Of a net that is no Layer: `forward` calls it.
NetSummary summarise(Module& net, const Shape& input, const std::function<void(const Tensor&)>& forward);

// The table as text: a row a layer with output shape, parameters, multiply-adds and the memory of a leaf's
// result, then totals. `max_depth` hides what lies deeper.
std::string to_text(const NetSummary& summary, int max_depth = 99);

}  // namespace gadolin
