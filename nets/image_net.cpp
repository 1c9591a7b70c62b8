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

Logits ImageNet::all_logits(const Tensor& x) {
  Logits all;
  all.main = head(trunk(x, {.auxiliary = training() ? &all.auxiliary : nullptr}));
  return all;
}
Logits ImageNet::logits(const Tensor& x) {
  return called(x, [&] { return all_logits(x); });
}

Tensor ImageNet::classify(const Tensor& last) {
  return called(last, [&] { return head(last); });
}

}  // namespace gadolin
