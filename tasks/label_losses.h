// How wrong logits of several labels are, row by row: the losses that a head CT net can be trained with, and
// their masked means.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// Of logits [..., K] and targets of the same shape: a row's loss [...], summed over its labels.
using RowLosses = std::function<Tensor(const Tensor& logits, const Tensor& target)>;

// With p = s(x), the logistic function of the logits, which is also what a prediction gives:
//   bin       binary cross-entropy
//   weighted  the same, each label times its weight
//   log       the same of p + 1e-7 and 1 - p + 1e-7, as TensorFlow's log_loss adds them
//   l1        |p - y|
//   l2        (p - y)^2
//   cat       -sum y log softmax(x): labels share one probability
// `weights` [K] counts for `weighted` alone; `device`: where logits will lie. Throws UsageError for another
// kind, naming all.
RowLosses row_losses(const std::string& kind, const std::vector<double>& weights, Device device);
const std::vector<std::string>& row_loss_kinds();

// sum m r / sum m of losses r and a mask m of one shape; 0 where nothing counts. Undefined mask: the mean.
// What the mask leaves out may be anything but NaN.
Tensor masked_mean(const Tensor& losses, const Tensor& mask = {});

}  // namespace gadolin
