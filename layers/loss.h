// Losses. All are scalars in at least fp32: 16-bit logits are read as they are or converted first.
#pragma once

#include "tensor/tensor.h"

namespace gadolin {

// How a cross-entropy counts.
struct CrossEntropyOptions {
  Tensor class_weight = {};          // [C] fp32, or undefined
  double label_smoothing = 0;        // share of the target spread evenly over all classes
  std::int64_t ignore_index = -100;  // rows with this target count for nothing
};
// Mean over the rows of -log softmax(logits)[target]; with class weights the mean is weighted by the targets'
// weights.
//   logits [N, C], target [N] int64 -> []. The same pass writes the gradient of the sum, in the logits'
//   dtype, where logits want one, and keeps it. Rows that are ignored get 0; a mean over none is NaN.
// On the CPU throws ValueError for a target outside [0, C); on CUDA such a row gives NaN.
// Agrees with torch.nn.functional.cross_entropy.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

// Cross-entropy against probabilities of classes instead of class numbers: mixed pictures, teachers.
// Mean over the rows of -sum over c of w_c target_c log softmax(logits)_c, w = 1 without weights.
//   logits [N, C] of a floating type, target [N, C] of the same; -> [] in at least fp32. Rows of the target
//   are meant to be 0 or more with a sum of 1; this is not checked.
// options.ignore_index means nothing here. With one-hot targets it is cross_entropy, except with class
// weights: the mean divides by N here and by the targets' weights there. Agrees with
// torch.nn.functional.cross_entropy with class probabilities. A composition of ops, differentiable in logits
// and target. A logit of -infinity gives NaN, as there.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target,
                          const CrossEntropyOptions& options = {});

// Mean of -[p y log s(x) + (1 - y) log(1 - s(x))], s the logistic function, p the positive weight of a class.
//   logits [N, C], target [N, C] of the logits' dtype; positive_weight [C] or undefined; mask [N, C] or
//   undefined: elements where it is 0 count for nothing, and the mean is over the others.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        const Tensor& positive_weight = {}, const Tensor& mask = {});

// What becomes of the elements' losses: their mean or their sum.
enum class Reduction : std::uint8_t { mean, sum };
// Focal loss (Lin et al. 2017) for independent labels: alpha_t (1 - p_t)^gamma times the binary
// cross-entropy, with p_t the probability given to the truth. alpha < 0 leaves alpha_t out. Shapes as above.
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& target, double alpha = 0.25, double gamma = 2,
                          Reduction reduction = Reduction::mean);
// The same for one class a row: (1 - p_t)^gamma times the cross-entropy; class weights and ignored rows as
// above.
Tensor softmax_focal_loss(const Tensor& logits, const Tensor& target, double gamma = 2,
                          const CrossEntropyOptions& options = {});

// 0.5 d^2 / beta where |d| < beta, |d| - 0.5 beta elsewhere, d = x - target.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, double beta = 1,
                      Reduction reduction = Reduction::mean);
// (x - target)^2; shapes broadcast.
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);

}  // namespace gadolin
