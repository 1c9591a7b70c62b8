#include "nets/inception_v3.h"

namespace gadolin {
namespace {

// InceptionV3Blocks of figures 5 to 7; channels as in the paper, divided by `by`.
struct InceptionV3Blocks {
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

InceptionV3::InceptionV3(const InceptionOptions& o)
    : InceptionNet("InceptionV3", "inception_v3", 75, o.transform_input) {
  const InceptionV3Blocks block{o.width_divisor, o.count_include_pad};
  const auto c = [&](int channels) { return channels / o.width_divisor; };
  part("Conv2d_1a_3x3", ConvNormRelu(o.input_channels, c(32), 3, {.stride = 2}));
  part("Conv2d_2a_3x3", ConvNormRelu(c(32), c(32), 3));
  part("Conv2d_2b_3x3", ConvNormRelu(c(32), c(64), 3, {.padding = 1}));
  part("maxpool1", MaxPool2d({3, 2}));
  part("Conv2d_3b_1x1", ConvNormRelu(c(64), c(80), 1));
  part("Conv2d_4a_3x3", ConvNormRelu(c(80), c(192), 3));
  ends_stage();
  part("maxpool2", MaxPool2d({3, 2}));
  part("Mixed_5b", block.a(c(192), c(32)));
  part("Mixed_5c", block.a(c(256), c(64)));
  part("Mixed_5d", block.a(c(288), c(64)));
  ends_stage();
  part("Mixed_6a", block.b(c(288)));
  part("Mixed_6b", block.c(c(768), c(128)));
  part("Mixed_6c", block.c(c(768), c(160)));
  part("Mixed_6d", block.c(c(768), c(160)));
  part("Mixed_6e", block.c(c(768), c(192)));
  ends_stage();
  if (o.aux_logits) auxiliary("AuxLogits", last_part(), InceptionAux(c(768), o), InceptionAux::least);
  part("Mixed_7a", block.d(c(768)));
  part("Mixed_7b", block.e(c(1280)));
  part("Mixed_7c", block.e(c(2048)));
  ends_stage();
  Dropout& dropout = add("dropout", Dropout(o.dropout < 0 ? 0.5 : o.dropout));
  classifier(dropout, add("fc", Linear(c(2048), o.num_classes)));
}

}  // namespace gadolin
