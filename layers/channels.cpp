#include "layers/channels.h"

#include "layers/conv_function.h"
#include "layers/norm_function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// Keeps what the batch norm keeps: x and the statistics. Differentiable in x, the batch norm's weight and
// bias, filters and bias of the convolution.
struct NormReluConvFunction {
  static constexpr auto name = "norm_relu_conv";
  detail::BatchNormFunction norm;
  detail::Conv2dFunction conv;
  Saved filters;
  Tensor into;
  bool biased = false;

  void check(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor&, const Tensor&) const {
    norm.check(x, weight, bias, {}, {}, {});
  }
  Tensor allocate(const Tensor& x, const Tensor&, const Tensor&, const Tensor& w, const Tensor& b) const {
    return conv.allocate(x, w, b);
  }
  void save(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& w, const Tensor& b,
            const Tensor&) {
    norm.keep(x, weight, bias);
    filters = w;
    biased = b.defined();
  }
  template <class D>
  void forward(D d, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& w,
               const Tensor& b, Tensor& y) const {
    Tensor a = detail::empty_rows(x);
    norm.forward(d, x, weight, bias, {}, {}, {}, a);
    conv.forward(d, a, w, b, y);
  }
  template <class D> Grads backward(D d, const Tensor& dy, Need need) {
    Tensor a = detail::empty_rows(norm.x);
    if (a.numel() > 0) norm.normalise(d, norm.x, norm.weight, norm.bias, {}, {}, a);
    conv.save(a, filters, biased ? a : Tensor(), {});
    const bool above = need[0] || need[1] || need[2];
    Grads of_conv = conv.backward(d, dy, {(above ? 1u : 0u) | (need.bits >> 2 & 6u)});
    conv.x = a = Tensor();
    Grads grads(3);
    norm.into = into;
    if (above) grads = norm.backward(d, of_conv[0], {need.bits & 7u});
    norm.into = Tensor();
    return {grads[0], grads[1], grads[2], of_conv[1], of_conv[2]};
  }
};

}  // namespace

ChannelBuffer::ChannelBuffer(const Tensor& like, std::int64_t channels, std::int64_t height,
                             std::int64_t width, bool statistics)
    : memory_(empty({like.size(0), channels, height, width}, like.dtype(), like.device(),
                    MemoryFormat::channels_last)) {
  if (!statistics) return;
  const DType dtype = like.dtype() == DType::fp64 ? DType::fp64 : DType::fp32;
  statistics_ = {empty({channels}, dtype, like.device()), empty({channels}, dtype, like.device())};
}

Tensor ChannelBuffer::slot(std::int64_t channels) const {
  require<ShapeError>(channels >= 0 && filled_ + channels <= memory_.size(1), "channels: ", channels,
                      " more than the ", filled_, " there are do not fit into a buffer of ", memory_.size(1));
  return memory_.slice(1, filled_, filled_ + channels);
}

void ChannelBuffer::append(const Tensor& y) {
  const NoGrad guard;
  const Tensor to = slot(y.dim() == 4 ? y.size(1) : 0);
  require<ShapeError>(to.shape() == y.shape() && to.dtype() == y.dtype(), "channels: ", y.dtype(), " ",
                      y.shape(), " does not stand beside ", memory_.dtype(), " ", memory_.shape());
  if (y.numel() > 0 && (y.raw() != to.raw() || y.strides() != to.strides()))
    detail::copy_elements(y.detach(), to);
  if (statistics_.mean.defined()) {
    statistics_.values =
        channel_statistics(to, {statistics_.mean.slice(0, filled_, filled_ + y.size(1)),
                                statistics_.variance.slice(0, filled_, filled_ + y.size(1))});
  }
  filled_ += y.size(1);
  parts_.push_back(y);
}

Tensor ChannelBuffer::all() {
  if (parts_.size() == 1 && parts_[0].size(1) == filled_ && parts_[0].raw() == memory_.raw())
    return parts_[0];
  Tensor joined = memory_.view({memory_.size(0), filled_, memory_.size(2), memory_.size(3)},
                               memory_.strides(), memory_.offset());
  detail::record_concat(joined, parts_, 1);
  parts_ = {joined};
  return joined;
}

ChannelStatistics ChannelBuffer::statistics() const {
  if (!statistics_.mean.defined()) return {};
  return {statistics_.mean.slice(0, 0, filled_), statistics_.variance.slice(0, 0, filled_),
          statistics_.values};
}

Tensor norm_relu_conv(const Tensor& x, BatchNorm2d& norm, Conv2d& conv, const ChannelStatistics& known) {
  if (Unfused::here()) return conv(norm.relu(x, known));
  NormReluConvFunction f{norm.function(true), conv.function(), {}, {}};
  f.norm.known = known;
  return apply(std::move(f), for_compute(x), norm.weight().contiguous(), norm.bias().contiguous(),
               conv.compute_weight(), for_compute(conv.bias()));
}

Tensor dense_bottleneck(const Tensor& x, const NormReluConv& first, const NormReluConv& second,
                        const ChannelStatistics& known, const Tensor& out) {
  const ConvNorm between(first.conv, second.norm);
  if (between.folds(x)) return conv_then(second.conv, between.relu(first.norm.relu(x, known)), {.out = out});
  return norm_relu_conv(norm_relu_conv(x, first.norm, first.conv, known), second.norm, second.conv);
}

Tensor mean_of_conv(Conv2d& conv, const Tensor& x, const PoolOptions& window) {
  return Unfused::here() ? avg_pool2d(conv(x), window) : conv(avg_pool2d(x, window));
}

std::vector<Tensor> sibling_convs(const Tensor& x, const std::vector<Conv2d*>& convs,
                                  const std::vector<BatchNorm2d*>& norms) {
  std::vector<Tensor> results, filters;
  if (Unfused::here()) {
    for (Conv2d* conv : convs) results.push_back((*conv)(x));
    return results;
  }
  const Conv2dOptions& options = convs.at(0)->options();
  for (Conv2d* conv : convs) {
    require<ValueError>(conv->options() == options && !conv->bias().defined(),
                        "sibling_convs: convolutions with other options or with biases cannot be one");
    if (norms.empty()) filters.push_back(conv->compute_weight());
  }
  detail::Conv2dFunction joint{.options = options};
  joint.filters_go = true;
  const Tensor y = norms.empty() ? apply(std::move(joint), for_compute(x), concat(filters, 0), Tensor())
                                 : convs[0]->fused(x, {.relu = true}, &folded_filters(convs, norms));
  std::int64_t at = 0;
  for (const Conv2d* conv : convs) {
    const std::int64_t channels = conv->weight().size(0);
    results.push_back(y.slice(1, at, at + channels));
    at += channels;
  }
  return results;
}

}  // namespace gadolin
