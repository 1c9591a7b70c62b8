#include "course/todo.h"
#include "layers/conv.h"

#include <algorithm>

#include "layers/conv_function.h"
#include "layers/init.h"
#include "layers/winograd.h"
#include "tensor/ops.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace detail {

namespace {
// Results along one dimension, and the padding before and after it. Negative when the filter does not fit.
struct Extent {
  std::int64_t out;
  int before, after;
};
Extent extent(std::int64_t in, std::int64_t filter, int stride, int padding, int dilation, bool same) {
  course::todo("3.2a", "extent");
}
}  // namespace

ConvSizes conv_sizes(const Tensor& x, const Tensor& weight, const Conv2dOptions& o) {
  require<ShapeError, 10>(x.dim() == 4, "conv2d: input ", x.shape(), " is not [N, C, H, W]");
  require<ShapeError, 11>(weight.dim() == 4, "conv2d: weight ", weight.shape(),
                          " is not [K, C / groups, R, S]");
  require<ValueError, 10>(o.stride.h > 0 && o.stride.w > 0 && o.dilation.h > 0 && o.dilation.w > 0 &&
                              o.groups > 0 && o.padding.h >= 0 && o.padding.w >= 0,
                          "conv2d: stride, dilation and groups must be positive and padding not negative");
  require<ShapeError, 12>(x.size(1) == weight.size(1) * o.groups, "conv2d: input ", x.shape(),
                          " has C=", x.size(1), ", but weight ", weight.shape(), " with groups=", o.groups,
                          " takes C=", weight.size(1) * o.groups);
  require<ShapeError, 13>(weight.size(0) % o.groups == 0, "conv2d: weight ", weight.shape(),
                          " has K=", weight.size(0), ", which groups=", o.groups, " do not divide");
  require<ValueError, 11>(!o.same || o.padding == Pair(0),
                          "conv2d: same decides the padding; leave padding at 0");
  ConvSizes z{x.size(0), x.size(1), x.size(2), x.size(3), weight.size(0), weight.size(2), weight.size(3),
              0,         0,         o.groups,  o};
  const Extent high = extent(z.h, z.r, o.stride.h, o.padding.h, o.dilation.h, o.same);
  const Extent wide = extent(z.w, z.s, o.stride.w, o.padding.w, o.dilation.w, o.same);
  require<ShapeError, 14>(high.out >= 0 && wide.out >= 0, "conv2d: weight ", weight.shape(),
                          " is larger than the padded input ", x.shape(),
                          "; use a larger image or fewer strides before this layer");
  z.p = high.out;
  z.q = wide.out;
  z.before = {high.before, wide.before};
  z.after = {high.after, wide.after};
  return z;
}

Attributes Conv2dFunction::attributes() const {
  const ConvSizes z = conv_sizes(x, weight, options);
  return {{"stride", options.stride.vec()},
          {"dilation", options.dilation.vec()},
          {"groups", options.groups},
          {"relu", relu},
          {"padding", std::vector<std::int64_t>{z.before.h, z.before.w, z.after.h, z.after.w}}};
}

