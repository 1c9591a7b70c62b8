// Specs of the functions of one number from analysis.
#include <cmath>

#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

const bool exp_added = add_spec({
    .name = "exp",
    .f = [](const Inputs& in) { return exp(in[0]); },
    .reference = [](double x) { return std::exp(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "of a scalar", .inputs = {shaped({})}},
              {.what = "overflow and NaN", .inputs = {values({-inf, -1000, 0, 1000, inf, nan})}}},
    .errors = {{.inputs = {shaped({3}, DType::int32)},
                .message = "exp: int32 is not supported; convert with .to(DType::fp32)",
                .code = "GD-DTYPE-002"}},
});

const bool log_added = add_spec({
    .name = "log",
    .f = [](const Inputs& in) { return log(in[0]); },
    .reference = [](double x) { return std::log(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7}).between(0.5, 3)}},
              {.what = "at its limits",
               .inputs = {values({0, inf, -1, nan})},
               .gradients = false,
               .may_be_nan = true}},
    .errors = {{.inputs = {shaped({3}, DType::uint8)},
                .message = "log: uint8 is not supported; convert with .to(DType::fp32)"}},
});

const bool sqrt_added = add_spec({
    .name = "sqrt",
    .f = [](const Inputs& in) { return sqrt(in[0]); },
    .reference = [](double x) { return std::sqrt(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7}).between(0.2, 3)}},
              {.what = "at its limits",
               .inputs = {values({0, inf, -1, nan})},
               .gradients = false,
               .may_be_nan = true}},
});

const bool rsqrt_added = add_spec({
    .name = "rsqrt",
    .f = [](const Inputs& in) { return rsqrt(in[0]); },
    .reference = [](double x) { return 1 / std::sqrt(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7}).between(0.4, 3)}},
              {.what = "at its limits",
               .inputs = {values({0, inf, -1, nan})},
               .gradients = false,
               .may_be_nan = true}},
});

const bool abs_added = add_spec({
    .name = "abs",
    .f = [](const Inputs& in) { return abs(in[0]); },
    .reference = [](double x) { return std::abs(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7}).away_from(0)}},
              {.what = "signed zeros and NaN", .inputs = {values({-0.0, 0, -inf, nan})}}},
});

const bool erf_added = add_spec({
    .name = "erf",
    .f = [](const Inputs& in) { return erf(in[0]); },
    .reference = [](double x) { return std::erf(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "at its limits", .inputs = {values({-inf, -30, 0, 30, inf, nan})}}},
});

const bool tanh_added = add_spec({
    .name = "tanh",
    .f = [](const Inputs& in) { return tanh(in[0]); },
    .reference = [](double x) { return std::tanh(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "at its limits", .inputs = {values({-inf, -1000, 0, 1000, inf, nan})}}},
    .errors = {{.inputs = {shaped({3}, DType::boolean)},
                .message = "tanh: bool is not supported; convert with .to(DType::fp32)"}},
});

const bool sin_added = add_spec({
    .name = "sin",
    .f = [](const Inputs& in) { return sin(in[0]); },
    .reference = [](double x) { return std::sin(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "of a scalar", .inputs = {shaped({})}},
              {.what = "of many turns", .inputs = {values({-100, -3, 0, 3, 100})}},
              {.what = "of infinity and NaN",
               .inputs = {values({-inf, -0.0, inf, nan})},
               .gradients = false,
               .may_be_nan = true}},
    .errors = {{.inputs = {shaped({3}, DType::int64)},
                .message = "sin: int64 is not supported; convert with .to(DType::fp32)",
                .code = "GD-DTYPE-002"}},
});

const bool cos_added = add_spec({
    .name = "cos",
    .f = [](const Inputs& in) { return cos(in[0]); },
    .reference = [](double x) { return std::cos(x); },
    .cases = {{.inputs = {shaped({2, 3, 5, 7})}},
              {.what = "of a scalar", .inputs = {shaped({})}},
              {.what = "of many turns", .inputs = {values({-100, -3, 0, 3, 100})}},
              {.what = "of infinity and NaN",
               .inputs = {values({-inf, -0.0, inf, nan})},
               .gradients = false,
               .may_be_nan = true}},
});

// More elements than one thread's share, an odd number of them: forward and memory only.
const bool large_added = add_spec({
    .name = "elementwise_on_large_tensors",
    .f = [](const Inputs& in) { return exp(in[0]); },
    .reference = [](double x) { return std::exp(x); },
    .cases = {{.inputs = {shaped({3, 7, 41, 43})}, .gradients = false}},
    .differentiable = false,
});

}  // namespace
}  // namespace gadolin
