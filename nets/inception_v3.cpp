#include "nets/inception_v3.h"

#include "nets/image_size.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// Blocks of figures 5 to 7; channels as in the paper, divided by `by`.
struct Blocks {
  int by;
  bool count_include_pad;
  int c(int channels) const { return channels / by; }
  PoolOptions neighbours() const {
    PoolOptions window(3, 1, 1);
    window.count_include_pad = count_include_pad;
    return window;
  }

  Branches a(int in, int pool_features) const {  // 35 x 35
    Branches b("InceptionA");
    b.branch({&b.conv("branch1x1", in, c(64), 1)});
    b.branch({&b.conv("branch5x5_1", in, c(48), 1), &b.conv("branch5x5_2", c(48), c(64), 5, {.padding = 2})});
    b.branch({&b.conv("branch3x3dbl_1", in, c(64), 1),
              &b.conv("branch3x3dbl_2", c(64), c(96), 3, {.padding = 1}),
              &b.conv("branch3x3dbl_3", c(96), c(96), 3, {.padding = 1})});
    b.average_pool_branch(neighbours(), b.conv("branch_pool", in, pool_features, 1));
    return b;
  }
  Branches b(int in) const {  // to 17 x 17
    Branches b("InceptionB");
    b.branch({&b.conv("branch3x3", in, c(384), 3, {.stride = 2})});
    b.branch({&b.conv("branch3x3dbl_1", in, c(64), 1),
              &b.conv("branch3x3dbl_2", c(64), c(96), 3, {.padding = 1}),
              &b.conv("branch3x3dbl_3", c(96), c(96), 3, {.stride = 2})});
    b.max_pool_branch({3, 2});
    return b;
  }
  Branches c(int in, int c7) const {  // 17 x 17, 7x7 as 1x7 and 7x1
    const Conv2dOptions wide{.padding = {0, 3}}, high{.padding = {3, 0}};
    Branches b("InceptionC");
    b.branch({&b.conv("branch1x1", in, c(192), 1)});
    b.branch({&b.conv("branch7x7_1", in, c7, 1), &b.conv("branch7x7_2", c7, c7, {1, 7}, wide),
              &b.conv("branch7x7_3", c7, c(192), {7, 1}, high)});
    b.branch({&b.conv("branch7x7dbl_1", in, c7, 1), &b.conv("branch7x7dbl_2", c7, c7, {7, 1}, high),
              &b.conv("branch7x7dbl_3", c7, c7, {1, 7}, wide),
              &b.conv("branch7x7dbl_4", c7, c7, {7, 1}, high),
              &b.conv("branch7x7dbl_5", c7, c(192), {1, 7}, wide)});
    b.average_pool_branch(neighbours(), b.conv("branch_pool", in, c(192), 1));
    return b;
  }
  Branches d(int in) const {  // to 8 x 8
    Branches b("InceptionD");
    b.branch(
        {&b.conv("branch3x3_1", in, c(192), 1), &b.conv("branch3x3_2", c(192), c(320), 3, {.stride = 2})});
    b.branch({&b.conv("branch7x7x3_1", in, c(192), 1),
              &b.conv("branch7x7x3_2", c(192), c(192), {1, 7}, {.padding = {0, 3}}),
              &b.conv("branch7x7x3_3", c(192), c(192), {7, 1}, {.padding = {3, 0}}),
              &b.conv("branch7x7x3_4", c(192), c(192), 3, {.stride = 2})});
    b.max_pool_branch({3, 2});
    return b;
  }
  Branches e(int in) const {  // 8 x 8, the filter bank as wide as it is deep
    const Conv2dOptions wide{.padding = {0, 1}}, high{.padding = {1, 0}};
    Branches b("InceptionE");
    b.branch({&b.conv("branch1x1", in, c(320), 1)});
    b.branch({&b.conv("branch3x3_1", in, c(384), 1)},
             {&b.conv("branch3x3_2a", c(384), c(384), {1, 3}, wide),
              &b.conv("branch3x3_2b", c(384), c(384), {3, 1}, high)});
    b.branch({&b.conv("branch3x3dbl_1", in, c(448), 1),
              &b.conv("branch3x3dbl_2", c(448), c(384), 3, {.padding = 1})},
             {&b.conv("branch3x3dbl_3a", c(384), c(384), {1, 3}, wide),
              &b.conv("branch3x3dbl_3b", c(384), c(384), {3, 1}, high)});
    b.average_pool_branch(neighbours(), b.conv("branch_pool", in, c(192), 1));
    return b;
  }
};

}  // namespace

