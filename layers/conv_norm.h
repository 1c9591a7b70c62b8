// Convolution, batch norm, addition and ReLU as one convolution, where nobody needs what lies between them.
#pragma once

#include "layers/conv.h"
#include "layers/norm.h"

namespace gadolin {

// norm(conv(x)) [+ addend] [then relu], written into `out` if there is one.
// When the batch norm uses its running statistics and nothing is recorded or watched, its scale and shift go
// into filters and bias, w' = w s and b' = beta + (b - mean) s with s = gamma / sqrt(variance + eps) (Jacob
// et al. 2018, section 3.2). Those are kept until one of the tensors that they are made of changes. Otherwise
// the two modules run one by one.
Tensor conv_norm(Conv2d& conv, BatchNorm2d& norm, const Tensor& x, bool relu, Tensor addend = {},
                 const Tensor& out = {});

// factor conv(x) [+ addend] [then relu]: in one pass when nothing is recorded or watched.
Tensor conv_add(Conv2d& conv, const Tensor& x, bool relu, Tensor addend = {}, const Tensor& out = {},
                double factor = 1);

// Whether conv_norm would fold these.
bool folds(Conv2d& conv, const BatchNorm2d& norm, const Tensor& x, const Tensor& addend = {});
// Filters and biases of convolutions that fold, side by side, kept by the first one; without norms: times
// `factor`.
const FoldedFilters& folded_filters(const std::vector<Conv2d*>& convs, const std::vector<BatchNorm2d*>& norms,
                                    double factor = 1);

}  // namespace gadolin
