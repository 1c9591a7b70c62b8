// Losses: PyTorch's numbers, published values of the focal loss, specs, messages.
#include "layers/loss.h"

#include <cmath>

#include "tensor/ops.h"
#include "tests/layers/numbers.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

using nlohmann::json;

CrossEntropyOptions options_of(const json& o) {
  CrossEntropyOptions options;
  if (o.contains("weight")) options.class_weight = stored_vector(o["weight"]);
  if (o.contains("alpha") && o["alpha"].is_array()) options.class_weight = stored_vector(o["alpha"]);
  options.label_smoothing = o.value("label_smoothing", 0.0);
  options.ignore_index = o.value("ignore_index", -100);
  return options;
}
// Weights of the rows added up: what the mean of a weighted row loss divides by. 1 for the mean over
// elements.
double divisor(const Tensor& target, const CrossEntropyOptions& o) {
  double total = 0;
  for (std::int64_t t : target.to_vector<std::int64_t>()) {
    if (t != o.ignore_index) total += o.class_weight.defined() ? o.class_weight.data<double>()[t] : 1;
  }
  return total;
}

TEST(Losses, AgreeWithPyTorch) {
  const json file = stored_numbers("losses.json");
  int compared = 0;
  for (const json& c : file["cases"]) {
    const std::string name = c["name"], family = name.substr(0, name.find('/'));
    const json& o = c["options"];
    const std::string reduction = o.value("reduction", "mean");
    if (reduction == "none") continue;  // losses here are scalars
    const Reduction how = reduction == "sum" ? Reduction::sum : Reduction::mean;
    Tensor x = stored_tensor(c["input"]).requires_grad_();
    const bool classes = family == "cross_entropy" || family == "softmax_focal";
    const Tensor target = stored_tensor(c["target"]).to(classes ? DType::int64 : DType::fp64);
    Tensor loss;
    if (classes) {
      const CrossEntropyOptions options = options_of(o);
      loss = family == "cross_entropy" ? cross_entropy(x, target, options)
                                       : softmax_focal_loss(x, target, o["gamma"].get<double>(), options);
      const double rows = divisor(target, options);
      if (how == Reduction::sum) loss = loss * rows;
      // The stored focal means are over the batch, ours are over the weights.
      if (family == "softmax_focal") loss = loss * (rows / static_cast<double>(target.numel()));
    } else if (family == "bce_with_logits") {
      const Tensor weight = o.contains("pos_weight") ? stored_vector(o["pos_weight"]) : Tensor();
      const Tensor mask = o.contains("mask") ? stored_vector(o["mask"]).reshape(x.shape()) : Tensor();
      loss = binary_cross_entropy_with_logits(x, target, weight, mask);
      if (how == Reduction::sum) loss = loss * static_cast<double>(x.numel());
    } else if (family == "sigmoid_focal") {
      loss = sigmoid_focal_loss(x, target, o["alpha"].get<double>(), o["gamma"].get<double>(), how);
    } else if (family == "smooth_l1") {
      loss = smooth_l1_loss(x, target, o["beta"].get<double>(), how);
    } else {
      ASSERT_EQ(family, "mse");
      loss = mse_loss(x, target, how);
    }
    loss.backward();
    expect_close(loss.detach(), c["loss"]["values"].get<std::vector<double>>(), 1e-12, name);
    expect_close(x.grad(), c["grad"].get<std::vector<double>>(), 1e-12, name + " gradient");
    ++compared;
  }
  EXPECT_GE(compared, 34);
}

double logit(double p) { return std::log(p / (1 - p)); }
double focal(double p, double y, double alpha) {
  return sigmoid_focal_loss(tensor({logit(p)}, {1}, DType::fp64), tensor({y}, {1}, DType::fp64), alpha, 2,
                            Reduction::sum)
      .item();
}

// Lin et al. 2017, equations 4 and 5, by hand.
TEST(Losses, FocalLossHasItsPublishedValues) {
  EXPECT_NEAR(focal(0.01, 1, 0.25), 1.128382, 5e-7);
  EXPECT_NEAR(focal(0.5, 1, 0.25), 0.043322, 5e-7);
  EXPECT_NEAR(focal(0.5, 0, 0.25), 0.129965, 5e-7);
  EXPECT_NEAR(focal(0.9, 1, 0.25), 0.000263, 5e-7);
  EXPECT_NEAR(focal(0.9, 0, 0.25), 1.398820, 5e-7);
  EXPECT_NEAR(focal(0.5, 1, -1), 0.173287, 5e-7);
  EXPECT_NEAR(focal(0.9, 0, -1), 1.865094, 5e-7);
}
TEST(Losses, SmoothL1HasItsPublishedValues) {
  const double want[][2] = {
      {0.05, 0.01125}, {1.0 / 9, 0.055556}, {0.2, 0.144444}, {1, 0.944444}, {2, 1.944444}};
  for (const auto& [d, loss] : want) {
    EXPECT_NEAR(smooth_l1_loss(tensor({d}, {1}, DType::fp64), zeros({1}, DType::fp64), 1.0 / 9).item(), loss,
                5e-7);
  }
}

