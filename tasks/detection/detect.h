// From what a net says of its anchors to boxes: the best of each level, decoded, cut to the picture, and of
// those that show the same object one.
#pragma once

#include <vector>

#include "tasks/detection/boxes.h"

namespace gadolin {

// Which boxes are kept.
struct DetectOptions {
  double score = 0.05;             // a class must be more probable than this
  std::int64_t candidates = 1000;  // of each level and picture, the most probable ones
  double overlap = 0.5;            // of non-maximum suppression (tasks/detection/nms.h)
  bool by_class = true;            // boxes of different classes do not suppress one another
  bool best_class = false;         // an anchor gives its most probable class alone: legacy
  std::int64_t most = 300;         // of each picture
  BoxCoder coder = {};             // what the net's numbers mean
};

// Of a batch, the most probable first; -1 behind the last.
struct Detections {
  Tensor boxes;  // fp32 [N, most, 4], x1 y1 x2 y2, cut to the picture
  Tensor score;  // fp32 [N, most]
  Tensor label;  // int64 [N, most]
  Tensor count;  // int64 [N]
  std::vector<Tensor> tensors() const { return {boxes, score, label, count}; }  // all four
};

// logits [N, A, K] and deltas [N, A, 4] of any floating type; anchors fp32 [A, 4]; `levels`: anchors of each
// level, in their order; size int64 [N, 2]: height and width of each picture without its padding.
// Candidates are ordered by their logits, equal ones by their place in the logits, so that all devices choose
// alike. A NaN logit comes first and ends among the detections, with NaN for its score: who reads them can
// tell. Reads nothing on the host, so it can be recorded. Throws ShapeError, DTypeError, DeviceError;
// ValueError for options outside their ranges, 2^32 logits a picture and more, and on CUDA for more than
// 32,768 candidates a picture. Not differentiable.
Detections detect(const Tensor& logits, const Tensor& deltas, const Tensor& anchors,
                  const std::vector<std::int64_t>& levels, const Tensor& size,
                  const DetectOptions& options = {});

}  // namespace gadolin
