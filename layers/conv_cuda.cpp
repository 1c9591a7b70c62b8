// Convolution on the GPU: from tensors to the problems of cudnn_plans.h. Plain host code, which tests run
// with a runner of their own.
#include "layers/conv_function.h"
#include "layers/cudnn_plans.h"
#include "layers/norm_function.h"
#include "tensor/ops.h"

namespace gadolin::detail {
namespace {

ConvProblem problem_of(ConvPass pass, const ConvSizes& z, DType dtype) {
  ConvProblem p;
  p.pass = pass;
  p.dtype = dtype;
  p.tf32 = dtype == DType::fp32 && tf32_allowed();
  p.n = z.n, p.c = z.c, p.h = z.h, p.w = z.w, p.k = z.k, p.r = z.r, p.s = z.s, p.groups = z.groups;
  p.c = padded_channels(p);
  const Pair pairs[] = {
      z.options.stride, z.before, {z.after.h - z.before.h, z.after.w - z.before.w}, z.options.dilation};
  std::int64_t* into[] = {p.stride, p.padding, p.extra, p.dilation};
  for (int i = 0; i < 4; ++i) {
    into[i][0] = pairs[i].h;
    into[i][1] = pairs[i].w;
  }
  return p;
}

// cuDNN is told that everything starts at a multiple of 16 bytes: without, it offers no tensor-core engine.
// Views may not.
bool is_aligned(const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw()) % 16 == 0; }
Tensor aligned(const Tensor& t) { return is_aligned(t) ? t : t.clone(); }
Tensor packed(const Tensor& t) { return aligned(t.contiguous(MemoryFormat::channels_last)); }
Tensor channels_last(const Shape& size, const Tensor& like) {
  return empty(size, like.dtype(), like.device(), MemoryFormat::channels_last);
}

// Elements from pixel to pixel in a slice of channels, 0 in a dense tensor.
std::int64_t pixel(const Tensor& t) { return row_stride(t) == t.size(1) ? 0 : row_stride(t); }
// Whether cuDNN can be pointed at t: channels-last, dense or a slice.
bool in_place(const Tensor& t) {
  const std::int64_t rows = row_stride(t);
  return is_aligned(t) && (rows == t.size(1) || (rows > t.size(1) && rows * size_of(t.dtype()) % 16 == 0));
}
Tensor placed(const Tensor& t) { return in_place(t) ? t : packed(t); }

Tensor with_channels(const Tensor& t, std::int64_t channels) {
  if (t.size(1) == channels) return t;
  Tensor wide = channels_last({t.size(0), channels, t.size(2), t.size(3)}, t);
  wide.zero_();
  copy_elements(t.detach(), wide.slice(1, 0, t.size(1)));
  return wide;
}

struct Epilogue {
  Tensor bias, addend;
};
// Without an engine for slices: false. Without one for dense tensors there is no other way, and that throws.
bool attempt(ConvRunner run, const char* op, ConvProblem p, const Tensor& x, const Tensor& w, const Tensor& y,
             const Epilogue& e = {}) {
  p.x_stride = pixel(x);
  p.y_stride = pixel(y);
  const auto start = [](const Tensor& t) { return t.defined() ? t.raw() : nullptr; };
  return run(op, y.device(), p, {x.raw(), w.raw(), y.raw(), start(e.bias), start(e.addend)});
}

}  // namespace

