// bench op: the batch norms of ResNet-50 in training, alone and in the joins of residual blocks.
#include <memory>
#include <utility>

#include "apps/bench/op.h"
#include "apps/bench/timing.h"
#include "layers/norm.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Norm {
  Tensor weight, bias, mean, variance;
};

Norm parameters(const OpSizes& sizes, std::int64_t channels) {
  const DType type = parameter_type(sizes.dtype);
  return {random_tensor(sizes, {channels}, type).requires_grad_(),
          random_tensor(sizes, {channels}, type).requires_grad_(), zeros({channels}, type, sizes.device),
          ones({channels}, type, sizes.device)};
}

}  // namespace

void add_norm_cases(const OpSizes& sizes, OpCases& into) {
  for (const std::int64_t channels : {64, 256}) {
    const Shape shape{sizes.batch, channels, 56, 56};
    const double size = bytes_of(shape, sizes.dtype);
    const std::string tail = " " + std::to_string(channels) + " at 56";
    const auto images = [=] { return random_tensor(sizes, shape); };
    const auto norm = [=](const Tensor& x, const Norm& n, const Tensor& addend, bool training,
                          bool with_relu) {
      return batch_norm(x, n.weight, n.bias, n.mean, n.variance, {training, 0.1, 1e-5, with_relu}, addend);
    };
    const auto named = [&](const std::string& name, double passes,
                           std::function<std::function<void()>()> make) {
      into.push_back({"norm", name + tail, passes * size, 0, std::move(make)});
    };

    named("channel statistics", 1, [=] {
      const DType type = parameter_type(sizes.dtype);
      const ChannelStatistics result{empty({channels}, type, sizes.device),
                                     empty({channels}, type, sizes.device)};
      return [=, x = images()] { channel_statistics(x, result); };
    });
    // Statistics read x; then x is read again and y written.
    named("batch norm training", 3, [=] {
      return [=, x = images().requires_grad_(), n = parameters(sizes, channels)] {
        norm(x, n, {}, true, false);
      };
    });
    named("batch norm + relu training", 3, [=] {
      return
          [=, x = images().requires_grad_(), n = parameters(sizes, channels)] { norm(x, n, {}, true, true); };
    });
    named("batch norm + relu evaluation", 2, [=] {
      return [=, x = images(), n = parameters(sizes, channels)] {
        const NoGrad guard;
        norm(x, n, {}, false, true);
      };
    });
    // Gradients of scale and bias come from sums over dy and x, which the gradient of x needs: both are read
    // twice.
    named("batch norm + relu backward", 5, [=] {
      const Tensor x = images().requires_grad_();
      const Norm n = parameters(sizes, channels);
      return backward_of(norm(x, n, {}, true, true), {x, n.weight, n.bias});
    });
    named("join: batch norm + addend + relu", 4, [=] {
      return [=, x = images().requires_grad_(), addend = images().requires_grad_(),
              n = parameters(sizes, channels)] { norm(x, n, addend, true, true); };
    });
    named("join backward", 6, [=] {
      const Tensor x = images().requires_grad_(), addend = images().requires_grad_();
      const Norm n = parameters(sizes, channels);
      return backward_of(norm(x, n, addend, true, true), {x, addend, n.weight, n.bias});
    });
    // relu(norm(x) + norm(other)), where a residual block has a convolution on its way around.
    const auto pair = [=] {
      const auto modules = std::make_shared<std::pair<BatchNorm2d, BatchNorm2d>>(static_cast<int>(channels),
                                                                                 static_cast<int>(channels));
      for (BatchNorm2d* module : {&modules->first, &modules->second}) {
        module->to(sizes.device);
        if (sizes.dtype == DType::fp64) module->to(DType::fp64);
      }
      return modules;
    };
    named("join of two batch norms", 5, [=] {
      return [=, x = images().requires_grad_(), other = images().requires_grad_(), norms = pair()] {
        norms->first.join_relu(x, norms->second, other);
      };
    });
    named("join of two batch norms backward", 8, [=] {
      const Tensor x = images().requires_grad_(), other = images().requires_grad_();
      const auto norms = pair();
      std::vector<Tensor> leaves{x, other};
      for (const BatchNorm2d* module : {&norms->first, &norms->second}) {
        for (const Parameter& p : module->parameters()) leaves.push_back(p.tensor);
      }
      const Body backward = backward_of(norms->first.join_relu(x, norms->second, other), leaves);
      return [backward, norms] { backward(); };  // the modules stay
    });
  }
}

}  // namespace gadolin
