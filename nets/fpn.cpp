#include "nets/retinanet.h"

#include "layers/conv_norm.h"
#include "layers/init.h"
#include "layers/upsample.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

Conv2d fpn_conv(int in, int out, int size, int stride = 1) {
  Conv2d conv(in, out, size, {.stride = stride, .padding = size / 2});
  Tensor weight = conv.weight();
  he_uniform_(weight, Fan::in, 1);
  return conv;
}

}  // namespace

Fpn::Fpn(const std::vector<int>& in_channels, const FpnOptions& options) : options_(options) {
  require<ValueError>(in_channels.size() == 3, "fpn: ", in_channels.size(),
                      " numbers of channels; one each of C3, C4 and C5 is needed");
  const int wide = options.channels;
  for (std::size_t i = 0; i < 3; ++i)
    inner_[i] = &add(cat("inner_blocks.", i, ".0"), fpn_conv(in_channels[i], wide, 1));
  for (std::size_t i = 0; i < (options.legacy ? 2 : 3); ++i)
    layer_[i] = &add(cat("layer_blocks.", i, ".0"), fpn_conv(wide, wide, 3));
  p6_ = &add("extra_blocks.p6", fpn_conv(options.p6_from_c5 ? in_channels[2] : wide, wide, 3, 2));
  p7_ = &add("extra_blocks.p7", fpn_conv(wide, wide, 3, 2));
}

std::vector<Tensor> Fpn::operator()(const std::vector<Tensor>& c) {
  return called(tensors_of(c), [&] {
    std::vector<Tensor> p(3);
    Tensor above;
    for (std::size_t i = 3; i-- > 0;) {
      ConvTail tail;
      if (above.defined()) {
        const auto mode = options_.legacy ? Interpolation::bilinear : Interpolation::nearest;
        tail.addend =
            upsample(above, {static_cast<int>(c[i].size(2)), static_cast<int>(c[i].size(3))}, {.mode = mode});
      }
      const Tensor merged = conv_then(*inner_[i], c[i], std::move(tail));
      p[i] = layer_[i] ? (*layer_[i])(merged) : merged;
      above = options_.legacy ? p[i] : merged;
    }
    p.push_back((*p6_)(options_.p6_from_c5 ? c[2] : p[2]));
    p.push_back((*p7_)(relu(p[3])));
    return p;
  });
}

}  // namespace gadolin
