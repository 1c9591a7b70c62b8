#include "nets/image_net.h"

namespace gadolin {

std::vector<Tensor> Logits::tensors() const {
  std::vector<Tensor> all{main};
  all.insert(all.end(), auxiliary.begin(), auxiliary.end());
  return all;
}

std::vector<Tensor> ImageNet::features(const Tensor& x) {
  return called(x, [&] {
    std::vector<Tensor> stages;
    trunk(x, {.stages = &stages});
    return stages;
  });
}

Tensor ImageNet::classified(const Tensor& last) {
  require<ValueError>(classifies_, kind(), ": it was made without a classifier; use features()");
  return head(last);
}

Logits ImageNet::all_logits(const Tensor& x) {
  Logits all;
  all.main = classified(trunk(x, {.auxiliary = training() ? &all.auxiliary : nullptr}));
  return all;
}
Logits ImageNet::logits(const Tensor& x) {
  return called(x, [&] { return all_logits(x); });
}

std::int64_t ImageNet::least_size(bool) const { return 1; }

void ImageNet::require_image(const Tensor& x, const char* net) const {
  const std::int64_t least = least_size(false);
  require<ShapeError>(x.dim() == 4 && x.size(2) >= least && x.size(3) >= least, net, ": input ", x.shape(),
                      " is no batch of images of at least ", least, " x ", least,
                      " pixels; resize them, or use another net");
}

void require_size(const ImageNet& net, const std::string& model, std::int64_t height, std::int64_t width,
                  bool training) {
  const std::int64_t least = net.least_size(training);
  require<UsageError>(height >= least && width >= least, model, ": pictures of ", height, " x ", width,
                      " are too small to ", training ? "learn from" : "look at", ", the smallest are ", least,
                      " x ", least, "; choose a larger size, or another net");
}

Tensor ImageNet::classify(const Tensor& last) {
  return called(last, [&] { return classified(last); });
}

}  // namespace gadolin
