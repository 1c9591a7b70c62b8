#include "layers/norm.h"

#include <algorithm>

#include "layers/module.h"
#include "layers/norm_function.h"
#include "tensor/ops.h"

namespace gadolin {
namespace detail {

NormSizes norm_sizes(const Tensor& x) {
  return {x.numel() / std::max<std::int64_t>(1, x.size(1)), x.size(1)};
}

NormGrid norm_grid(const NormSizes& size, int v, int rows_each, std::int64_t blocks) {
  const std::int64_t groups = (size.channels + v - 1) / v, least = norm_threads * rows_each;
  std::int64_t x = 1;
  while (x < groups && x < 32) x *= 2;
  const auto slabs = [&] { return (groups + x - 1) / x; };
  const auto enough = [&] { return std::max<std::int64_t>(1, (size.rows * x + least - 1) / least); };
  while (x > 8 && slabs() * enough() < blocks) x /= 2;
  return {x, norm_threads / x, slabs(),
          slabs() > norm_most_slabs ? 1 : std::clamp<std::int64_t>(blocks / slabs(), 1, enough())};
}

std::int64_t row_stride(const Tensor& t) {
  const Shape& size = t.shape();
  const Strides& step = t.strides();
  if (size[1] > 1 && step[1] != 1) return 0;
  std::int64_t stride = -1, rows = 1;  // of the rows so far, from the innermost dimension outwards
  for (const int d : {3, 2, 0}) {
    if (d >= t.dim() || size[d] == 1) continue;
    if (stride < 0) stride = step[d];
    if (step[d] != stride * rows) return 0;
    rows *= size[d];
  }
  return stride < 0 ? size[1] : stride;
}

Tensor as_rows(const Tensor& t) {
  if (row_stride(t) >= t.size(1)) return t;
  return t.contiguous(t.dim() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous);
}

void NormPart::check(const Tensor& in, const Tensor& w, const Tensor& b) const {
  require<ShapeError>(in.dim() == 4 || in.dim() == 2, "batch_norm: input ", in.shape(),
                      " is neither [N, C, H, W] nor [N, C]");
  require_floating("batch_norm", in.dtype());
  const std::int64_t channels = in.size(1);
  const DType wanted = in.dtype() == DType::fp64 ? DType::fp64 : DType::fp32;
  for (const Tensor* t : {&w, &b, &running_mean, &running_var}) {
    require<ShapeError>(t->shape() == Shape{channels}, "batch_norm: input ", in.shape(), " has C=", channels,
                        ", but a parameter has shape ", t->shape());
    require<DTypeError>(t->dtype() == wanted, "batch_norm: input is ", in.dtype(), ", so parameters must be ",
                        wanted, ", not ", t->dtype());
    require<DeviceError>(t->device() == in.device(), "batch_norm: input is on ", in.device(),
                         " but a parameter is on ", t->device(), "; move one with .to(...)");
  }
  require<ValueError>(running_mean.is_contiguous() && running_var.is_contiguous(),
                      "batch_norm: running statistics are changed in place and must be contiguous");
  require<ShapeError>(!options.training || norm_sizes(in).rows != 1 || statistics_of_all,
                      "batch_norm: input ", in.shape(),
                      " has one value a channel, whose variance is 0; use a larger batch or eval()");
}

void BatchNormFunction::check(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend,
                              const Tensor& w2, const Tensor& b2) const {
  NormPart::check(in, w, b);
  if (addend.defined()) {
    require<ShapeError>(addend.shape() == in.shape(), "batch_norm: addend ", addend.shape(),
                        " is not of the input's shape ", in.shape());
    require<DTypeError>(addend.dtype() == in.dtype(), "batch_norm: addend is ", addend.dtype(),
                        ", the input ", in.dtype());
  }
  if (other) other->check(addend, w2, b2);
}

Tensor empty_rows(const Tensor& t) {
  return empty(t.shape(), t.dtype(), t.device(),
               t.dim() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous);
}

Tensor BatchNormFunction::allocate(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend,
                                   const Tensor& w2, const Tensor& b2) const {
  // The mask's bytes are not written where there will be no backward.
  const Tensor* inputs[] = {&in, &w, &b, &addend, &w2, &b2};
  const NormSizes size = norm_sizes(in);
  if (options.relu && addend.defined() && wants_tape(inputs, 6)) {
    mask = empty({size.rows, (size.channels + mask_channels - 1) / mask_channels}, DType::uint8, in.device());
  }
  if (out.defined()) {
    require<ShapeError>(
        out.shape() == in.shape() && out.dtype() == in.dtype() && row_stride(out) >= in.size(1),
        "batch_norm: a result of ", in.dtype(), " ", in.shape(), " cannot be written into ", out.dtype(), " ",
        out.shape(), "; it must be channels-last");
    return out;
  }
  return empty_rows(in);
}

bool NormPart::begin(const Tensor& in, const Tensor& w) const {
  mean = empty(w.shape(), w.dtype(), w.device());
  rstd = empty(w.shape(), w.dtype(), w.device());
  if (in.numel() > 0) return true;
  mean.zero_();
  rstd.fill_(1);
  return false;
}

ChannelStatistics NormPart::batch_of(const Tensor& in, bool always) const {
  if (!options.training || known.mean.defined()) return options.training ? known : ChannelStatistics();
  if (!always && !statistics_of_all) return {};
  ChannelStatistics batch{mean, empty_like(mean)};
  batch.values = channel_statistics(in, batch);
  return batch;
}

void BatchNormFunction::save(const Tensor& in, const Tensor& w, const Tensor& b, const Tensor& addend,
                             const Tensor& w2, const Tensor& b2, const Tensor&) {
  keep(in, w, b);
  if (other) other->keep(addend, w2, b2);
  out = Tensor();  // it is the result: kept here, its node would own itself
}

// Of x, weight, bias, the addend, and the other's weight and bias.
template <class D> Grads BatchNormFunction::backward(D device, const Tensor& dy_any, Need need) const {
  const auto with_gradients = [](const NormPart& f, bool of_weight, bool of_bias) {
    NormSide s = f.side(f.weight, f.bias);
    if (of_weight) s.dweight = empty_like(s.weight);
    if (of_bias) s.dbias = empty_like(s.bias);
    s.lines = empty({2, s.weight.size(0)}, s.weight.dtype(), s.weight.device());
    return s;
  };
  NormPass pass;
  pass.first = with_gradients(*this, need[1], need[2]);
  pass.x = as_rows(x);
  pass.dy = as_rows(dy_any);
  pass.mask = mask;
  pass.relu = options.relu;
  pass.adds = into.defined() && row_stride(into) >= into.size(1);
  if (need[0]) pass.dx = pass.adds ? into : empty_rows(pass.x);
  if (need[3] && options.relu)
    pass.dother = empty_rows(pass.x);  // without relu the addend's gradient is dy itself
  if (other) {
    pass.second = with_gradients(*other, need[4], need[5]);
    pass.other = as_rows(other->x);
  }
  if (pass.x.numel() > 0) {
    norm_backward(device, pass);
  } else {
    for (Tensor* t : {&pass.first.dweight, &pass.first.dbias, &pass.second.dweight, &pass.second.dbias}) {
      if (t->defined()) t->zero_();
    }
  }
  return {pass.dx,
          pass.first.dweight,
          pass.first.dbias,
          need[3] && !options.relu ? pass.dy : pass.dother,
          pass.second.dweight,
          pass.second.dbias};
}
template Grads BatchNormFunction::backward(Cpu, const Tensor&, Need) const;
#ifdef GADOLIN_CUDA
template Grads BatchNormFunction::backward(Cuda, const Tensor&, Need) const;
#endif

}  // namespace detail

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options, const Tensor& addend) {
  detail::BatchNormFunction f;
  f.options = options;
  f.running_mean = running_mean;
  f.running_var = running_var;
  // Kernels index parameters by channel.
  return apply(std::move(f), x, weight.contiguous(), bias.contiguous(), addend, Tensor(), Tensor());
}