namespace {

// The result's shape, when x, filters and bias fit.
Shape result_shape(const Tensor& in, const Tensor& filters, const Tensor& bias,
                   const Conv2dOptions& options) {
  const ConvSizes z = conv_sizes(in, filters, options);
  require<ShapeError, 15>(!bias.defined() || bias.shape() == Shape{z.k}, "conv2d: bias ",
                          bias.defined() ? bias.shape() : Shape{}, " is not [", z.k, "]");
  return {z.n, z.k, z.p, z.q};
}
void require_result(const char* done, const Tensor& t, const Shape& shape, const Tensor& in) {
  require<ShapeError>(t.shape() == shape && t.dtype() == in.dtype(), "conv2d: a result of ", in.dtype(), " ",
                      shape, " cannot be ", done, " ", t.dtype(), " ", t.shape());
}
Tensor new_result(const Shape& shape, const Tensor& in) {
  const bool fast = in.device().is_cuda() || onednn_takes(in);
  return empty(shape, in.dtype(), in.device(), fast ? MemoryFormat::channels_last : in.format());
}

// scale: of each filter, or undefined. records: there will be a backward, which asks a ReLU's result for y >
// 0.
void forward_on_cpu(const Conv2dOptions& options, const Tensor& in, const Tensor& filters,
                    const Tensor& scale, const Tensor& bias, const ConvTail& tail, bool keep_filters,
                    bool records, Tensor& y) {
  const ConvSizes z = conv_sizes(in, filters, options);
  if (y.numel() == 0) return;
  if (!onednn_takes(in)) {
    conv_forward_reference(z, in, scale.defined() ? scaled(filters, scale).to(in.dtype()) : filters, y);
    if (bias.defined()) y.add_(bias.reshape({1, z.k, 1, 1}).expand(y.shape()));
    if (tail.addend.defined()) y.add_(tail.addend);
    if (tail.relu) y.copy_(relu(y));
    return;
  }
  const WinogradChoice how = winograd_choice(ConvPass::forward, z, in.dtype(), !records);
  const bool widens = how ? in.dtype() == DType::fp16 : onednn_widens(in);
  const auto run = [&](const Tensor& x, const Tensor& b, const Tensor& addend, Tensor& to) {
    if (how) return conv_forward_winograd(how, z, x, filters, scale, b, {addend, tail.relu}, to);
    conv_forward_onednn(z, x, filters, scale, b, {addend, tail.relu && !records}, to, keep_filters);
    if (tail.relu && records) relu_in_place(to);
  };
  if (!widens && (how || y.is_contiguous(MemoryFormat::channels_last))) return run(in, bias, tail.addend, y);
  // Into other memory first: oneDNN writes slices of channels, which it can, by plain loops.
  const auto working = [&](const Tensor& t) { return widens && t.defined() ? t.to(DType::fp32) : t; };
  Tensor own = empty(y.shape(), widens ? DType::fp32 : in.dtype(), cpu, MemoryFormat::channels_last);
  if (tail.addend.defined()) own.copy_(tail.addend);
  run(working(in), working(bias), tail.addend.defined() ? own : tail.addend, own);
  y.copy_(own);
}

}  // namespace

Tensor Conv2dFunction::allocate(const Tensor& in, const Tensor& filters, const Tensor& bias,
                                const Tensor& addend) const {
  const Shape shape = result_shape(in, filters, bias, options);
  if (addend.defined()) require_result("added to", addend, shape, in);
  return new_result(shape, in);
}
void Conv2dFunction::forward(Cpu, const Tensor& in, const Tensor& filters, const Tensor& bias,
                             const Tensor& addend, Tensor& result) const {
  const bool keep = !filters_go && (filters_stay || in.dtype() == DType::fp32);
  forward_on_cpu(options, in, filters, {}, bias, {.addend = addend, .relu = relu}, keep, true, result);
}

Tensor FusedConvFunction::allocate(const Tensor& in, const Tensor& filters, const Tensor& bias) const {
  const Shape shape = result_shape(in, filters, bias, options);
  if (tail.addend.defined()) require_result("added to", tail.addend, shape, in);
  if (tail.out.defined()) require_result("written into", tail.out, shape, in);
  if (tail.out.defined()) return tail.out;
  const bool adds_in_place =
      tail.addend.defined() && !in.device().is_cuda() && onednn_takes(in) && tail.addend.sole_owner();
  if (adds_in_place && tail.addend.is_contiguous(MemoryFormat::channels_last))
    return tail.addend;  // nobody else will read it
  return new_result(shape, in);
}
void FusedConvFunction::forward(Cpu, const Tensor& in, const Tensor& filters, const Tensor& bias,
                                Tensor& y) const {
  const bool keep = filters_stay || in.dtype() == DType::fp32;
  forward_on_cpu(options, in, filters, scale, bias, tail, keep, false, y);
}

