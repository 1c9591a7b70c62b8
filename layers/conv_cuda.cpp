// Convolution on the GPU: channels-last tensors to the plans of cudnn_plans.h.
#ifdef GADOLIN_CUDA
#include "layers/conv_function.h"
#include "layers/cudnn_plans.h"
#include "tensor/ops.h"

namespace gadolin::detail {
namespace {

ConvProblem problem_of(ConvPass pass, const ConvSizes& z, DType dtype) {
  ConvProblem p;
  p.pass = pass;
  p.dtype = dtype;
  p.tf32 = tf32_allowed();
  p.n = z.n;
  p.c = z.c;
  p.h = z.h;
  p.w = z.w;
  p.k = z.k;
  p.r = z.r;
  p.s = z.s;
  p.groups = z.groups;
  const Pair pairs[] = {z.options.stride, z.before, {z.after.h - z.before.h, z.after.w - z.before.w}, z.options.dilation};
  std::int64_t* into[] = {p.stride, p.padding, p.extra, p.dilation};
  for (int i = 0; i < 4; ++i) {
    into[i][0] = pairs[i].h;
    into[i][1] = pairs[i].w;
  }
  return p;
}
// cuDNN is told that everything starts at a multiple of 16 bytes: without, it offers no tensor-core engine. Views may not.
Tensor aligned(const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw()) % 16 == 0 ? t : t.clone(); }
Tensor nhwc(const Tensor& t) { return aligned(t.contiguous(MemoryFormat::channels_last)); }

}  // namespace

void Conv2dFunction::forward(Cuda, const Tensor& in, const Tensor& filters, const Tensor& bias, Tensor& y) const {
  const ConvSizes z = conv_sizes(in, filters, options);
  if (y.numel() == 0) return;
  ConvProblem problem = problem_of(ConvPass::forward, z, in.dtype());
  const bool fused = bias.defined() && convolution_fuses(in.dtype());
  if (fused) problem.epilogue = ConvEpilogue::bias;
  const Tensor x_held = nhwc(in), w_held = nhwc(filters), bias_held = fused ? aligned(bias.contiguous()) : bias;
  run_convolution(name, in.device(), problem,
                  {x_held.raw(), w_held.raw(), y.raw(), fused ? bias_held.raw() : nullptr, nullptr});
  if (bias.defined() && !fused) y.add_(bias.reshape({1, bias.numel(), 1, 1}).expand(y.shape()));
}

Grads Conv2dFunction::backward(Cuda, const Tensor& dy_any, Need need) const {
  const ConvSizes z = conv_sizes(x, weight, options);
  Grads grads(3);
  const Tensor dy = nhwc(dy_any), x_held = nhwc(x), w_held = nhwc(weight);
  const bool empty_batch = dy.numel() == 0;
  const auto result = [&](const Tensor& like) { return empty(like.shape(), like.dtype(), like.device(), MemoryFormat::channels_last); };
  if (need[0]) {
    grads[0] = result(x);
    if (empty_batch) {
      grads[0].zero_();
    } else {
      run_convolution("conv2d backward", dy.device(), problem_of(ConvPass::data_gradient, z, dy.dtype()),
                      {grads[0].raw(), w_held.raw(), dy.raw(), nullptr, nullptr});
    }
  }
  if (need[1]) {
    grads[1] = result(weight);
    if (empty_batch) {
      grads[1].zero_();
    } else {
      run_convolution("conv2d backward", dy.device(), problem_of(ConvPass::filter_gradient, z, dy.dtype()),
                      {x_held.raw(), grads[1].raw(), dy.raw(), nullptr, nullptr});
    }
  }
  if (need[2]) grads[2] = sum(dy, {0, 2, 3});
  return grads;
}

}  // namespace gadolin::detail
#endif
