#include "nets/inception.h"

#include "tensor/ops.h"

namespace gadolin {
namespace {

// Figure 2b. The third branch has 3x3 filters where the paper has 5x5: torchvision's weights were trained so.
void inception(Branches& b, int ch1x1, int ch3x3red, int ch3x3, int ch5x5red, int ch5x5, int pool_proj) {
  PoolOptions neighbours(3, 1, 1);
  neighbours.ceil_mode = true;
  b.branch({{"branch1", ch1x1, 1}});
  b.branch({{"branch2.0", ch3x3red, 1}, {"branch2.1", ch3x3, 3, detail::around}});
  b.branch({{"branch3.0", ch5x5red, 1}, {"branch3.1", ch5x5, 3, detail::around}});
  b.max_pool(neighbours, {{"branch4.1", pool_proj, 1}});
}

MaxPool2d shrink(int kernel) {
  PoolOptions window(kernel, 2);
  window.ceil_mode = true;
  return MaxPool2d(window);
}

// Section 5: mean, 1x1, two linear layers.
class AuxiliaryHead : public Layer {
 public:
  static constexpr std::int64_t least = 1;
  AuxiliaryHead(int in, const InceptionOptions& o)
      : conv_(add("conv", ConvNormRelu(in, 128 / o.width_divisor, 1))),
        fc1_(add("fc1", Linear(2048 / o.width_divisor, 1024 / o.width_divisor))),
        fc2_(add("fc2", Linear(1024 / o.width_divisor, o.num_classes))),
        dropout_(add("dropout", Dropout(o.dropout_aux))) {}
  Tensor forward(const Tensor& x) override {
    return fc2_(dropout_(relu(fc1_(conv_(adaptive_avg_pool2d(x, 4)).flatten(1)))));
  }
  const char* kind() const override { return "InceptionAux"; }

 private:
  ConvNormRelu& conv_;
  Linear &fc1_, &fc2_;
  Dropout& dropout_;
};

}  // namespace

GoogLeNet::GoogLeNet(const InceptionOptions& o) : InceptionNet("GoogLeNet", "googlenet", 15, o) {
  conv("conv1", 64, 7, {.stride = 2, .padding = 3});
  part("maxpool1", shrink(3));
  conv("conv2", 64, 1);
  conv("conv3", 192, 3, detail::around);
  ends_stage();
  part("maxpool2", shrink(3));
  block("inception3a", "Inception", inception, 64, 96, 128, 16, 32, 32);
  block("inception3b", "Inception", inception, 128, 128, 192, 32, 96, 64);
  ends_stage();
  part("maxpool3", shrink(3));
  block("inception4a", "Inception", inception, 192, 96, 208, 16, 48, 64);
  const std::size_t below_aux1 = last_part();
  block("inception4b", "Inception", inception, 160, 112, 224, 24, 64, 64);
  block("inception4c", "Inception", inception, 128, 128, 256, 24, 64, 64);
  block("inception4d", "Inception", inception, 112, 144, 288, 32, 64, 64);
  const std::size_t below_aux2 = last_part();
  block("inception4e", "Inception", inception, 256, 160, 320, 32, 128, 128);
  ends_stage();
  part("maxpool4", shrink(2));
  block("inception5a", "Inception", inception, 256, 160, 320, 32, 128, 128);
  block("inception5b", "Inception", inception, 384, 192, 384, 48, 128, 128);
  ends_stage();
  auxiliary<AuxiliaryHead>("aux1", below_aux1);
  auxiliary<AuxiliaryHead>("aux2", below_aux2);
  classifier("dropout", 0.2, "fc");
}

}  // namespace gadolin
