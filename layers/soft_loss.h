// Cross-entropy against probabilities of classes instead of class numbers: mixed pictures, teachers.
#pragma once

#include "tensor/tensor.h"

namespace gadolin {

struct SoftCrossEntropyOptions {
  Tensor class_weight = {};    // [C], or undefined
  double label_smoothing = 0;  // share of the target spread evenly over all classes
};
// Mean over the rows of -sum over c of w_c target_c log softmax(logits)_c, w = 1 without weights.
//   logits [N, C] of a floating type, target [N, C] of the same; -> [] in at least fp32. Rows of the target
//   are meant to be 0 or more with a sum of 1; this is not checked.
// With one-hot targets it is cross_entropy, except with class weights: the mean divides by N here and by the
// targets' weights there. Agrees with torch.nn.functional.cross_entropy with class probabilities. A
// composition of ops, differentiable in logits and target. A logit of -infinity gives NaN, as there.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target,
                          const SoftCrossEntropyOptions& options = {});

}  // namespace gadolin
