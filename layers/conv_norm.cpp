#include "layers/conv_norm.h"

#include <bit>

#include "layers/conv_function.h"
#include "layers/norm_function.h"
#include "tensor/capture_state.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

DType type_computed_in(const Tensor& weight) { return for_compute(empty({0}, weight.dtype())).dtype(); }

template <class... T> bool recorded(const T&... tensors) {
  return grad_enabled() && ((tensors.defined() && tensors.requires_grad()) || ...);
}

// The filters' scale and the bias of both in one.
std::pair<Tensor, Tensor> folded(const Conv2d& conv, const BatchNorm2d& norm) {
  const Tensor& b = conv.bias();
  const Tensor scale = norm.weight() / sqrt(norm.running_var() + norm.eps());
  return {scale, norm.bias() + (b.defined() ? b - norm.running_mean() : -norm.running_mean()) * scale};
}

// Writes over what is kept: a recording on a GPU may read it.
void keep(Tensor& kept, const std::vector<Tensor>& parts, DType type) {
  const Tensor made = parts.size() == 1 ? parts[0] : concat(parts, 0);
  if (!kept.defined() || kept.shape() != made.shape() || kept.dtype() != type ||
      kept.device() != made.device()) {
    kept = empty_like(made, type);
  }
  kept.copy_(made);
}

}  // namespace

bool ConvNorm::folds(const Tensor& x, const Tensor& addend) const {
  return folds_recorded(x) && !recorded(x, addend, conv_->weight(), conv_->bias());
}

bool ConvNorm::folds_recorded(const Tensor& x) const {
  const Tensor &w = conv_->weight(), &scale = norm_->weight();
  if (Unfused::here() || norm_->function(false).options.training || recorded(scale, norm_->bias()))
    return false;
  // What does not fit is for the modules to refuse.
  return w.dtype() == scale.dtype() && w.device() == scale.device() && w.size(0) == scale.numel() &&
         type_computed_in(w) == for_compute(empty({0}, x.dtype())).dtype() &&
         (w.dtype() == DType::fp32 || w.dtype() == DType::fp64);
}

Tensor ConvNorm::run(const Tensor& x, ConvTail tail) const {
  if (folds(x, tail.addend)) return conv_->fused(x, std::move(tail), &folded_filters({conv_}, {norm_}));
  if (folds_recorded(x) && !tail.out.defined()) {
    const auto [scale, bias] = folded(*conv_, *norm_);
    return conv_->recorded(x, tail, detail::scaled(conv_->weight(), scale), bias);
  }
  const Tensor y = (*conv_)(x);
  if (!tail.addend.defined()) return tail.relu ? norm_->relu(y, {}, tail.out) : (*norm_)(y);
  return tail.relu ? norm_->add_relu(y, tail.addend) : gadolin::add((*norm_)(y), tail.addend);
}

Tensor ConvNorm::add_relu(const Tensor& x, Shortcut& shortcut, const Tensor& shortcut_x) const {
  if (!shortcut.projection_ || Unfused::here() || folds_recorded(x)) return add_relu(x, shortcut(shortcut_x));
  const ConvNorm& other = *shortcut.projection_;
  const Tensor z = shortcut.called(shortcut_x, [&] { return other.conv()(shortcut_x); });
  return norm_->join_relu((*conv_)(x), other.norm(), z);
}

Shortcut::Shortcut(Conv2d conv, BatchNorm2d norm) {
  Conv2d& first = append(std::move(conv));
  projection_.emplace(first, append(std::move(norm)));
}
Tensor Shortcut::forward(const Tensor& x) { return projection_ ? (*projection_)(x) : Sequential::forward(x); }

const FoldedFilters& folded_filters(const std::vector<Conv2d*>& convs, const std::vector<BatchNorm2d*>& norms,
                                    double factor) {
  const NoGrad guard;
  FoldedFilters& kept = convs.at(0)->folded();
  const DType type = type_computed_in(convs[0]->weight());
  std::vector<std::uint64_t> made_of{static_cast<std::uint64_t>(type), replays(),
                                     std::bit_cast<std::uint64_t>(factor)};
  const auto depends_on = [&](std::initializer_list<Tensor> tensors) {
    for (const Tensor& t : tensors)
      made_of.insert(made_of.end(), {t.defined() ? t.storage().id() : 0, t.defined() ? t.version() : 0});
  };
  for (const Conv2d* conv : convs) depends_on({conv->weight(), conv->bias()});
  for (const BatchNorm2d* norm : norms)
    depends_on({norm->weight(), norm->bias(), norm->running_mean(), norm->running_var()});
  if (caches_hold() && made_of == kept.made_of) return kept;
  const Tensor& first = convs[0]->weight();
  const bool scales = convs.size() == 1 && first.device().is_cpu() && first.dtype() == type;
  if (kept.scale.defined()) kept = {};  // never to write over a convolution's own
  std::vector<Tensor> weights, biases;
  for (std::size_t i = 0; i < convs.size(); ++i) {
    const Tensor &w = convs[i]->weight(), &b = convs[i]->bias();
    const auto [scale, bias] = norms.empty() ? std::pair{full({w.size(0)}, factor, w.dtype(), w.device()),
                                                         b.defined() ? b * factor : b}
                                             : folded(*convs[i], *norms[i]);
    if (scales) kept = {w, scale, {}, {}};
    weights.push_back(scales ? w : detail::scaled(w, scale));
    biases.push_back(bias.defined() ? bias : zeros({w.size(0)}, w.dtype(), w.device()));
  }
  if (!scales) keep(kept.weight, weights, type);
  keep(kept.bias, biases, type);
  kept.made_of =
      capturing() ? std::vector<std::uint64_t>{} : made_of;  // what is only recorded is not there yet
  return kept;
}

Tensor conv_then(Conv2d& conv, const Tensor& x, ConvTail tail, double factor) {
  const Tensor &w = conv.weight(), &b = conv.bias();
  if (Unfused::here()) {
    Tensor y = factor == 1 ? conv(x) : mul(conv(x), factor);
    if (tail.addend.defined()) y = add(tail.addend, y);
    return tail.relu ? relu(y) : y;
  }
  if (!recorded(x, tail.addend, w, b))
    return conv.fused(x, std::move(tail), factor == 1 ? nullptr : &folded_filters({&conv}, {}, factor));
  if (factor == 1) return conv.recorded(x, tail);
  return conv.recorded(x, tail, mul(w, factor), b.defined() ? mul(b, factor) : b);
}

}  // namespace gadolin
