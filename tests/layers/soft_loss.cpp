// Soft targets: PyTorch's numbers (tools/fixtures/people.py), the spec, agreement with class numbers.

#include <cmath>

#include "layers/loss.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

using nlohmann::json;

TEST(SoftCrossEntropy, AgreesWithPyTorch) {
  const json numbers = stored_numbers("mixing.json");
  int compared = 0;
  for (const json& c : numbers["soft_cross_entropy"]) {
    const Tensor x = stored_tensor(c["logits"]).requires_grad_(),
                 t = stored_tensor(c["target"]).requires_grad_();
    CrossEntropyOptions options{.label_smoothing = c["label_smoothing"]};
    if (!c["weight"].is_null()) options.class_weight = stored_vector(c["weight"]);
    const Tensor loss = soft_cross_entropy(x, t, options);
    loss.backward();
    expect_close(loss.detach(), {c["loss"].get<double>()}, 1e-14, "loss");
    expect_close(x.grad(), c["grad"].get<std::vector<double>>(), 1e-14, "gradient of the logits");
    expect_close(t.grad(), c["target_grad"].get<std::vector<double>>(), 1e-14, "gradient of the target");
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST(SoftCrossEntropy, OfOneHotTargetsIsCrossEntropy) {
  const Tensor x = rand({7, 5}, 3, 1, DType::fp64), labels = tensor({0, 4, 2, 2, 1, 3, 0}, {7}, DType::int64);
  const Tensor target = one_hot(labels, 5, DType::fp64);
  EXPECT_NEAR(soft_cross_entropy(x, target).item(), cross_entropy(x, labels).item(), 1e-14);
  EXPECT_NEAR(soft_cross_entropy(x, target, {.label_smoothing = 0.2}).item(),
              cross_entropy(x, labels, {.label_smoothing = 0.2}).item(), 1e-14);
  const Tensor loss = soft_cross_entropy(x.to(DType::bf16), target.to(DType::bf16));
  EXPECT_EQ(loss.dtype(), DType::fp32);
  EXPECT_TRUE(std::isnan(soft_cross_entropy(tensor({NAN, 0}, {1, 2}), tensor({0, 1}, {1, 2})).item()));
}

double soft_cross_entropy_definition(const Tensor& x, const Tensor& t, double smoothing) {
  double total = 0;
  const std::int64_t classes = x.size(1);
  for (std::int64_t n = 0; n < x.size(0); ++n) {
    double parts = 0;
    for (std::int64_t c = 0; c < classes; ++c) parts += std::exp(at(x, {n, c}));
    for (std::int64_t c = 0; c < classes; ++c) {
      const double truth = (1 - smoothing) * at(t, {n, c}) + smoothing / static_cast<double>(classes);
      total -= truth * (at(x, {n, c}) - std::log(parts));
    }
  }
  return total / static_cast<double>(x.size(0));
}

std::vector<OpCase> soft_cases() {
  std::vector<OpCase> cases = {
      {.inputs = {shaped({5, 4}).between(-3, 3), shaped({5, 4}).between(0, 1)}},
      {.what = "many classes", .inputs = {shaped({3, 37}).between(-2, 2), shaped({3, 37}).between(0, 0.1)}}};
  for (OpCase& c : cases) c.empty = false;  // the mean of nothing
  return cases;
}

const bool soft_cross_entropy_added = add_spec({
    .name = "soft_cross_entropy",
    .f = [](const Inputs& in) { return soft_cross_entropy(in[0], in[1], {.label_smoothing = 0.1}); },
    .reference =
        [](const Inputs& in) {
          return tabulate({}, [&](const Index&) { return soft_cross_entropy_definition(in[0], in[1], 0.1); });
        },
    .cases = soft_cases(),
    .errors =
        {{.inputs = {shaped({2, 3}), shaped({2, 4})},
          .message = "soft_cross_entropy: logits [2, 3] and target [2, 4] are not both [N, C]"},
         {.inputs = {shaped({3}), shaped({3})},
          .message = "soft_cross_entropy: logits [3] and target [3] are not both [N, C]"},
         {.inputs = {shaped({2, 3}, DType::int64), shaped({2, 3}, DType::int64)},
          .message = "soft_cross_entropy: logits are int64; convert with .to(DType::fp32)"},
         {.inputs = {shaped({2, 3}), shaped({2, 3}, DType::int64)},
          .message = "soft_cross_entropy: target is int64 but logits are fp32; class numbers become "
                     "probabilities by one_hot()"},
         {.inputs = {shaped({2, 3}), shaped({2, 3})},
          .message = "soft_cross_entropy: label smoothing -1 is outside [0, 1]",
          .f = [](const Inputs& in) { return soft_cross_entropy(in[0], in[1], {.label_smoothing = -1}); }},
         {.inputs = {shaped({2, 3}), shaped({2, 3})},
          .message = "soft_cross_entropy: class weights [2] are not [3]",
          .f =
              [](const Inputs& in) {
                return soft_cross_entropy(in[0], in[1], {.class_weight = ones({2})});
              }}},
});

}  // namespace
}  // namespace gadolin
