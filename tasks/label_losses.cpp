#include "tasks/label_losses.h"

#include <algorithm>

#include "io/text.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr double log_loss_epsilon = 1e-7;

// -y log p - (1 - y) log(1 - p), from logits.
Tensor cross_entropies(const Tensor& x, const Tensor& y) { return sub(softplus(x), mul(x, y)); }

Tensor padded_cross_entropies(const Tensor& x, const Tensor& y) {
  const Tensor p = sigmoid(x), no = add(neg(y), 1.0);
  return neg(
      add(mul(y, log(add(p, log_loss_epsilon))), mul(no, log(add(sigmoid(neg(x)), log_loss_epsilon)))));
}

}  // namespace

const std::vector<std::string>& row_loss_kinds() {
  static const std::vector<std::string> kinds{"bin", "weighted", "log", "l1", "l2", "cat"};
  return kinds;
}

RowLosses row_losses(const std::string& kind, const std::vector<double>& weights, Device device) {
  const auto& known = row_loss_kinds();
  require<UsageError>(std::find(known.begin(), known.end(), kind) != known.end(), "--loss ", kind,
                      " is unknown; use ", joined(known));
  const Tensor weight =
      from_vector(std::vector<float>(weights.begin(), weights.end()), {std::ssize(weights)}, device);
  return [kind, weight](const Tensor& logits, const Tensor& target) {
    const Tensor x = logits.to(DType::fp32), y = target.to(DType::fp32);
    const Dims last{-1};
    if (kind == "bin") return sum(cross_entropies(x, y), last);
    if (kind == "weighted") return sum(mul(cross_entropies(x, y), weight), last);
    if (kind == "log") return sum(padded_cross_entropies(x, y), last);
    if (kind == "l1") return sum(abs(sub(sigmoid(x), y)), last);
    if (kind == "l2") return sum(pow(sub(sigmoid(x), y), 2.0), last);
    return neg(sum(mul(y, log_softmax(x, -1)), last));
  };
}

Tensor masked_mean(const Tensor& losses, const Tensor& mask) {
  if (!mask.defined()) return mean(losses);
  const Tensor m = mask.to(losses.dtype());
  return div(sum(mul(losses, m)), clamp(sum(m), 1.0, 1e30));  // no row counts: 0 / 1
}

}  // namespace gadolin
