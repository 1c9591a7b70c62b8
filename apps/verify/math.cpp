#include "apps/verify/math.h"

#include <algorithm>
#include <functional>

#include "apps/program/command.h"
#include "layers/winograd.h"
#include "nets/retinanet.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

struct ComparedNet {
  NetInfo info;
  std::unique_ptr<Module> net;
  std::function<std::vector<Tensor>(const Tensor&)> results;
};

ComparedNet compared_net(const std::string& name) {
  const auto called = [&](const NetInfo& info) { return info.name == name; };
  if (std::any_of(detectors().begin(), detectors().end(), called)) {
    // A prior of one half has no bias, beside which the logits of random weights would be small.
    auto net = make_detector(name, {{"prior", 0.5}});
    RetinaNet* const detector = net.get();
    return {detector_info(name), std::move(net),
            [detector](const Tensor& x) { return (*detector)(x).tensors(); }};
  }
  auto net = make_net(name);
  ImageNet* const classifier = net.get();
  return {net_info(name), std::move(net),
          [classifier](const Tensor& x) { return classifier->logits(x).tensors(); }};
}

// NaN where there is one among the results.
double largest_error(const std::vector<Tensor>& results, const std::vector<Tensor>& exact) {
  double worst = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double scale = max(abs(exact[i])).item(),
                 error = max(abs(results[i].to(DType::fp64) - exact[i])).item() / scale;
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

MathErrors math_errors(const std::string& name, const std::string& input, std::uint64_t seed) {
  const NoGrad guard;
  manual_seed(seed);
  ComparedNet compared = compared_net(name);
  const Shape size = input.empty() ? compared.info.input : parse_input(input);
  const Tensor x = (rand({1, size[0], size[1], size[2]}) * 2 - 1).contiguous(MemoryFormat::channels_last);
  compared.net->eval();
  std::vector<std::vector<Tensor>> results;
  for (const int tile : compared_tiles) {
    const detail::LargestTile allowed(tile);
    results.push_back(compared.results(x));
  }
  compared.net->to(DType::fp64);
  const std::vector<Tensor> exact = compared.results(x.to(DType::fp64));
  MathErrors found{size, {}};
  for (std::size_t i = 0; i < results.size(); ++i) found.errors[i] = largest_error(results[i], exact);
  return found;
}

}  // namespace gadolin
