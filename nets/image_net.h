// Nets that say what an image shows, and on whose stages other nets are built.
#pragma once

#include <string>
#include <vector>

#include "layers/module.h"
#include "tensor/ops.h"

namespace gadolin {

// The result of a net. GoogLeNet and Inception have auxiliary classifiers besides the last one, which help
// the early layers to learn.
struct Logits {
  Tensor main;                    // [N, num_classes]
  std::vector<Tensor> auxiliary;  // the same of each auxiliary head, in training mode only; the deepest first
  std::vector<Tensor> tensors() const;  // main first
};

// A trunk of convolutions with a classifier on top.
//
//   Tensor y = net(x);                               // [N, num_classes]
//   const Logits all = net.logits(x);                // with those of auxiliary heads
//   const std::vector<Tensor> c = net.features(x);   // C2, C3, C4, C5: for a detector
class ImageNet : public Layer {
 public:
  // For each of the strides 4, 8, 16 and 32 the last result at that stride, [N, C, H / stride, W / stride].
  // The header of each net says which layers these are, and which options give other strides.
  std::vector<Tensor> features(const Tensor& x);
  // Logits of the classifier, and in training mode of the auxiliary heads if the net has them.
  Logits logits(const Tensor& x);
  // What the classifier makes of features(x).back(): logits(x).main.
  Tensor classify(const Tensor& last);
  Tensor forward(const Tensor& x) override { return all_logits(x).main; }
  // Channels of each of the features, where the net tells: ResNet, VGG and DenseNet do.
  const std::vector<int>& stage_channels() const { return stage_channels_; }
  // Pixels a side that a picture must have. In training an auxiliary head may need more.
  virtual std::int64_t least_size(bool training) const;

 protected:
  // What a pass through the trunk hands out on its way. Only what is asked for is kept.
  struct Taps {
    std::vector<Tensor>* stages = nullptr;     // results of the stages, where asked for
    std::vector<Tensor>* auxiliary = nullptr;  // logits of auxiliary heads, where asked for
    // A stage has ended with y.
    void stage(const Tensor& y) const {
      if (stages) stages->push_back(y);
    }
  };
  // The last stage of x. Hands out every stage, the last one too, and the logits of auxiliary heads.
  virtual Tensor trunk(const Tensor& x, const Taps& taps) = 0;
  // Logits of the last stage.
  virtual Tensor head(const Tensor& last) = 0;
  // For trunks that halve their images several times. Throws ShapeError, naming the net as `net`, for one
  // that is smaller than least_size.
  void require_image(const Tensor& x, const char* net) const;
  // For constructors. A net of no classes is a trunk alone, for other nets to stand on: it has no classifier.
  void stage_has(int channels) { stage_channels_.push_back(channels); }
  bool classifies(int num_classes) { return classifies_ = num_classes > 0; }  // whether there is a classifier

 private:
  Logits all_logits(const Tensor& x);
  Tensor classified(const Tensor& last);
  std::vector<int> stage_channels_;
  bool classifies_ = true;
};

// For a size that a user chose. Throws UsageError, naming the net as `model`, when it is too small.
void require_size(const ImageNet& net, const std::string& model, std::int64_t height, std::int64_t width,
                  bool training);

// As in Inception v3 and Slim; the GoogLeNet paper has 0.3.
inline constexpr double auxiliary_weight = 0.4;

// loss(main) plus auxiliary_weight times the loss of each auxiliary head.
template <class F> Tensor loss_with_auxiliary(const Logits& logits, F&& loss) {
  Tensor total = loss(logits.main);
  for (const Tensor& beside : logits.auxiliary) total = add(total, mul(loss(beside), auxiliary_weight));
  return total;
}

}  // namespace gadolin
