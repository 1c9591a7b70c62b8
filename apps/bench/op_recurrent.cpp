// bench op: the recurrent layers of the sequence classifier (nets/lstm.h), over series of 60 slices.
#include <memory>

#include "apps/bench/op.h"
#include "layers/recurrent.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr std::int64_t steps_of_series = 60, features_of_slice = 1536, hidden_units = 256;

// One call of the layers, with gradients of the weights when `training`; the features want none.
std::function<void()> recurrent_call(const OpSizes& sizes, Cell cell, bool training) {
  const auto net = std::make_shared<Recurrent>(
      static_cast<int>(features_of_slice),
      RecurrentOptions{
          .cell = cell, .hidden = static_cast<int>(hidden_units), .layers = 2, .bidirectional = true});
  net->to(sizes.device).train(training);
  if (sizes.dtype == DType::fp64) net->to(DType::fp64);
  const Tensor x = random_tensor(sizes, {sizes.batch, steps_of_series, features_of_slice});
  std::vector<Tensor> leaves;
  for (const Parameter& p : net->parameters()) leaves.push_back(p.tensor);
  const auto forward = [=] {
    const ComputeScope compute(sizes.dtype);
    return (*net)(x).y;
  };
  if (training) return both_ways([=] { return sum(forward()); }, leaves);
  return [=] {
    const NoGrad guard;
    forward();
  };
}

}  // namespace

void add_recurrent_cases(const OpSizes& sizes, OpCases& into) {
  const double bytes = bytes_of({sizes.batch, steps_of_series, features_of_slice}, sizes.dtype);
  for (const bool lstm : {true, false}) {
    const std::string name = std::string(lstm ? "lstm" : "gru") + " 2 x 256, two directions,";
    // Of both directions: products of the first layer's input, and all others.
    const double each = 2.0 * 2 * static_cast<double>(sizes.batch * steps_of_series * hidden_units) *
                        (lstm ? 4 : 3),
                 first = each * static_cast<double>(features_of_slice), others = each * 4 * hidden_units;
    for (const bool training : {false, true}) {
      into.push_back({"recurrent", name + (training ? " training" : " evaluation"),
                      training ? 2 * bytes : bytes, training ? 2 * first + 3 * others : first + others,
                      [=] { return recurrent_call(sizes, lstm ? Cell::lstm : Cell::gru, training); }});
    }
  }
}

}  // namespace gadolin
