#include "layers/norm.h"

#include "layers/norm_function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace detail {

NormSizes norm_sizes(const Tensor& x) { return {x.numel() / std::max<std::int64_t>(1, x.size(1)), x.size(1)}; }

Tensor as_rows(const Tensor& t) { return t.contiguous(t.dim() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous); }

void BatchNormFunction::check(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend) const {
  require<ShapeError>(in.dim() == 4 || in.dim() == 2, "batch_norm: input ", in.shape(), " is neither [N, C, H, W] nor [N, C]");
  require<DTypeError, 2>(is_floating(in.dtype()), "batch_norm: ", in.dtype(), " is not supported; convert with .to(DType::fp32)");
  const std::int64_t channels = in.size(1);
  const DType wanted = in.dtype() == DType::fp64 ? DType::fp64 : DType::fp32;
  for (const Tensor* t : {&w, &b, &running_mean, &running_var}) {
    require<ShapeError>(t->shape() == Shape{channels}, "batch_norm: input ", in.shape(), " has C=", channels,
                        ", but a parameter has shape ", t->shape());
    require<DTypeError>(t->dtype() == wanted, "batch_norm: input is ", in.dtype(), ", so parameters must be ", wanted, ", not ",
                        t->dtype());
    require<DeviceError>(t->device() == in.device(), "batch_norm: input is on ", in.device(), " but a parameter is on ",
                         t->device(), "; move one with .to(...)");
  }
  require<ValueError>(running_mean.is_contiguous() && running_var.is_contiguous(),
                      "batch_norm: running statistics are changed in place and must be contiguous");
  if (addend.defined()) {
    require<ShapeError>(addend.shape() == in.shape(), "batch_norm: addend ", addend.shape(), " is not of the input's shape ",
                        in.shape());
    require<DTypeError>(addend.dtype() == in.dtype(), "batch_norm: addend is ", addend.dtype(), ", the input ", in.dtype());
  }
  require<ShapeError>(!options.training || norm_sizes(in).rows != 1, "batch_norm: input ", in.shape(),
                      " has one value a channel, whose variance is 0; use a larger batch or eval()");
}

Tensor BatchNormFunction::allocate(const Tensor& in, const Tensor&, const Tensor&, const Tensor&) const {
  return empty(in.shape(), in.dtype(), in.device(), in.dim() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous);
}

void BatchNormFunction::save(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend, const Tensor& out) {
  x = in;
  weight = w;
  bias = b;
  has_addend = addend.defined();
  if (options.relu && has_addend) y = out;  // without an addend the sign is recomputed from x
}

namespace {
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options, const Tensor& addend, const Tensor& batches) {
  BatchNormFunction f;
  f.options = options;
  f.running_mean = running_mean;
  f.running_var = running_var;
  f.batches = batches;
  return apply(std::move(f), x, weight.contiguous(), bias.contiguous(), addend);  // kernels index parameters by channel
}
}  // namespace

}  // namespace detail

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options, const Tensor& addend) {
  return detail::batch_norm(x, weight, bias, running_mean, running_var, options, addend, {});
}

BatchNorm2d::BatchNorm2d(int channels, double eps, double momentum) : eps_(eps), momentum_(momentum) {
  weight_ = parameter("weight", ones({channels}));
  bias_ = parameter("bias", zeros({channels}));
  running_mean_ = buffer("running_mean", zeros({channels}));
  running_var_ = buffer("running_var", ones({channels}));
  num_batches_tracked_ = buffer("num_batches_tracked", zeros({}, DType::int64));
}

Tensor BatchNorm2d::normalise(const Tensor& x, const Tensor& addend, bool relu) {
  const bool training = this->training() && !frozen();
  const Tensor a = addend.defined() ? addend.to(x.dtype()) : addend;
  return detail::batch_norm(x, weight_, bias_, running_mean_, running_var_, {training, momentum_, eps_, relu}, a,
                            num_batches_tracked_);
}

}  // namespace gadolin
