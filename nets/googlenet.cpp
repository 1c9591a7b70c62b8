#include "nets/googlenet.h"

#include "nets/image_size.h"
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

}  // namespace

// Section 5: mean, 1x1, two linear layers.
class GoogLeNet::AuxiliaryHead : public Module {
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

GoogLeNet::GoogLeNet(const InceptionOptions& o) : options_(o) {
  const auto c = [&](int channels) { return channels / o.width_divisor; };
  const auto block = [&](const char* name, int in, int a, int b1, int b2, int d1, int d2, int e) -> Module* {
    return &add(name, inception(c(in), c(a), c(b1), c(b2), c(d1), c(d2), c(e)));
  };
  stem_ = {&add("conv1", ConvNormRelu(o.input_channels, c(64), 7, {.stride = 2, .padding = 3})),
           &add("maxpool1", shrink(3)),
           &add("conv2", ConvNormRelu(c(64), c(64), 1)),
           &add("conv3", ConvNormRelu(c(64), c(192), 3, {.padding = 1})),
           &add("maxpool2", shrink(3)),
           block("inception3a", 192, 64, 96, 128, 16, 32, 32),
           block("inception3b", 256, 128, 128, 192, 32, 96, 64),
           &add("maxpool3", shrink(3)),
           block("inception4a", 480, 192, 96, 208, 16, 48, 64)};
  middle_ = {block("inception4b", 512, 160, 112, 224, 24, 64, 64),
             block("inception4c", 512, 128, 128, 256, 24, 64, 64),
             block("inception4d", 512, 112, 144, 288, 32, 64, 64)};
  upper_ = {block("inception4e", 528, 256, 160, 320, 32, 128, 128), &add("maxpool4", shrink(2)),
            block("inception5a", 832, 256, 160, 320, 32, 128, 128),
            block("inception5b", 832, 384, 192, 384, 48, 128, 128)};
  if (o.aux_logits) {
    aux1_ = &add("aux1", AuxiliaryHead(c(512), o));
    aux2_ = &add("aux2", AuxiliaryHead(c(528), o));
  }
  dropout_ = &add("dropout", Dropout(o.dropout < 0 ? 0.2 : o.dropout));
  fc_ = &add("fc", Linear(c(1024), o.num_classes));
}

Tensor GoogLeNet::forward(const Tensor& x) {
  require_image(x, 15, "googlenet");
  auxiliary_.clear();
  Tensor y = options_.transform_input ? imagenet_to_unit_range(x) : x;
  for (Module* part : stem_) y = (*part)(y);
  if (aux1_ && training()) auxiliary_ = {(*aux1_)(y)};
  for (Module* part : middle_) y = (*part)(y);
  if (aux2_ && training()) auxiliary_.insert(auxiliary_.begin(), (*aux2_)(y));
  for (Module* part : upper_) y = (*part)(y);
  return (*fc_)((*dropout_)(global_avg_pool2d(y).flatten(1)));
}

}  // namespace gadolin
