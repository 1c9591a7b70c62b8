// bench op: the convolutions of ResNet-50 (v1.5) and its classifier, forward and both gradients.
#include "apps/bench/op.h"
#include "layers/conv.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct ResNetConv {
  int c, k, r, stride, h;
};
constexpr ResNetConv resnet_convs[] = {
    {3, 64, 7, 2, 224},  // stem
    {64, 64, 1, 1, 56},    {64, 64, 3, 1, 56},    {64, 256, 1, 1, 56},   {256, 64, 1, 1, 56},
    {256, 128, 1, 1, 56},  {128, 128, 3, 2, 56},  {128, 512, 1, 1, 28},  {256, 512, 1, 2, 56},
    {512, 128, 1, 1, 28},  {128, 128, 3, 1, 28},  {512, 256, 1, 1, 28},  {256, 256, 3, 2, 28},
    {256, 1024, 1, 1, 14}, {512, 1024, 1, 2, 28}, {1024, 256, 1, 1, 14}, {256, 256, 3, 1, 14},
    {1024, 512, 1, 1, 14}, {512, 512, 3, 2, 14},  {512, 2048, 1, 1, 7},  {1024, 2048, 1, 2, 14},
    {2048, 512, 1, 1, 7},  {512, 512, 3, 1, 7},
};

}  // namespace

void add_conv_cases(const OpSizes& sizes, OpCases& into) {
  for (const ResNetConv& z : resnet_convs) {
    const int padding = z.r / 2, p = (z.h + 2 * padding - z.r) / z.stride + 1;
    const Shape in{sizes.batch, z.c, z.h, z.h}, filters{z.k, z.c, z.r, z.r}, out{sizes.batch, z.k, p, p};
    const double bytes =
        bytes_of(in, sizes.dtype) + bytes_of(filters, sizes.dtype) + bytes_of(out, sizes.dtype);
    const double flops = 2 * static_cast<double>(out.numel()) * z.c * z.r * z.r;
    const std::string side = std::to_string(z.r), step = z.stride > 1 ? "/" + std::to_string(z.stride) : "";
    const std::string name = "conv " + side + "x" + side + step + " " + std::to_string(z.c) + " -> " +
                             std::to_string(z.k) + " at " + std::to_string(z.h);
    const Conv2dOptions options{.stride = z.stride, .padding = padding};
    into.push_back({"conv", name + " forward", bytes, flops, [=] {
                      const Tensor x = random_tensor(sizes, in), w = random_tensor(sizes, filters);
                      return [=] { conv2d(x, w, {}, options); };
                    }});
    if (z.c > 3) {  // pictures want no gradient
      into.push_back({"conv", name + " data gradient", bytes, flops, [=] {
                        const Tensor x = random_tensor(sizes, in).requires_grad_(),
                                     w = random_tensor(sizes, filters);
                        return backward_of(conv2d(x, w, {}, options), {x});
                      }});
    }
    into.push_back({"conv", name + " filter gradient", bytes, flops, [=] {
                      const Tensor x = random_tensor(sizes, in),
                                   w = random_tensor(sizes, filters).requires_grad_();
                      return backward_of(conv2d(x, w, {}, options), {w});
                    }});
  }
  const Shape in{sizes.batch, 2048}, weight{1000, 2048}, out{sizes.batch, 1000};
  const double bytes = bytes_of(in, sizes.dtype) + bytes_of(weight, sizes.dtype) + bytes_of(out, sizes.dtype);
  const double flops = 2 * static_cast<double>(out.numel()) * 2048;
  into.push_back({"linear", "linear 2048 -> 1000 forward", bytes, flops, [=] {
                    const Tensor x = random_tensor(sizes, in), w = random_tensor(sizes, weight),
                                 b = random_tensor(sizes, {1000});
                    return [=] { linear(x, w, b); };
                  }});
  into.push_back({"linear", "linear 2048 -> 1000 backward", 2 * bytes, 2 * flops, [=] {
                    const Tensor x = random_tensor(sizes, in).requires_grad_(),
                                 w = random_tensor(sizes, weight).requires_grad_();
                    return backward_of(linear(x, w), {x, w});
                  }});
}

}  // namespace gadolin
