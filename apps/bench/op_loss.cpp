// bench op: losses, forward and backward together, as a training step has them.
#include "apps/bench/op.h"
#include "layers/loss.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {

void add_loss_cases(const OpSizes& sizes, OpCases& into) {
  const std::int64_t rows = sizes.batch * 512, classes = 1000;
  const Shape shape{rows, classes};
  const double size = bytes_of(shape, sizes.dtype), labels_size = 8 * static_cast<double>(rows);
  const auto logits = [=] { return random_tensor(sizes, shape).requires_grad_(); };
  const auto labels = [=] {
    RandomStream random(0, stream_id(0x6c6162, 1));
    Tensor t = empty({rows}, DType::int64);
    for (std::int64_t i = 0; i < rows; ++i)
      t.data<std::int64_t>()[i] = static_cast<std::int64_t>(random.below(classes));
    return t.to(sizes.device);
  };
  const auto bits = [=] {
    const NoGrad guard;
    return (rand(shape, DType::fp32, sizes.device) < 0.25).to(sizes.dtype);
  };
  // At least: logits read once, their gradient written once.
  into.push_back({"loss", "softmax cross-entropy both ways", 2 * size + labels_size, 0, [=] {
                    const Tensor x = logits(), target = labels();
                    return both_ways([=] { return cross_entropy(x, target); }, {x});
                  }});
  into.push_back({"loss", "softmax focal loss both ways", 2 * size + labels_size, 0, [=] {
                    const Tensor x = logits(), target = labels();
                    return both_ways([=] { return softmax_focal_loss(x, target); }, {x});
                  }});
  into.push_back({"loss", "binary cross-entropy both ways", 3 * size, 0, [=] {
                    const Tensor x = logits(), target = bits();
                    return both_ways([=] { return binary_cross_entropy_with_logits(x, target); }, {x});
                  }});
  into.push_back({"loss", "sigmoid focal loss both ways", 3 * size, 0, [=] {
                    const Tensor x = logits(), target = bits();
                    return both_ways([=] { return sigmoid_focal_loss(x, target); }, {x});
                  }});
  into.push_back({"loss", "smooth L1 loss both ways", 3 * size, 0, [=] {
                    const Tensor x = logits(), target = random_tensor(sizes, shape);
                    return both_ways([=] { return smooth_l1_loss(x, target); }, {x});
                  }});
}

}  // namespace gadolin