TEST(Losses, SixteenBitLogitsAreLostInFullPrecision) {
  const Tensor logits = tensor({1, 2, -3, 0.5}, {2, 2}), target = tensor({1, 0}, {2}, DType::int64);
  const Tensor loss = cross_entropy(logits.to(DType::bf16), target);
  EXPECT_EQ(loss.dtype(), DType::fp32);
  EXPECT_NEAR(loss.item(), cross_entropy(logits, target).item(), 1e-6);
}

TEST(Losses, DivergedLogitsGiveNaN) {
  const Tensor target = tensor({1, 0}, {2}, DType::int64);
  EXPECT_TRUE(std::isnan(cross_entropy(tensor({NAN, 0, 0, 0}, {2, 2}), target).item()));
  EXPECT_TRUE(
      std::isnan(binary_cross_entropy_with_logits(tensor({NAN, 0}, {2}), tensor({1, 0}, {2})).item()));
}

// --- specs -------------------------------------------------------------------------------------------------

double log_softmax_at(const Tensor& x, std::int64_t n, std::int64_t c) {
  double top = -INFINITY, total = 0;
  for (std::int64_t k = 0; k < x.size(1); ++k) top = std::max(top, at(x, {n, k}));
  for (std::int64_t k = 0; k < x.size(1); ++k) total += std::exp(at(x, {n, k}) - top);
  return at(x, {n, c}) - top - std::log(total);
}
// in: logits, target.
Tensor row_definition(const Inputs& in, double smoothing, double gamma) {
  return tabulate({}, [&](const Index&) {
    double total = 0;
    for (std::int64_t n = 0; n < in[0].size(0); ++n) {
      const double truth = log_softmax_at(in[0], n, static_cast<std::int64_t>(at(in[1], {n})));
      double spread = 0;
      for (std::int64_t c = 0; c < in[0].size(1); ++c)
        spread += log_softmax_at(in[0], n, c) / static_cast<double>(in[0].size(1));
      total -= std::pow(1 - std::exp(truth), gamma) * ((1 - smoothing) * truth + smoothing * spread);
    }
    return total / static_cast<double>(in[0].size(0));
  });
}

std::vector<OpCase> row_cases() {
  std::vector<OpCase> cases = {{.inputs = {shaped({5, 4}).between(-3, 3), indices({5}, 4)}},
                               {.what = "many classes", .inputs = {shaped({3, 37}), indices({3}, 37)}}};
  for (OpCase& c : cases) c.empty = false;  // the mean of nothing
  return cases;
}

const bool cross_entropy_added = add_spec({
    .name = "cross_entropy",
    .f = [](const Inputs& in) { return cross_entropy(in[0], in[1], {.label_smoothing = 0.1}); },
    .reference = [](const Inputs& in) { return row_definition(in, 0.1, 0); },
    .cases = row_cases(),
    .errors =
        {{.inputs = {shaped({50, 10}), values({0, 1, 2, 10}, DType::int64)},
          .message = "cross_entropy: target [4] is not [50]"},
         {.inputs = {shaped({4, 10}), values({0, 1, 2, 10}, DType::int64)},
          .message = "cross_entropy: target 10 at index 3 is outside [0, 10); class labels start at 0"},
         {.inputs = {shaped({4}), values({0, 1, 2, 10}, DType::int64)},
          .message = "cross_entropy: logits [4] are not [N, C]"},
         {.inputs = {shaped({2, 3}, DType::int64), values({0, 1}, DType::int64)},
          .message = "cross_entropy: logits are int64; convert with .to(DType::fp32)"},
         {.inputs = {shaped({4, 3}), shaped({4})},
          .message = "cross_entropy: target is fp32, not int64; convert with .to(DType::int64)"},
         {.inputs = {shaped({2, 3}), values({0, 1}, DType::int64)},
          .message = "cross_entropy: label smoothing 2 is outside [0, 1]",
          .f = [](const Inputs& in) { return cross_entropy(in[0], in[1], {.label_smoothing = 2}); }},
         {.inputs = {shaped({2, 3}), values({0, 1}, DType::int64)},
          .message = "cross_entropy: class weights [2] are not [3]",
          .f = [](const Inputs& in) { return cross_entropy(in[0], in[1], {.class_weight = ones({2})}); }}},
});
const bool softmax_focal_added = add_spec({
    .name = "softmax_focal_loss",
    .f = [](const Inputs& in) { return softmax_focal_loss(in[0], in[1], 2); },
    .reference = [](const Inputs& in) { return row_definition(in, 0, 2); },
    .cases = row_cases(),
    .errors = {{.inputs = {shaped({2, 3}), values({0, 1}, DType::int64)},
                .message = "softmax_focal_loss: gamma -1 is negative",
                .f = [](const Inputs& in) { return softmax_focal_loss(in[0], in[1], -1); }},
               {.inputs = {shaped({2, 3}), values({0, 1}, DType::int64)},
                .message = "softmax_focal_loss: label smoothing is not defined for it",
                .f =
                    [](const Inputs& in) {
                      return softmax_focal_loss(in[0], in[1], 2, {.label_smoothing = 0.1});
                    }}},
});

