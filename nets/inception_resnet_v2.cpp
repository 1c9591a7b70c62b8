#include "nets/inception.h"

namespace gadolin {
namespace {

using detail::around;
using detail::halves;
using detail::high;
using detail::wide;

// x + scale * (1x1 of the branches), then ReLU but for the last block of all.
class ResidualBranches : public Branches {
 public:
  using Branches::Branches;
  // Behind the last branch.
  void add_to_input(double scale, bool relu = true) {
    conv2d_ = &add("conv2d", Conv2d(Branches::channels(), in_, 1));
    scale_ = scale, relu_ = relu;
  }
  int channels() const { return in_; }
  Tensor forward(const Tensor& x) override {
    return conv_then(*conv2d_, Branches::forward(x), {.addend = for_compute(x), .relu = relu_}, scale_);
  }

 private:
  Conv2d* conv2d_ = nullptr;
  double scale_;
  bool relu_;
};

void mixed_5b(Branches& b) {
  b.branch({{"branch0", 96, 1}});
  b.branch({{"branch1.0", 48, 1}, {"branch1.1", 64, 5, {.padding = 2}}});
  b.branch({{"branch2.0", 64, 1}, {"branch2.1", 96, 3, around}, {"branch2.2", 96, 3, around}});
  b.average_pool(detail::neighbours(), {"branch3.1", 64, 1});
}
void block35(ResidualBranches& b) {  // figure 16
  b.branch({{"branch0", 32, 1}});
  b.branch({{"branch1.0", 32, 1}, {"branch1.1", 32, 3, around}});
  b.branch({{"branch2.0", 32, 1}, {"branch2.1", 48, 3, around}, {"branch2.2", 64, 3, around}});
  b.add_to_input(0.17);
}
void mixed_6a(Branches& b) {
  b.branch({{"branch0", 384, 3, halves}});
  b.branch({{"branch1.0", 256, 1}, {"branch1.1", 256, 3, around}, {"branch1.2", 384, 3, halves}});
  b.max_pool({3, 2});
}
void block17(ResidualBranches& b) {  // figure 17
  b.branch({{"branch0", 192, 1}});
  b.branch({{"branch1.0", 128, 1}, wide("branch1.1", 160, 7), high("branch1.2", 192, 7)});
  b.add_to_input(0.10);
}
void mixed_7a(Branches& b) {  // figure 18
  b.branch({{"branch0.0", 256, 1}, {"branch0.1", 384, 3, halves}});
  b.branch({{"branch1.0", 256, 1}, {"branch1.1", 288, 3, halves}});
  b.branch({{"branch2.0", 256, 1}, {"branch2.1", 288, 3, around}, {"branch2.2", 320, 3, halves}});
  b.max_pool({3, 2});
}
void block8(ResidualBranches& b, double scale, bool relu) {  // figure 19
  b.branch({{"branch0", 192, 1}});
  b.branch({{"branch1.0", 192, 1}, wide("branch1.1", 224, 3), high("branch1.2", 256, 3)});
  b.add_to_input(scale, relu);
}

}  // namespace

InceptionResNetV2::InceptionResNetV2(const InceptionOptions& o)
    : InceptionNet("InceptionResNetV2", "inception_resnet_v2", 75, o) {
  conv("conv2d_1a", 32, 3, halves);
  conv("conv2d_2a", 32, 3);
  conv("conv2d_2b", 64, 3, around);
  part("maxpool_3a", MaxPool2d({3, 2}));
  conv("conv2d_3b", 80, 1);
  conv("conv2d_4a", 192, 3);
  ends_stage();
  part("maxpool_5a", MaxPool2d({3, 2}));
  block("mixed_5b", "Mixed5b", mixed_5b);
  for (int i = 0; i < 10; ++i) block(cat("repeat.", i), "Block35", block35);
  ends_stage();
  block("mixed_6a", "Mixed6a", mixed_6a);
  for (int i = 0; i < 20; ++i) block(cat("repeat_1.", i), "Block17", block17);
  ends_stage();
  const std::size_t below_head = last_part();
  block("mixed_7a", "Mixed7a", mixed_7a);
  for (int i = 0; i < 9; ++i) block(cat("repeat_2.", i), "Block8", block8, 0.20, true);
  block("block8", "Block8", block8, 1, false);
  conv("conv2d_7b", 1536, 1);
  ends_stage();
  auxiliary<InceptionAux>("AuxLogits", below_head);
  classifier("head_drop", 0, "classif");
}

}  // namespace gadolin
