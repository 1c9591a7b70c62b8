#include "nets/inception_v4.h"

namespace gadolin {
namespace {

using detail::around;
using detail::halves;

const Conv2dOptions wide7{.padding = {0, 3}}, high7{.padding = {3, 0}}, wide3{.padding = {0, 1}},
    high3{.padding = {1, 0}};

PoolOptions neighbours() {
  PoolOptions window(3, 1, 1);
  window.count_include_pad = false;
  return window;
}

// InceptionV4Blocks of figures 3 to 8; channels as drawn, divided by `by`.
struct InceptionV4Blocks {
  int by;
  int c(int channels) const { return channels / by; }

  Branches mixed_3a() const {
    Branches b("Mixed3a");
    b.max_pool_branch({3, 2});
    b.branch({&b.conv("conv", c(64), c(96), 3, halves)});
    return b;
  }
  Branches mixed_4a() const {
    Branches b("Mixed4a");
    b.branch({&b.conv("branch0.0", c(160), c(64), 1), &b.conv("branch0.1", c(64), c(96), 3)});
    b.branch({&b.conv("branch1.0", c(160), c(64), 1), &b.conv("branch1.1", c(64), c(64), {1, 7}, wide7),
              &b.conv("branch1.2", c(64), c(64), {7, 1}, high7), &b.conv("branch1.3", c(64), c(96), 3)});
    return b;
  }
  Branches mixed_5a() const {
    Branches b("Mixed5a");
    b.branch({&b.conv("conv", c(192), c(192), 3, halves)});
    b.max_pool_branch({3, 2});
    return b;
  }
  Branches a() const {
    Branches b("InceptionA");
    b.branch({&b.conv("branch0", c(384), c(96), 1)});
    b.branch({&b.conv("branch1.0", c(384), c(64), 1), &b.conv("branch1.1", c(64), c(96), 3, around)});
    b.branch({&b.conv("branch2.0", c(384), c(64), 1), &b.conv("branch2.1", c(64), c(96), 3, around),
              &b.conv("branch2.2", c(96), c(96), 3, around)});
    b.average_pool_branch(neighbours(), b.conv("branch3.1", c(384), c(96), 1));
    return b;
  }
  Branches reduction_a() const {
    Branches b("ReductionA");
    b.branch({&b.conv("branch0", c(384), c(384), 3, halves)});
    b.branch({&b.conv("branch1.0", c(384), c(192), 1), &b.conv("branch1.1", c(192), c(224), 3, around),
              &b.conv("branch1.2", c(224), c(256), 3, halves)});
    b.max_pool_branch({3, 2});
    return b;
  }
  Branches b() const {
    Branches b("InceptionB");
    b.branch({&b.conv("branch0", c(1024), c(384), 1)});
    b.branch({&b.conv("branch1.0", c(1024), c(192), 1), &b.conv("branch1.1", c(192), c(224), {1, 7}, wide7),
              &b.conv("branch1.2", c(224), c(256), {7, 1}, high7)});
    b.branch({&b.conv("branch2.0", c(1024), c(192), 1), &b.conv("branch2.1", c(192), c(192), {7, 1}, high7),
              &b.conv("branch2.2", c(192), c(224), {1, 7}, wide7),
              &b.conv("branch2.3", c(224), c(224), {7, 1}, high7),
              &b.conv("branch2.4", c(224), c(256), {1, 7}, wide7)});
    b.average_pool_branch(neighbours(), b.conv("branch3.1", c(1024), c(128), 1));
    return b;
  }
  Branches reduction_b() const {
    Branches b("ReductionB");
    b.branch({&b.conv("branch0.0", c(1024), c(192), 1), &b.conv("branch0.1", c(192), c(192), 3, halves)});
    b.branch({&b.conv("branch1.0", c(1024), c(256), 1), &b.conv("branch1.1", c(256), c(256), {1, 7}, wide7),
              &b.conv("branch1.2", c(256), c(320), {7, 1}, high7),
              &b.conv("branch1.3", c(320), c(320), 3, halves)});
    b.max_pool_branch({3, 2});
    return b;
  }
  Branches c() const {
    Branches b("InceptionC");
    b.branch({&b.conv("branch0", c(1536), c(256), 1)});
    b.branch({&b.conv("branch1_0", c(1536), c(384), 1)},
             {&b.conv("branch1_1a", c(384), c(256), {1, 3}, wide3),
              &b.conv("branch1_1b", c(384), c(256), {3, 1}, high3)});
    b.branch({&b.conv("branch2_0", c(1536), c(384), 1), &b.conv("branch2_1", c(384), c(448), {3, 1}, high3),
              &b.conv("branch2_2", c(448), c(512), {1, 3}, wide3)},
             {&b.conv("branch2_3a", c(512), c(256), {1, 3}, wide3),
              &b.conv("branch2_3b", c(512), c(256), {3, 1}, high3)});
    b.average_pool_branch(neighbours(), b.conv("branch3.1", c(1536), c(256), 1));
    return b;
  }
};

}  // namespace

InceptionV4::InceptionV4(const InceptionOptions& o) : InceptionNet("InceptionV4", "inception_v4", 75, false) {
  const InceptionV4Blocks block{o.width_divisor};
  int parts = 0;
  const auto append = [&](auto layer) { part("features." + std::to_string(parts++), std::move(layer)); };
  append(ConvNormRelu(o.input_channels, block.c(32), 3, halves));
  append(ConvNormRelu(block.c(32), block.c(32), 3));
  append(ConvNormRelu(block.c(32), block.c(64), 3, around));
  append(block.mixed_3a());
  append(block.mixed_4a());
  ends_stage();
  append(block.mixed_5a());
  for (int i = 0; i < 4; ++i) append(block.a());
  ends_stage();
  append(block.reduction_a());
  for (int i = 0; i < 7; ++i) append(block.b());
  ends_stage();
  const std::size_t below_head = last_part();
  append(block.reduction_b());
  for (int i = 0; i < 3; ++i) append(block.c());
  ends_stage();
  if (o.aux_logits) auxiliary("AuxLogits", below_head, InceptionAux(block.c(1024), o), InceptionAux::least);
  Dropout& dropout = add("head_drop", Dropout(o.dropout < 0 ? 0 : o.dropout));
  classifier(dropout, add("last_linear", Linear(block.c(1536), o.num_classes)));
}

}  // namespace gadolin