Grads Conv2dFunction::backward(Cpu, const Tensor& dy_after, Need need) const {
  const Tensor dy = before_relu(dy_after);
  const ConvSizes z = conv_sizes(x, weight, options);
  Grads grads(4);
  if (need[2]) grads[2] = sum(dy, {0, 2, 3});
  if (need[3]) grads[3] = dy;
  if (dy.numel() == 0) {
    if (need[0]) grads[0] = empty_like(x).zero_();
    if (need[1]) grads[1] = empty_like(weight).zero_();
  } else if (!onednn_takes(x)) {
    if (need[0]) grads[0] = conv_data_gradient_reference(z, dy, weight, x);
    if (need[1]) grads[1] = conv_filter_gradient_reference(z, dy, x, weight);
  } else {
    const Tensor in = x, w = weight;
    const DType given = in.dtype(), direct = onednn_widens(in) ? DType::fp32 : given,
                by_tiles = given == DType::fp16 ? DType::fp32 : given;
    if (need[0]) {
      const bool keep = !filters_go && (filters_stay || given == DType::fp32);
      const WinogradChoice how = winograd_choice(ConvPass::data_gradient, z, given);
      grads[0] = (how ? conv_data_gradient_winograd(how, z, dy.to(by_tiles), w, in)
                      : conv_data_gradient_onednn(z, dy.to(direct), w.to(direct), in.to(direct),
                                                  keep && direct == given))
                     .to(given);
    }
    if (need[1]) {
      const WinogradChoice how = winograd_choice(ConvPass::filter_gradient, z, given);
      grads[1] = (how ? conv_filter_gradient_winograd(how, z, dy.to(by_tiles), in.to(by_tiles), w)
                      : conv_filter_gradient_onednn(z, dy.to(direct), in.to(direct), w.to(direct)))
                     .to(given);
    }
  }
  return grads;
}

}  // namespace detail

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  return apply(detail::Conv2dFunction{.options = options}, x, weight, bias);
}

Conv2d::Conv2d(int in_channels, int out_channels, Pair kernel_size, const Conv2dOptions& options)
    : options_(options) {
  require<ValueError>(in_channels > 0 && out_channels > 0 && options.groups > 0 &&
                          in_channels % options.groups == 0 && out_channels % options.groups == 0,
                      "Conv2d: groups=", options.groups, " must divide the ", in_channels, " input and ",
                      out_channels, " output channels");
  Tensor weight = empty({out_channels, in_channels / options.groups, kernel_size.h, kernel_size.w},
                        DType::fp32, cpu, MemoryFormat::channels_last);
  he_normal_(weight, Fan::out);
  weight_ = parameter("weight", weight);
  if (options.bias) bias_ = parameter("bias", zeros({out_channels}));
}

Tensor Conv2d::forward(const Tensor& x) {
  const Tensor filters = compute_weight();
  return apply(function(), for_compute(x), filters, compute_copy(bias_));
}
Tensor Conv2d::recorded(const Tensor& x, const ConvTail& tail, const Tensor& weight, const Tensor& bias) {
  return called(x, [&] {
    detail::Conv2dFunction f = function();
    f.relu = tail.relu;
    f.filters_go = weight.defined();
    return apply(std::move(f), for_compute(x), weight.defined() ? for_compute(weight) : compute_weight(),
                 weight.defined() ? for_compute(bias) : compute_copy(bias_), for_compute(tail.addend));
  });
}
Tensor Conv2d::fused(const Tensor& x, ConvTail tail, const FoldedFilters* folded) {
  return called(x, [&] {
    const NoGrad guard;
    tail.addend = for_compute(tail.addend);
    return apply(detail::FusedConvFunction{options_, std::move(tail), folded || keeps_compute_copy(weight_),
                                           folded ? folded->scale : Tensor()},
                 for_compute(x), folded ? folded->weight : compute_weight(),
                 folded ? folded->bias : compute_copy(bias_));
  });
}
detail::Conv2dFunction Conv2d::function() const {
  return {.options = options_, .filters_stay = keeps_compute_copy(weight_)};
}

std::int64_t Conv2d::macs(std::span<const Tensor>, std::span<const Tensor> out) const {
  return out[0].numel() * weight_.size(1) * weight_.size(2) * weight_.size(3);
}

}  // namespace gadolin
