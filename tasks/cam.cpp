#include "tasks/cam.h"

#include <utility>
#include <vector>

#include "layers/module.h"
#include "tasks/features.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// Evaluation mode without parameters that want gradients, put back at the end.
struct Quiet {
  Module& net;
  bool training;
  std::vector<Tensor> wanting;
  explicit Quiet(Module& n) : net(n), training(n.training()) {
    net.eval();
    for (const Parameter& p : net.parameters()) {
      if (p.tensor.requires_grad()) wanting.push_back(p.tensor);
    }
    for (Tensor& t : wanting) t.requires_grad_(false);
  }
  ~Quiet() {
    for (Tensor& t : wanting) t.requires_grad_(true);
    net.train(training);
  }
};

}  // namespace

std::string cam_layer(Module& net, const std::function<Tensor()>& run) {
  const Quiet quiet(net);
  const NoGrad guard;
  const Unfused apart;
  std::string last, last_point;
  {
    const CallObserver observer(
        [&](const Module&, const std::string& path, std::span<const Tensor>, std::span<const Tensor> out) {
          if (out.size() != 1 || out[0].dim() != 4 || path.empty()) return;  // no list of stages
          (out[0].size(2) * out[0].size(3) > 1 ? last : last_point) = path;
        });
    run();
  }
  if (last.empty()) last = std::exchange(last_point, "");
  require<UsageError>(!last.empty(), "cam: no layer of the net gives a map [N, C, H, W]");
  return last;
}
std::string cam_layer(Layer& net, const Tensor& x) {
  return cam_layer(net, [&] { return net(x); });
}

Tensor grad_cam(Module& net, const std::function<Tensor()>& evidence, const std::string& wanted) {
  const std::string layer = wanted.empty() ? cam_layer(net, evidence) : wanted;
  const Quiet quiet(net);
  const Unfused apart;
  int calls = 0;
  {
    const NoGrad guard;
    const LayerTap check(net, layer);
    const Tensor map = check.watch(evidence).feature;
    require<UsageError>(map.dim() == 4, "cam: layer ", layer, " gives ", map.shape(),
                        ", not [N, C, H, W]; choose an earlier one");
    const CallObserver counter(
        [&](const Module&, const std::string& path, auto&&...) { calls += path == layer; });
    evidence();
  }
  require<UsageError>(calls > 0, "cam: ", layer, " is not a layer's result; choose one without :input");
  const EnableGrad on;
  // Below the layer nothing wants a gradient, so its result is a leaf, and the tape begins here.
  Tensor values, leaf, found;
  {
    const CallObserver observer(
        [&](const Module&, const std::string& path, std::span<const Tensor>, std::span<const Tensor> out) {
          if (path != layer || --calls > 0) return;
          leaf = out[0];
          values = leaf.clone();
          leaf.requires_grad_();
        });
    found = evidence();
  }
  found.backward();
  const NoGrad guard;
  const Tensor gradient = leaf.grad().to(DType::fp32);
  Tensor map = relu(sum(mul(mean(gradient, {2, 3}, true), values.to(DType::fp32)), {1}));
  const Tensor most = max(map, {1, 2}, true);
  map = where(most > 0.0, map / clamp(most, 1e-30, 1e30), zeros(map.shape(), DType::fp32, map.device()));
  return map.to(cpu).contiguous();
}

Tensor grad_cam(Layer& net, const Tensor& x, int target, const std::string& layer) {
  const auto evidence = [&]() -> Tensor {
    const Tensor logits = net(x.detach());
    require<ValueError>(target >= 0 && target < logits.size(1), "cam: class ", target, " of a net with ",
                        logits.size(1), " classes");
    return sum(logits.slice(1, target, target + 1).to(DType::fp32));
  };
  return grad_cam(net, evidence, layer);
}

}  // namespace gadolin