// Mean over all elements of f(x, target).
template <class F> Reference mean_of(F f) {
  return [f](const Inputs& in) {
    return tabulate({}, [&](const Index&) {
      double total = 0;
      for (std::int64_t i = 0; i < in[0].size(0); ++i) {
        for (std::int64_t j = 0; j < in[0].size(1); ++j) total += f(at(in[0], {i, j}), at(in[1], {i, j}));
      }
      return total / static_cast<double>(in[0].numel());
    });
  };
}
std::vector<OpCase> pair_cases(const Input& target) {
  OpCase c{.inputs = {shaped({4, 5}).between(-3, 3), target}};
  c.empty = false;  // the mean of nothing
  return {c};
}
double softplus_of(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

const Input zero_to_one = shaped({4, 5}).between(0, 1).fixed(), around = shaped({4, 5}).fixed();
const bool bce_added = add_spec({
    .name = "binary_cross_entropy_with_logits",
    .f = [](const Inputs& in) { return binary_cross_entropy_with_logits(in[0], in[1]); },
    .reference = mean_of([](double x, double y) { return softplus_of(x) - x * y; }),
    .cases = pair_cases(zero_to_one),
    .errors =
        {{.inputs = {shaped({2, 3}), shaped({2, 4})},
          .message = "binary_cross_entropy_with_logits: input [2, 3] and target [2, 4] differ"},
         {.inputs = {shaped({2, 3}), shaped({2, 3}), shaped({2, 1})},
          .message = "binary_cross_entropy_with_logits: mask [2, 1] is not of the logits' shape [2, 3]",
          .f = [](const Inputs& in) { return binary_cross_entropy_with_logits(in[0], in[1], {}, in[2]); }},
         {.inputs = {shaped({2, 3}), shaped({2, 3}), shaped({2})},
          .message =
              "binary_cross_entropy_with_logits: positive weights [2] are not one a class of logits [2, 3]",
          .f = [](const Inputs& in) { return binary_cross_entropy_with_logits(in[0], in[1], in[2]); }}},
});
const bool sigmoid_focal_added = add_spec({
    .name = "sigmoid_focal_loss",
    .f = [](const Inputs& in) { return sigmoid_focal_loss(in[0], in[1]); },
    .reference = mean_of([](double x, double y) {
      const double p = 1 / (1 + std::exp(-x)), p_t = p * y + (1 - p) * (1 - y);
      return (0.25 * y + 0.75 * (1 - y)) * std::pow(1 - p_t, 2) * (softplus_of(x) - x * y);
    }),
    .cases = pair_cases(zero_to_one),
    .errors = {{.inputs = {shaped({2, 3}), shaped({2, 3})},
                .message = "sigmoid_focal_loss: gamma -1 must not be negative, alpha 0.25 not above 1",
                .f = [](const Inputs& in) { return sigmoid_focal_loss(in[0], in[1], 0.25, -1); }}},
});
const bool smooth_l1_added = add_spec({
    .name = "smooth_l1_loss",
    .f = [](const Inputs& in) { return smooth_l1_loss(in[0], in[1], 0.5); },
    .reference = mean_of([](double x, double y) {
      const double d = std::abs(x - y);
      return d < 0.5 ? d * d : d - 0.25;
    }),
    .cases = pair_cases(around),
    .errors = {{.inputs = {shaped({2, 3}), shaped({2, 3})},
                .message = "smooth_l1_loss: beta 0 must be positive",
                .f = [](const Inputs& in) { return smooth_l1_loss(in[0], in[1], 0); }}},
});
const bool mse_added = add_spec({
    .name = "mse_loss",
    .f = [](const Inputs& in) { return mse_loss(in[0], in[1]); },
    .reference = mean_of([](double x, double y) { return (x - y) * (x - y); }),
    .cases = pair_cases(around),
});

}  // namespace
}  // namespace gadolin
