// bench op: the convolutions of ResNet-50 (v1.5) and its classifier, forward and both gradients.
#include <cmath>

#include "apps/bench/op.h"
#include "layers/conv.h"
#include "layers/winograd.h"
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

struct ConvCase {
  Shape in, filters, out;
  Conv2dOptions options;
};

// The ways between which the CPU chooses for the last case; none where there is only one.
void add_ways(const OpSizes& sizes, const ConvCase& c, ConvPass pass, OpCases& into) {
  using namespace detail;
  const Tensor like = empty({1, c.in[1], c.in[2], c.in[3]}, sizes.dtype);
  if (!sizes.device.is_cpu() || !onednn_takes(like) || sizes.dtype == DType::fp16) return;
  const OpCase whole = into.back();
  const ConvSizes one = conv_sizes(like, empty(c.filters), c.options);
  const auto cost = [&](int tile) { return convolution_cost(tile, pass, one, sizes.dtype, false); };
  if (std::isinf(cost(2))) return;
  const auto add = [&](int tile, const char* way, std::function<std::function<void()>()> make) {
    into.push_back({whole.family, whole.name + ", " + way, whole.bytes, whole.flops, std::move(make),
                    cost(tile) / cost(0), winograd_choice(pass, one, sizes.dtype).tile == tile});
  };
  add(0, "direct", [make = whole.make] {
    return [body = make()] {
      const LargestTile none(0);
      body();
    };
  });
  for (const int tile : {2, 4}) {
    add(tile, tile == 2 ? "tiles of 2 x 2" : "tiles of 4 x 4", [=] {
      const WinogradChoice how{tile, winograd_lanes()};
      const Tensor x = random_tensor(sizes, c.in), w = random_tensor(sizes, c.filters),
                   dy = random_tensor(sizes, c.out);
      const ConvSizes z = conv_sizes(x, w, c.options);
      return [=] {
        const NoGrad guard;
        Tensor y = pass == ConvPass::forward ? empty_like(dy) : Tensor();
        if (pass == ConvPass::forward)
          conv_forward_winograd(how, z, x, w, {}, {}, {}, y);
        else if (pass == ConvPass::data_gradient)
          conv_data_gradient_winograd(how, z, dy, w, x);
        else
          conv_filter_gradient_winograd(how, z, dy, x, w);
      };
    });
  }
}

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
    const auto add = [&](ConvPass pass, const char* called, std::function<std::function<void()>()> make) {
      into.push_back({"conv", name + called, bytes, flops, std::move(make)});
      add_ways(sizes, {in, filters, out, options}, pass, into);
    };
    add(ConvPass::forward, " forward", [=] {
      const Tensor x = random_tensor(sizes, in), w = random_tensor(sizes, filters);
      return [=] { conv2d(x, w, {}, options); };
    });
    if (z.c > 3) {  // pictures want no gradient
      add(ConvPass::data_gradient, " data gradient", [=] {
        const Tensor x = random_tensor(sizes, in).requires_grad_(), w = random_tensor(sizes, filters);
        return backward_of(conv2d(x, w, {}, options), {x});
      });
    }
    add(ConvPass::filter_gradient, " filter gradient", [=] {
      const Tensor x = random_tensor(sizes, in), w = random_tensor(sizes, filters).requires_grad_();
      return backward_of(conv2d(x, w, {}, options), {w});
    });
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
