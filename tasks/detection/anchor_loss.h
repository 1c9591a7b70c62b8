// Losses of detectors that judge anchors, such as RetinaNet: sums over the anchors of each picture, to be
// divided by the number of anchors that hold an object. No number is read by the host, so a step with them
// can be recorded.
#pragma once

#include "tensor/tensor.h"

namespace gadolin {

// What an anchor holds, in int64 [N, A]: a class from 0 on, or one of these.
inline constexpr std::int64_t anchor_background = -1, anchor_ignored = -2;  // no object; counts for nothing

// Focal loss (Lin et al. 2017, equation 5) of independent classes, on logits: over the anchors that are not
// ignored and all classes, alpha_t (1 - p_t)^gamma times the binary cross-entropy; alpha weighs the class
// that an anchor holds, 1 - alpha the others; alpha < 0 leaves both out.
//   logits [N, A, K] of a floating type, label int64 [N, A] -> [N], in fp32 (fp64 for fp64)
// Keeps both inputs. NaN in a logit that counts gives NaN. Throws ShapeError, DTypeError, DeviceError;
// ValueError for a negative gamma, alpha above 1, and, on the CPU, for a label that is no class; on CUDA such
// a label counts as background.
Tensor anchor_focal_loss(const Tensor& logits, const Tensor& label, double alpha = 0.25, double gamma = 2);

// Which loss boxes are learnt by.
struct BoxLossOptions {
  // On the four numbers, or on overlaps.
  enum class Kind : std::uint8_t { smooth_l1, giou } kind = Kind::smooth_l1;
  double beta = 1.0 / 9;  // of smooth L1: 0.5 d^2 / beta up to here, |d| - 0.5 beta above; 0: L1
};
// The loss of the boxes of anchors whose label is a class.
//   boxes [N, A, 4] of a floating type; target [N, A, 4], fp32 (fp64 for fp64); label int64 [N, A] -> [N], in
//   fp32 (fp64). What stands at other anchors is not read, NaN neither.
// Smooth L1 (Girshick 2015, equation 3) sums over the four numbers, whatever they are. GIoU (Rezatofighi et
// al. 2019) is 1 minus the generalised overlap of corners x1 y1 x2 y2; a box with x2 < x1 or y2 < y1 has no
// area. Keeps its inputs, differentiable in boxes.
Tensor anchor_box_loss(const Tensor& boxes, const Tensor& target, const Tensor& label,
                       const BoxLossOptions& options = {});

// Sums of pictures as one loss. positives [] or [1], over the whole batch: sum / max(1, positives);
// positives [N], of each picture: the mean of sums / max(1, positives). NaN stays NaN.
Tensor per_positive(const Tensor& sums, const Tensor& positives);

}  // namespace gadolin
