#include "layers/conv_transpose.h"

#include "layers/conv_function.h"
#include "layers/init.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// conv2d with its passes exchanged: its gradient for the input is this forward, and its forward this
// gradient. So both devices, types and oneDNN's and cuDNN's kernels come from there.
struct ConvTransposeFunction {
  static constexpr auto name = "conv_transpose2d";
  ConvTranspose2dOptions options;
  Saved x, weight;
  bool has_bias = false;

  Conv2dOptions of_conv() const {
    return {.stride = options.stride,
            .padding = options.padding,
            .dilation = options.dilation,
            .groups = options.groups};
  }
  // The convolution from `large`, of the shape of the result, to `small`, of that of x.
  detail::Conv2dFunction conv(const Tensor& large, const Tensor& filters) const {
    detail::Conv2dFunction f{.options = of_conv()};
    f.save(large, filters, {}, {});
    return f;
  }
  Tensor allocate(const Tensor& in, const Tensor& w, const Tensor& b) const {
    const ConvTranspose2dOptions& o = options;
    require_floating(name, in.dtype());
    require<ShapeError>(in.dim() == 4 && w.dim() == 4, name, ": input ", in.shape(), " and weight ",
                        w.shape(), " are not [N, C, H, W] and [C, K / groups, R, S]");
    require<ValueError>(o.stride.h > 0 && o.stride.w > 0 && o.dilation.h > 0 && o.dilation.w > 0 &&
                            o.groups > 0 && o.padding.h >= 0 && o.padding.w >= 0,
                        name, ": stride, dilation and groups must be positive and padding not negative");
    require<ValueError>(o.output_padding.h >= 0 && o.output_padding.h < o.stride.h &&
                            o.output_padding.w >= 0 && o.output_padding.w < o.stride.w,
                        name, ": output_padding must be at least 0 and below the stride");
    require<ShapeError>(in.size(1) == w.size(0) && w.size(0) % o.groups == 0, name, ": input ", in.shape(),
                        " has C=", in.size(1), ", weight ", w.shape(), " takes C=", w.size(0),
                        " in groups=", o.groups);
    const std::int64_t k = w.size(1) * o.groups;
    require<ShapeError>(!b.defined() || b.shape() == Shape{k}, name, ": bias ",
                        b.defined() ? b.shape() : Shape{}, " is not [", k, "]");
    const auto enlarged = [](std::int64_t n, std::int64_t filter, int stride, int padding, int dilation,
                             int more) {
      return (n - 1) * stride - 2 * padding + dilation * (filter - 1) + more + 1;
    };
    const Shape y{in.size(0), k,
                  enlarged(in.size(2), w.size(2), o.stride.h, o.padding.h, o.dilation.h, o.output_padding.h),
                  enlarged(in.size(3), w.size(3), o.stride.w, o.padding.w, o.dilation.w, o.output_padding.w)};
    require<ShapeError>(in.size(2) > 0 && in.size(3) > 0 && y[2] > 0 && y[3] > 0, name, ": of input ",
                        in.shape(), " nothing is left, the result would be ", y, "; use less padding");
    return empty({1, 1, 1, 1}, in.dtype(), in.device()).expand(y);  // its shape alone; forward has the memory
  }
  void save(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor&) {
    x = in;
    weight = w;
    has_bias = b.defined();
  }
  template <class D>
  void forward(D device, const Tensor& in, const Tensor& w, const Tensor& b, Tensor& y) const {
    y = conv(y, w).backward(device, in, Need{1u})[0];
    if (b.defined()) y.add_(b.reshape({1, b.size(0), 1, 1}).expand(y.shape()));
  }
  template <class D> Grads backward(D device, const Tensor& dy, Need need) const {
    Grads grads(3);
    if (need[0]) {
      const NoGrad guard;
      grads[0] = conv2d(dy, weight, {}, of_conv());
    }
    if (need[1]) grads[1] = conv(dy, weight).backward(device, x, Need{2u})[1];
    if (need[2] && has_bias) grads[2] = sum(dy, {0, 2, 3});
    return grads;
  }
};

}  // namespace

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options) {
  return apply(ConvTransposeFunction{options, {}, {}}, x, weight, bias);
}

ConvTranspose2d::ConvTranspose2d(int in_channels, int out_channels, Pair kernel_size,
                                 const ConvTranspose2dOptions& options)
    : options_(options) {
  require<ValueError>(in_channels > 0 && out_channels > 0 && options.groups > 0 &&
                          in_channels % options.groups == 0 && out_channels % options.groups == 0,
                      "ConvTranspose2d: groups=", options.groups, " must divide the ", in_channels,
                      " input and ", out_channels, " output channels");
  Tensor weight = empty({in_channels, out_channels / options.groups, kernel_size.h, kernel_size.w});
  he_normal_(weight, Fan::out);
  weight_ = parameter("weight", weight);
  if (options.bias) bias_ = parameter("bias", zeros({out_channels}));
}

Tensor ConvTranspose2d::forward(const Tensor& x) {
  return conv_transpose2d(for_compute(x), compute_copy(weight_), compute_copy(bias_), options_);
}

std::int64_t ConvTranspose2d::macs(std::span<const Tensor> in, std::span<const Tensor>) const {
  return in[0].numel() * weight_.size(1) * weight_.size(2) * weight_.size(3);
}

}  // namespace gadolin
