#include "nets/inception_resnet_v2.h"

namespace gadolin {
namespace {

using detail::around;
using detail::halves;

// x + scale * (1x1 of the branches), then ReLU but for the last block of all.
class ResidualBranches : public Branches {
 public:
  ResidualBranches(const char* kind, double scale, bool relu = true)
      : Branches(kind), scale_(scale), relu_(relu) {}
  void project(int from, int to) { conv2d_ = &add("conv2d", Conv2d(from, to, 1)); }
  Tensor forward(const Tensor& x) override {
    return conv_then(*conv2d_, Branches::forward(x), {.addend = for_compute(x), .relu = relu_}, scale_);
  }

 private:
  double scale_;
  bool relu_;
  Conv2d* conv2d_ = nullptr;
};

struct InceptionResNetBlocks {
  int by;
  int c(int channels) const { return channels / by; }

  Branches mixed_5b() const {
    PoolOptions neighbours(3, 1, 1);
    neighbours.count_include_pad = false;
    Branches b("Mixed5b");
    b.branch({&b.conv("branch0", c(192), c(96), 1)});
    b.branch({&b.conv("branch1.0", c(192), c(48), 1), &b.conv("branch1.1", c(48), c(64), 5, {.padding = 2})});
    b.branch({&b.conv("branch2.0", c(192), c(64), 1), &b.conv("branch2.1", c(64), c(96), 3, around),
              &b.conv("branch2.2", c(96), c(96), 3, around)});
    b.average_pool_branch(neighbours, b.conv("branch3.1", c(192), c(64), 1));
    return b;
  }
  ResidualBranches block35() const {  // figure 16
    ResidualBranches b("Block35", 0.17);
    b.branch({&b.conv("branch0", c(320), c(32), 1)});
    b.branch({&b.conv("branch1.0", c(320), c(32), 1), &b.conv("branch1.1", c(32), c(32), 3, around)});
    b.branch({&b.conv("branch2.0", c(320), c(32), 1), &b.conv("branch2.1", c(32), c(48), 3, around),
              &b.conv("branch2.2", c(48), c(64), 3, around)});
    b.project(c(128), c(320));
    return b;
  }
  Branches mixed_6a() const {
    Branches b("Mixed6a");
    b.branch({&b.conv("branch0", c(320), c(384), 3, halves)});
    b.branch({&b.conv("branch1.0", c(320), c(256), 1), &b.conv("branch1.1", c(256), c(256), 3, around),
              &b.conv("branch1.2", c(256), c(384), 3, halves)});
    b.max_pool_branch({3, 2});
    return b;
  }
  ResidualBranches block17() const {  // figure 17
    ResidualBranches b("Block17", 0.10);
    b.branch({&b.conv("branch0", c(1088), c(192), 1)});
    b.branch({&b.conv("branch1.0", c(1088), c(128), 1),
              &b.conv("branch1.1", c(128), c(160), {1, 7}, {.padding = {0, 3}}),
              &b.conv("branch1.2", c(160), c(192), {7, 1}, {.padding = {3, 0}})});
    b.project(c(384), c(1088));
    return b;
  }
  Branches mixed_7a() const {  // figure 18
    Branches b("Mixed7a");
    b.branch({&b.conv("branch0.0", c(1088), c(256), 1), &b.conv("branch0.1", c(256), c(384), 3, halves)});
    b.branch({&b.conv("branch1.0", c(1088), c(256), 1), &b.conv("branch1.1", c(256), c(288), 3, halves)});
    b.branch({&b.conv("branch2.0", c(1088), c(256), 1), &b.conv("branch2.1", c(256), c(288), 3, around),
              &b.conv("branch2.2", c(288), c(320), 3, halves)});
    b.max_pool_branch({3, 2});
    return b;
  }
  ResidualBranches block8(double scale, bool relu) const {  // figure 19
    ResidualBranches b("Block8", scale, relu);
    b.branch({&b.conv("branch0", c(2080), c(192), 1)});
    b.branch({&b.conv("branch1.0", c(2080), c(192), 1),
              &b.conv("branch1.1", c(192), c(224), {1, 3}, {.padding = {0, 1}}),
              &b.conv("branch1.2", c(224), c(256), {3, 1}, {.padding = {1, 0}})});
    b.project(c(448), c(2080));
    return b;
  }
};

}  // namespace

InceptionResNetV2::InceptionResNetV2(const InceptionOptions& o)
    : InceptionNet("InceptionResNetV2", "inception_resnet_v2", 75, false) {
  const InceptionResNetBlocks block{o.width_divisor};
  const auto c = [&](int channels) { return channels / o.width_divisor; };
  const auto repeat = [&](const std::string& name, int times, const auto& make) {
    for (int i = 0; i < times; ++i) part(name + "." + std::to_string(i), make());
  };
  part("conv2d_1a", ConvNormRelu(o.input_channels, c(32), 3, halves));
  part("conv2d_2a", ConvNormRelu(c(32), c(32), 3));
  part("conv2d_2b", ConvNormRelu(c(32), c(64), 3, around));
  part("maxpool_3a", MaxPool2d({3, 2}));
  part("conv2d_3b", ConvNormRelu(c(64), c(80), 1));
  part("conv2d_4a", ConvNormRelu(c(80), c(192), 3));
  ends_stage();
  part("maxpool_5a", MaxPool2d({3, 2}));
  part("mixed_5b", block.mixed_5b());
  repeat("repeat", 10, [&] { return block.block35(); });
  ends_stage();
  part("mixed_6a", block.mixed_6a());
  repeat("repeat_1", 20, [&] { return block.block17(); });
  ends_stage();
  const std::size_t below_head = last_part();
  part("mixed_7a", block.mixed_7a());
  repeat("repeat_2", 9, [&] { return block.block8(0.20, true); });
  part("block8", block.block8(1, false));
  part("conv2d_7b", ConvNormRelu(c(2080), c(1536), 1));
  ends_stage();
  if (o.aux_logits) auxiliary("AuxLogits", below_head, InceptionAux(c(1088), o), InceptionAux::least);
  Dropout& dropout = add("head_drop", Dropout(o.dropout < 0 ? 0 : o.dropout));
  classifier(dropout, add("classif", Linear(c(1536), o.num_classes)));
}

}  // namespace gadolin
