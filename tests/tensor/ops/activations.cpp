// Specs of the activations.
#include <cmath>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// The cases of a smooth function of one number: images and odd sizes, a scalar, more than a thread's share,
// extremes.
std::vector<OpCase> smooth_cases() {
  return {{.inputs = {shaped({2, 3, 5, 7})}},
          {.what = "of a scalar", .inputs = {shaped({})}},
          {.what = "of one element", .inputs = {shaped({1, 1, 1})}},
          {.what = "far from 0", .inputs = {values({-800, -20, 0, 20, 800})}, .expanded = false}};
}
std::vector<OpCase> kinked_cases() {
  return {
      {.inputs = {shaped({2, 3, 5, 7}).away_from(0)}},
      {.what = "of a scalar", .inputs = {shaped({}).away_from(0)}},
      {.what = "at 0 and beyond", .inputs = {values({-inf, -1, -0.0, 0, 1, inf, nan})}, .gradients = false}};
}

const bool sigmoid_added = add_spec({
    .name = "sigmoid",
    .f = [](const Inputs& in) { return sigmoid(in[0]); },
    .reference = logistic,
    .cases = smooth_cases(),
    .errors = {{.inputs = {shaped({3}, DType::int64)},
                .message = "sigmoid: int64 is not supported; convert with .to(DType::fp32)",
                .code = "GD-DTYPE-002"}},
});

const bool relu_added = add_spec({
    .name = "relu",
    .f = [](const Inputs& in) { return relu(in[0]); },
    .reference = [](double x) { return x < 0 ? 0 : x; },
    .cases = kinked_cases(),
    .errors = {{.inputs = {shaped({3}, DType::boolean)},
                .message = "relu: bool is not supported; convert with .to(DType::fp32)"}},
});

const bool leaky_relu_added = add_spec({
    .name = "leaky_relu",
    .f = [](const Inputs& in) { return leaky_relu(in[0], 0.2); },
    .reference = [](double x) { return x < 0 ? 0.2 * x : x; },
    .cases = kinked_cases(),
});

const bool silu_added = add_spec({
    .name = "silu",
    .f = [](const Inputs& in) { return silu(in[0]); },
    .reference = [](double x) { return x * logistic(x); },
    .cases = smooth_cases(),
    .errors = {{.inputs = {shaped({3}, DType::int64)},
                .message = "silu: int64 is not supported; convert with .to(DType::fp32)"}},
});

const bool gelu_added = add_spec({
    .name = "gelu",
    .f = [](const Inputs& in) { return gelu(in[0]); },
    .reference = [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); },
    .cases = smooth_cases(),
});

const bool gelu_tanh_added = add_spec({
    .name = "gelu_tanh",
    .f = [](const Inputs& in) { return gelu(in[0], Gelu::tanh); },
    .reference =
        [](double x) {
          return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
        },
    .cases = smooth_cases(),
});

const bool softplus_added = add_spec({
    .name = "softplus",
    .f = [](const Inputs& in) { return softplus(in[0]); },
    .reference = [](double x) { return x > 20 ? x : std::log1p(std::exp(x)); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "far from 0", .inputs = {values({-800, -20, 0, 19, 21, 800})}, .expanded = false},
              {.what = "sharp with a near threshold",
               .inputs = {shaped({4, 9}).away_from(1)},
               .f = [](const Inputs& in) { return softplus(in[0], 3, 3); },
               .reference = [](double x) { return x > 1 ? x : std::log1p(std::exp(3 * x)) / 3; }}},
    .errors = {{.inputs = {shaped({3})},
                .message = "softplus: beta 0 is not positive",
                .code = "GD-VALUE-001",
                .f = [](const Inputs& in) { return softplus(in[0], 0); }}},
});

}  // namespace
}  // namespace gadolin