InceptionAux::InceptionAux(int in, const InceptionOptions& o)
    : conv0_(add("conv0", ConvNormRelu(in, 128 / o.width_divisor, 1))),
      conv1_(add("conv1", ConvNormRelu(128 / o.width_divisor, 768 / o.width_divisor, 5))),
      fc_(add("fc", Linear(768 / o.width_divisor, o.num_classes))) {}

Tensor InceptionAux::forward(const Tensor& x) {
  require<ShapeError>(x.size(2) >= 17 && x.size(3) >= 17,
                      "inception: the auxiliary head needs features of 17 x 17, not ", x.size(2), " x ",
                      x.size(3), "; use images of 299 x 299 or aux_logits = false");
  return fc_(global_avg_pool2d(conv1_(conv0_(avg_pool2d(x, {5, 3})))).flatten(1));
}

Tensor imagenet_to_unit_range(const Tensor& x) {
  require<ShapeError>(x.dim() == 4 && x.size(1) == 3, "transform_input: input ", x.shape(),
                      " has not the three channels of ImageNet's statistics");
  const auto per_channel = [&](const std::vector<double>& v) {
    return tensor(v, {1, 3, 1, 1}, x.dtype(), x.device());
  };
  return add(mul(x, per_channel({0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5})),
             per_channel({(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5}));
}

InceptionV3::InceptionV3(const InceptionOptions& o) : options_(o) {
  const Blocks block{o.width_divisor, o.count_include_pad};
  const auto c = [&](int channels) { return channels / o.width_divisor; };
  const auto conv = [&](const char* name, int in, int out, int size, const Conv2dOptions& options = {}) {
    stem_.push_back(&add(name, ConvNormRelu(in, out, size, options)));
  };
  conv("Conv2d_1a_3x3", o.input_channels, c(32), 3, {.stride = 2});
  conv("Conv2d_2a_3x3", c(32), c(32), 3);
  conv("Conv2d_2b_3x3", c(32), c(64), 3, {.padding = 1});
  stem_.push_back(&add("maxpool1", MaxPool2d({3, 2})));
  conv("Conv2d_3b_1x1", c(64), c(80), 1);
  conv("Conv2d_4a_3x3", c(80), c(192), 3);
  stem_.push_back(&add("maxpool2", MaxPool2d({3, 2})));
  before_head_ = {&add("Mixed_5b", block.a(c(192), c(32))),  &add("Mixed_5c", block.a(c(256), c(64))),
                  &add("Mixed_5d", block.a(c(288), c(64))),  &add("Mixed_6a", block.b(c(288))),
                  &add("Mixed_6b", block.c(c(768), c(128))), &add("Mixed_6c", block.c(c(768), c(160))),
                  &add("Mixed_6d", block.c(c(768), c(160))), &add("Mixed_6e", block.c(c(768), c(192)))};
  if (o.aux_logits) head_ = &add("AuxLogits", InceptionAux(c(768), o));
  after_head_ = {&add("Mixed_7a", block.d(c(768))), &add("Mixed_7b", block.e(c(1280))),
                 &add("Mixed_7c", block.e(c(2048)))};
  dropout_ = &add("dropout", Dropout(o.dropout < 0 ? 0.5 : o.dropout));
  fc_ = &add("fc", Linear(c(2048), o.num_classes));
}

Tensor InceptionV3::forward(const Tensor& x) {
  require_image(x, 75, "inception_v3");
  auxiliary_.clear();
  Tensor y = options_.transform_input ? imagenet_to_unit_range(x) : x;
  for (Module* part : stem_) y = (*part)(y);
  for (Module* part : before_head_) y = (*part)(y);
  if (head_ && training()) auxiliary_.push_back((*head_)(y));
  for (Module* part : after_head_) y = (*part)(y);
  return (*fc_)((*dropout_)(global_avg_pool2d(y).flatten(1)));
}

}  // namespace gadolin
