// bench op: optimisers and the moving average over all parameters of ResNet-50, one launch each.
#include <memory>

#include "apps/bench/op.h"
#include "layers/init.h"
#include "nets/registry.h"
#include "tensor/autograd.h"
#include "train/optimizer.h"
#include "train/weight_average.h"

namespace gadolin {
namespace {

// Shapes of the net, random weights and gradients.
std::vector<Parameter> random_parameters(const OpSizes& sizes) {
  const SkipInitialValues skip;
  std::vector<Parameter> list;
  for (const Parameter& p : make_net("resnet50", {})->parameters()) {
    Tensor weight = random_tensor(sizes, p.tensor.shape(), DType::fp32);
    weight.requires_grad_().set_grad(random_tensor(sizes, p.tensor.shape(), DType::fp32));
    list.push_back({p.name, weight});
  }
  return list;
}

}  // namespace

void add_update_cases(const OpSizes& sizes, OpCases& into) {
  const double size = 25557032 * 4.0;  // bytes of the parameters, which tests/nets counts
  const auto optimizer = [&](const std::string& name, double passes, const OptimizerOptions& options) {
    into.push_back({"update", name + " of resnet50", passes * size, 0, [=] {
                      const auto held = std::make_shared<Optimizer>(random_parameters(sizes), options);
                      return [=] { held->step(); };
                    }});
  };
  // Weight, gradient and moments are read, weight and moments written; a norm reads the gradient once more.
  optimizer("sgd", 3, {.rule = Rule::sgd, .lr = 1e-6});
  optimizer("sgd with momentum", 5, {.rule = Rule::sgd, .lr = 1e-6, .momentum = 0.9, .weight_decay = 1e-4});
  optimizer("sgd with momentum and norm", 6,
            {.rule = Rule::sgd, .lr = 1e-6, .momentum = 0.9, .weight_decay = 1e-4, .clip_norm = 1});
  optimizer("adamw", 7, {.rule = Rule::adamw, .lr = 1e-6, .weight_decay = 0.01});
  optimizer("adamw with norm", 8, {.rule = Rule::adamw, .lr = 1e-6, .weight_decay = 0.01, .clip_norm = 1});
  into.push_back({"update", "weight average of resnet50", 3 * size, 0, [=] {
                    const auto held = std::make_shared<WeightAverage>(random_parameters(sizes), 0.999);
                    return [=] {
                      const NoGrad guard;
                      held->update();
                    };
                  }});
}

}  // namespace gadolin
