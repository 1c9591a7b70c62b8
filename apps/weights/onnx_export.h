// Classifiers, detectors and nets of sequences as ONNX files.
#pragma once

#include "apps/program/command.h"
#include "apps/weights/onnx_trace.h"
#include "io/onnx_file.h"
#include "tasks/classification.h"
#include "tasks/detection/detection.h"
#include "tasks/sequences/sequences.h"

namespace gadolin {

struct OnnxOptions {
  Shape image;        // [C, H, W] of one input
  bool fold = false;  // batch norms into the convolutions before them
};

// The graph of `net` (fp32, on the CPU) in evaluation mode: `input` [batch, C, H, W] to `logits` [batch,
// classes]. Parameters and buffers are initialisers under their names. Its mode is put back. Throws
// Unsupported, naming op and place, for an op that has no translation.
OnnxModel onnx_of(Layer& net, const OnnxOptions& options);
// The same of any call of a net: `outputs` names the tensors that it gives, each [batch, ...].
OnnxModel onnx_of(Module& net, const TracedCall& call, const std::vector<std::string>& outputs,
                  const OnnxOptions& options);

// A detector with everything between its pictures and its boxes: `input` [batch, C, H, W] and `size` int64
// [batch, 2], height and width of each picture without its padding, to `boxes` [batch, M, 4], x1 y1 x2 y2 in
// pixels of the input, `scores` [batch, M], `labels` int64 [batch, M], the best first and -1 behind the last,
// and `count` int64 [batch]. M is the setting `most`, or all candidates where they are fewer. Corners,
// candidates and suppression are those of detect() (tasks/detection/detect.h).
OnnxModel onnx_of(DetectionTask& detector, const OnnxOptions& options);

// The sequence classifier (fp32, on the CPU): `input` [batch, steps, features] and `length` int64 [batch],
// the steps of each sequence that count, to `logits` [batch, steps, classes]; without classes `features`.
// Behind a sequence's end the logits are the last layer's bias. Batch and steps are of any size. Throws
// Unsupported for a projection and for rnn_relu.
OnnxModel onnx_of(SequenceNet& net);

// What a runtime has to know besides: model, classes, activation, preprocessing, of a detector its settings,
// as plain text (docs/onnx.md).
TextMap onnx_metadata(const Task& task, const NetOptions& options, const Shape& image);
TextMap onnx_metadata(const SequenceTask& task);

// Of the checkpoint's pipeline, or what `given` ("1x96x96", or "") says, for a net that usually takes
// pictures as `info` says. Throws UsageError when neither fixes a size.
Shape onnx_input(const Task& task, const NetOptions& options, const NetInfo& info, const std::string& given);

}  // namespace gadolin
