#include "nets/googlenet.h"

#include "tensor/ops.h"

namespace gadolin {
namespace {

// Figure 2b. The third branch has 3x3 filters where the paper has 5x5: torchvision's weights were trained so.
Branches inception(int in, int ch1x1, int ch3x3red, int ch3x3, int ch5x5red, int ch5x5, int pool_proj) {
  Branches b("Inception");
  PoolOptions neighbours(3, 1, 1);
  neighbours.ceil_mode = true;
  b.branch({&b.conv("branch1", in, ch1x1, 1)});
  b.branch({&b.conv("branch2.0", in, ch3x3red, 1), &b.conv("branch2.1", ch3x3red, ch3x3, 3, {.padding = 1})});
  b.branch({&b.conv("branch3.0", in, ch5x5red, 1), &b.conv("branch3.1", ch5x5red, ch5x5, 3, {.padding = 1})});
  b.max_pool_branch(neighbours, {&b.conv("branch4.1", in, pool_proj, 1)});
  return b;
}

MaxPool2d shrink(int kernel) {
  PoolOptions window(kernel, 2);
  window.ceil_mode = true;
  return MaxPool2d(window);
}

// Section 5: mean, 1x1, two linear layers.
class AuxiliaryHead : public Layer {
 public:
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

GoogLeNet::GoogLeNet(const InceptionOptions& o)
    : InceptionNet("GoogLeNet", "googlenet", 15, o.transform_input) {
  const auto c = [&](int channels) { return channels / o.width_divisor; };
  const auto block = [&](const char* name, int in, int a, int b1, int b2, int d1, int d2, int e) {
    part(name, inception(c(in), c(a), c(b1), c(b2), c(d1), c(d2), c(e)));
  };
  part("conv1", ConvNormRelu(o.input_channels, c(64), 7, {.stride = 2, .padding = 3}));
  part("maxpool1", shrink(3));
  part("conv2", ConvNormRelu(c(64), c(64), 1));
  part("conv3", ConvNormRelu(c(64), c(192), 3, {.padding = 1}));
  ends_stage();
  part("maxpool2", shrink(3));
  block("inception3a", 192, 64, 96, 128, 16, 32, 32);
  block("inception3b", 256, 128, 128, 192, 32, 96, 64);
  ends_stage();
  part("maxpool3", shrink(3));
  block("inception4a", 480, 192, 96, 208, 16, 48, 64);
  const std::size_t below_aux1 = last_part();
  block("inception4b", 512, 160, 112, 224, 24, 64, 64);
  block("inception4c", 512, 128, 128, 256, 24, 64, 64);
  block("inception4d", 512, 112, 144, 288, 32, 64, 64);
  const std::size_t below_aux2 = last_part();
  block("inception4e", 528, 256, 160, 320, 32, 128, 128);
  ends_stage();
  part("maxpool4", shrink(2));
  block("inception5a", 832, 256, 160, 320, 32, 128, 128);
  block("inception5b", 832, 384, 192, 384, 48, 128, 128);
  ends_stage();
  if (o.aux_logits) {
    auxiliary("aux1", below_aux1, AuxiliaryHead(c(512), o));
    auxiliary("aux2", below_aux2, AuxiliaryHead(c(528), o));
  }
  Dropout& dropout = add("dropout", Dropout(o.dropout < 0 ? 0.2 : o.dropout));
  classifier(dropout, add("fc", Linear(c(1024), o.num_classes)));
}

}  // namespace gadolin