double channel_statistics(const Tensor& x, const ChannelStatistics& into) {
  const Tensor rows = detail::as_rows(x.detach());
  const auto values = static_cast<double>(detail::norm_sizes(rows).rows);
  if (rows.numel() == 0) return values;
  on_device(x.device(), [&](auto device) { detail::batch_statistics(device, rows, into); });
  return detail::statistics_of_all ? detail::statistics_of_all(into, values) : values;
}

BatchNorm2d::BatchNorm2d(int channels, double eps, double momentum) {
  set_eps(eps);
  set_momentum(momentum);
  weight_ = parameter("weight", ones({channels}));
  bias_ = parameter("bias", zeros({channels}));
  running_mean_ = buffer("running_mean", zeros({channels}));
  running_var_ = buffer("running_var", ones({channels}));
  num_batches_tracked_ = buffer("num_batches_tracked", zeros({}, DType::int64));
}

void BatchNorm2d::set_eps(double eps) {
  require<ValueError>(eps >= 0, "BatchNorm2d: eps ", eps, " must not be negative");
  eps_ = eps;
}

void BatchNorm2d::set_momentum(double momentum) {
  require<ValueError>(momentum >= 0 && momentum <= 1, "BatchNorm2d: momentum ", momentum,
                      " is outside [0, 1]");
  momentum_ = momentum;
}

