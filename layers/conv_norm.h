// Convolution, batch norm, addition and ReLU as one convolution, where nobody needs what lies between them.
#pragma once

#include <optional>

#include "layers/conv.h"
#include "layers/module.h"
#include "layers/norm.h"

namespace gadolin {

class Shortcut;

// A convolution and the batch norm behind it. Both are children of the module that declares the pair, which
// gives them the names of its file format:
//
//   ConvNorm conv1_{add("conv1", Conv2d(3, 64, 7)), add("bn1", BatchNorm2d(64))};   // braces keep the order
//   Tensor y = conv1_.relu(x);                                                    // relu(bn1(conv1(x)))
//
// When the batch norm uses its running statistics and does not learn, its scale and shift go into filters and
// bias, w' = w s and b' = beta + (b - mean) s with s = gamma / sqrt(variance + eps) (Jacob et al. 2018,
// section 3.2). Where nothing is recorded those are kept until one of the tensors that they are made of
// changes; otherwise they are made at each call, and the gradient of w' is passed on to w. In all other
// cases, and in an Unfused scope, the two modules run one by one.
class ConvNorm {
 public:
  ConvNorm(Conv2d& conv, BatchNorm2d& norm) : conv_(&conv), norm_(&norm) {}  // both must outlive it
  Tensor operator()(const Tensor& x) const { return run(x, {}); }            // norm(conv(x))
  // `out`: where to write.
  Tensor relu(const Tensor& x, const Tensor& out = {}) const { return run(x, {.relu = true, .out = out}); }
  // Norm(conv(x)) + addend.
  Tensor add(const Tensor& x, Tensor addend) const { return run(x, {.addend = std::move(addend)}); }
  // relu(norm(conv(x)) + addend), in one pass.
  Tensor add_relu(const Tensor& x, Tensor addend) const {
    return run(x, {.addend = std::move(addend), .relu = true});
  }
  // relu(norm(conv(x)) + shortcut(shortcut_x)). Two batch norms that are recorded join in one pass.
  Tensor add_relu(const Tensor& x, Shortcut& shortcut, const Tensor& shortcut_x) const;

  // Whether the two are one for these inputs, with nothing recorded.
  bool folds(const Tensor& x, const Tensor& addend = {}) const;
  // The two modules:
  Conv2d& conv() const { return *conv_; }
  BatchNorm2d& norm() const { return *norm_; }

 private:
  bool folds_recorded(const Tensor& x) const;
  Tensor run(const Tensor& x, ConvTail tail) const;
  Conv2d* conv_;
  BatchNorm2d* norm_;
};

// What brings a block's input to the shape of its result, under the names of a Sequential: a convolution and
// a batch norm, something else, or nothing, which hands the input on.
class Shortcut : public Sequential {
 public:
  // Nothing, or any layers.
  using Sequential::Sequential;
  Shortcut(Conv2d conv, BatchNorm2d norm);  // under the names "0" and "1"
  Tensor forward(const Tensor& x) override;

 private:
  friend class ConvNorm;
  std::optional<ConvNorm> projection_;
};

// factor conv(x), then what the tail says: in one pass when nothing is recorded.
Tensor conv_then(Conv2d& conv, const Tensor& x, ConvTail tail, double factor = 1);

// The folded filters and biases of all `convs`, joined and kept by the first one; without norms: the
// convolutions' own, times `factor`.
const FoldedFilters& folded_filters(const std::vector<Conv2d*>& convs, const std::vector<BatchNorm2d*>& norms,
                                    double factor = 1);

}  // namespace gadolin
