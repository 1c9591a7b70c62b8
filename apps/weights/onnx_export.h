// A classifier as an ONNX file.
#pragma once

#include "apps/program/command.h"
#include "io/onnx_file.h"
#include "tasks/classifier.h"

namespace gadolin {

struct OnnxOptions {
  Shape image;        // [C, H, W] of one input
  bool fold = false;  // batch norms into the convolutions before them
};

// The graph of `net` (fp32, on the CPU) in evaluation mode: `input` [batch, C, H, W] to `logits` [batch,
// classes]. Parameters and buffers are initialisers under their names. Its mode is put back. Throws
// Unsupported, naming op and place, for an op that has no translation.
OnnxModel onnx_of(Layer& net, const OnnxOptions& options);

// What a runtime has to know besides: model, classes, activation, preprocessing, as plain text
// (docs/onnx.md).
TextMap onnx_metadata(const Classifier& classifier, const Shape& image);

// Of the checkpoint's pipeline, or what `given` ("1x96x96", or "") says. Throws UsageError when neither fixes
// a size.
Shape onnx_input(const Classifier& classifier, const std::string& given);

}  // namespace gadolin
