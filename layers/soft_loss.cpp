// Soft targets as a composition of ops.
#include "layers/soft_loss.h"

#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target,
                          const SoftCrossEntropyOptions& options) {
  const char* const name = "soft_cross_entropy";
  require<ShapeError>(logits.dim() == 2 && target.shape() == logits.shape(), name, ": logits ",
                      logits.shape(), " and target ", target.shape(), " are not both [N, C]");
  require<DTypeError>(is_floating(logits.dtype()), name, ": logits are ", logits.dtype(),
                      "; convert with .to(DType::fp32)");
  require<DTypeError>(target.dtype() == logits.dtype(), name, ": target is ", target.dtype(),
                      " but logits are ", logits.dtype(),
                      "; class numbers become probabilities by one_hot()");
  const double smoothing = options.label_smoothing, classes = static_cast<double>(logits.size(1));
  require<ValueError>(smoothing >= 0 && smoothing <= 1, name, ": label smoothing ", smoothing,
                      " is outside [0, 1]");
  const Tensor& weight = options.class_weight;
  require<ShapeError>(!weight.defined() || weight.shape() == Shape{logits.size(1)}, name, ": class weights ",
                      weight.defined() ? weight.shape() : Shape{}, " are not [", logits.size(1), "]");
  const DType wide = logits.dtype() == DType::fp64 ? DType::fp64 : DType::fp32;
  Tensor truth = target.to(wide);
  if (smoothing > 0) truth = truth * (1 - smoothing) + smoothing / classes;
  if (weight.defined()) truth = truth * weight.to(wide);
  return neg(mean(sum(truth * log_softmax(logits.to(wide), 1), {1})));
}

}  // namespace gadolin