void conv_forward_problem(ConvRunner run, const Conv2dOptions& options, const Tensor& in,
                          const Tensor& filters, const Tensor& bias, const ConvTail& tail, Tensor& y,
                          Tensor* padded) {
  const ConvSizes z = conv_sizes(in, filters, options);
  if (y.numel() == 0) return;
  ConvProblem problem = problem_of(ConvPass::forward, z, in.dtype());
  const Tensor x = placed(with_channels(in, problem.c)),
               w = packed(with_channels(filters, problem.c / z.groups));
  if (problem.c != z.c && padded) *padded = x;
  const bool fuses = convolution_fuses(in.dtype()), biased = fuses && (bias.defined() || tail.relu),
             adds = tail.addend.defined();
  Epilogue epilogue;
  if (biased) {
    problem.epilogue = !tail.relu ? ConvEpilogue::bias
                       : adds     ? ConvEpilogue::bias_add_relu
                                  : ConvEpilogue::bias_relu;
    epilogue.bias = bias.defined() ? aligned(bias.contiguous()) : zeros({z.k}, in.dtype(), in.device());
    if (adds && tail.relu) epilogue.addend = packed(tail.addend);
  }
  const bool later =
      (bias.defined() && !biased) || (adds && !epilogue.addend.defined()) || (tail.relu && !biased);
  // What ops write later is counted as a change of the memory: not of a buffer that others keep for backward.
  Tensor result = in_place(y) && !(later && pixel(y) != 0) ? y : channels_last(y.shape(), y);
  if (!attempt(run, "conv2d", problem, x, w, result, epilogue)) {
    if (pixel(result) != 0) result = channels_last(y.shape(), y);
    attempt(run, "conv2d", problem, packed(x), w, result, epilogue);
  }
  if (bias.defined() && !biased) result.add_(bias.reshape({1, z.k, 1, 1}).expand(y.shape()));
  if (adds && !epilogue.addend.defined()) result.add_(tail.addend);
  if (tail.relu && !biased) result.copy_(relu(result));
  if (!result.same_as(y)) copy_elements(result, y);
}

Grads conv_backward_problems(ConvRunner run, const Conv2dFunction& f, const Tensor& dy_after, Need need) {
  constexpr auto op = "conv2d backward";
  const Tensor dy_any = f.before_relu(dy_after);
  const ConvSizes z = conv_sizes(f.x, f.weight, f.options);
  Grads grads(4);
  if (need[2]) grads[2] = sum(dy_any, {0, 2, 3});
  if (need[3]) grads[3] = dy_any;
  if (dy_any.numel() == 0) {
    if (need[0]) grads[0] = channels_last(f.x->shape(), f.x).zero_();
    if (need[1]) grads[1] = channels_last(f.weight->shape(), f.weight).zero_();
    return grads;
  }
  const Tensor dy =
      need[0] && need[1] ? packed(dy_any) : placed(dy_any);  // for both, one copy instead of one inside each
  ConvProblem problem = problem_of(ConvPass::data_gradient, z, dy.dtype());
  const std::int64_t filter_channels = problem.c / z.groups;
  if (need[0]) {
    const Tensor w = packed(with_channels(f.weight, filter_channels));
    const Tensor& so_far = f.into;
    ConvProblem more = problem;
    more.accumulate = true;
    if (so_far.defined() && problem.c == z.c && so_far.shape() == f.x->shape() &&
        so_far.dtype() == dy.dtype() && in_place(so_far) && attempt(run, op, more, so_far, w, dy)) {
      grads[0] = so_far;
    } else {
      const Tensor dx = channels_last({z.n, problem.c, z.h, z.w}, dy);
      if (!attempt(run, op, problem, dx, w, dy)) attempt(run, op, problem, dx, w, packed(dy));
      grads[0] = problem.c == z.c ? dx : dx.slice(1, 0, z.c);
    }
  }
  if (need[1]) {
    problem.pass = ConvPass::filter_gradient;
    const Tensor x = placed(f.padded.defined() ? f.padded : with_channels(f.x, problem.c));
    const Tensor dw = channels_last({z.k, filter_channels, z.r, z.s}, dy);
    if (!attempt(run, op, problem, x, dw, dy)) attempt(run, op, problem, packed(x), dw, packed(dy));
    grads[1] = packed(dw.slice(1, 0, f.weight->size(1)));
  }
  return grads;
}

#ifdef GADOLIN_CUDA
void Conv2dFunction::forward(Cuda, const Tensor& in, const Tensor& filters, const Tensor& bias,
                             const Tensor& addend, Tensor& result) const {
  conv_forward_problem(run_convolution, options, in, filters, bias, {.addend = addend, .relu = relu}, result,
                       &padded);
}
void FusedConvFunction::forward(Cuda, const Tensor& in, const Tensor& filters, const Tensor& bias,
                                Tensor& y) const {
  conv_forward_problem(run_convolution, options, in, filters, bias, tail, y);
}
Grads Conv2dFunction::backward(Cuda, const Tensor& dy, Need need) const {
  return conv_backward_problems(run_convolution, *this, dy, need);
}
#endif

}  // namespace gadolin::detail