detail::BatchNormFunction BatchNorm2d::function(bool relu) const {
  detail::BatchNormFunction f;
  f.options = {training() && !frozen(), momentum_, eps_, relu};
  f.running_mean = running_mean_;
  f.running_var = running_var_;
  f.batches = num_batches_tracked_;
  return f;
}

Tensor BatchNorm2d::normalise(const Tensor& x, const Tensor& addend, bool relu,
                              const ChannelStatistics& known, const Tensor& out) {
  detail::BatchNormFunction f = function(relu);
  f.known = known;
  f.out = out;
  return apply(std::move(f), x, weight_.contiguous(), bias_.contiguous(),
               addend.defined() ? addend.to(x.dtype()) : addend, Tensor(), Tensor());
}

Tensor BatchNorm2d::join_relu(const Tensor& x, BatchNorm2d& other, const Tensor& other_x) {
  if (Unfused::here()) return add_relu(x, other(other_x));
  const std::string both = name() + " and " + other.name();
  const PlaceScope place(both);
  try {
    detail::BatchNormFunction f = function(true);
    f.other = other.function(false);
    return apply(std::move(f), x, weight_.contiguous(), bias_.contiguous(), other_x.to(x.dtype()),
                 other.weight_.contiguous(), other.bias_.contiguous());
  } catch (Error& error) {
    error.add_place(both);
    throw;
  }
}

// --- group normalisation
// -------------------------------------------------------------------------------------

Tensor group_norm(const Tensor& x, int groups, const Tensor& weight, const Tensor& bias, double eps) {
  require_floating("group_norm", x.dtype());
  require<ShapeError>(x.dim() >= 2 && x.dim() < Shape::max_dim, "group_norm: input ", x.shape(),
                      " is not [N, C, ...] of 2 to 7 dimensions");
  const std::int64_t channels = x.size(1);
  require<ValueError>(groups > 0 && channels % groups == 0, "group_norm: groups=", groups,
                      " must divide the ", channels, " channels of ", x.shape());
  require<ValueError>(eps >= 0, "group_norm: eps ", eps, " must not be negative");
  for (const Tensor* t : {&weight, &bias}) {
    require<ShapeError>(t->defined() == weight.defined() && (!t->defined() || t->shape() == Shape{channels}),
                        "group_norm: weight and bias must both be [", channels, "], or both be left out");
  }
  const Tensor wide = x.dtype() == DType::fp64 ? x : x.to(DType::fp32);
  Shape grouped = x.shape(), of_channel = Shape::filled(x.dim(), 1);
  grouped.insert(1, groups);
  grouped[2] = channels / groups;
  of_channel[1] = channels;
  Dims within;
  for (int d = 2; d < grouped.dim(); ++d) within.push_back(d);
  const Tensor in = wide.reshape(grouped), centred = in - mean(in, within, true);
  Tensor y = (centred * rsqrt(mean(centred * centred, within, true) + eps)).reshape(x.shape());
  if (weight.defined()) y = y * weight.reshape(of_channel) + bias.reshape(of_channel);
  return y.to(x.dtype());
}

GroupNorm::GroupNorm(int groups, int channels, double eps) : groups_(groups), eps_(eps) {
  require<ValueError>(groups > 0 && channels > 0 && channels % groups == 0 && eps >= 0,
                      "GroupNorm: groups=", groups, " must divide the ", channels, " channels, and eps ", eps,
                      " must not be negative");
  weight_ = parameter("weight", ones({channels}));
  bias_ = parameter("bias", zeros({channels}));
}

}  // namespace gadolin
