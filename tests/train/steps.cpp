// Training steps of ResNet-18 at full width give PyTorch's losses; tools/fixtures/README.md says what they
// compute.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "layers/loss.h"
#include "nets/resnet.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/layers/numbers.h"
#include "train/optimizer.h"

using namespace gadolin;

namespace {

double abs_sum(const Tensor& t) {
  double sum = 0;
  for (const double v : t.to_vector<double>()) sum += std::abs(v);
  return sum;
}

// The net of the fixture; the same float values in both precisions.
ResNet fixture_net(const nlohmann::json& f, DType dtype) {
  ResNet net = resnet18({.num_classes = f.at("num_classes")});
  const NoGrad guard;
  std::uint64_t number = 0;
  double total = 0;
  for (const Parameter& p : net.parameters()) {
    Tensor target = p.tensor;
    const auto stream = f.at("parameter_stream").get<std::uint64_t>();
    if (p.tensor.dim() > 1) {
      const double bound = std::sqrt(6.0 / static_cast<double>(p.tensor.numel() / p.tensor.size(0)));
      std::vector<float> values(static_cast<std::size_t>(p.tensor.numel()));
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] =
            static_cast<float>((2.0 * static_cast<double>(uniform_at(number, stream, i)) - 1) * bound);
      }
      target.copy_(from_vector(values, p.tensor.shape()));
    } else if (p.name.ends_with("bias")) {
      target.fill_(0);
    } else {
      target.fill_(p.name.find("layer") == 0 && p.name.ends_with("bn2.weight")
                       ? f.at("branch_weight").get<double>()
                       : 1);
    }
    if (f.at("check").contains(p.name + "[0:4]")) {
      const auto want = f["check"][p.name + "[0:4]"].get<std::vector<float>>();
      const auto got = target.to_vector<float>();
      EXPECT_EQ(std::vector<float>(got.begin(), got.begin() + 4), want) << p.name;
    }
    total += abs_sum(target);
    ++number;
  }
  const double want = f["check"]["abs_sum_of_all_parameters"];
  EXPECT_NEAR(total, want, 1e-9 * want);
  net.to(dtype);
  return net;
}

struct Pair2 {
  Tensor x, label;
};
Pair2 fixture_batch(const nlohmann::json& f, int step, DType dtype) {
  const auto b = static_cast<std::uint64_t>(step) % f.at("batches").get<std::uint64_t>();
  const Shape shape(f.at("input").get<std::vector<std::int64_t>>());
  const auto seed = f.at("input_seed").get<std::uint64_t>() + b,
             stream = f.at("input_stream").get<std::uint64_t>();
  std::vector<float> x(static_cast<std::size_t>(shape.numel()));
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 2 * uniform_at(seed, stream, i) - 1;
  const std::size_t channels = 3, side = 32;
  for (std::size_t n = 0; n < 8; ++n) {
    labels.push_back(static_cast<std::int64_t>((3 * b + 7 * n) % 10));
    const auto row = 3 * static_cast<std::size_t>(labels.back());
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t i = 0; i < 3 * side; ++i) x[((n * channels + c) * side + row) * side + i] += 1;
    }
  }
  const Tensor images = from_vector(x, shape);
  const std::string place = "batch " + std::to_string(b) + ": sum";
  if (f["check"].contains(place)) {
    EXPECT_NEAR(sum(images.to(DType::fp64)).item(), f["check"][place].get<double>(), 1e-6);
  }
  return {images.to(dtype), from_vector(labels, {8})};
}

void run(const std::string& name, DType dtype, int most_steps, double tolerance) {
  const nlohmann::json f = stored_numbers("resnet18_steps.json");
  const nlohmann::json& r = f.at(name);
  ResNet net = fixture_net(f, dtype);
  OptimizerOptions o = optimizer_options(name);
  o.lr = r.at("lr");
  o.momentum = r.value("momentum", 0.0);
  o.weight_decay = r.at("weight_decay");
  o.beta1 = r.value("beta1", o.beta1);
  o.beta2 = r.value("beta2", o.beta2);
  o.alpha = r.value("alpha", o.alpha);
  o.eps = r.value("eps", o.eps);
  Optimizer optimizer(net.parameters(), o);
  const int all = r.at("steps"), steps = std::min(all, most_steps);
  const std::vector<double> want = r.at("losses_fp64");
  for (int s = 0; s < steps; ++s) {
    const Pair2 batch = fixture_batch(f, s, dtype);
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(net(batch.x), batch.label);
    loss.backward();
    optimizer.step();
    const double got = loss.item(), exact = want[static_cast<std::size_t>(s)];
    EXPECT_TRUE(std::abs(got - exact) <= tolerance * exact)
        << name << ", step " << s << ": " << got << " for " << exact;
  }
  if (steps < all) return;
  std::map<std::string, double> sums;
  for (const Parameter& p : net.state()) sums[p.name] = abs_sum(p.tensor);
  for (const auto& [key, value] : r.at("final_abs_sums_fp64").items()) {
    // A sum of near-cancelling signs, such as a bias that began at 0, has no small relative error.
    const double exact = value, slack = 10 * tolerance * (key == "fc.bias" ? 1 : exact);
    EXPECT_TRUE(std::abs(sums.at(key) - exact) <= slack)
        << name << " " << key << ": " << sums.at(key) << " for " << exact;
  }
}

#if defined(__SANITIZE_ADDRESS__)
constexpr int fp64_steps = 2;  // the plain loops of fp64 take minutes under a sanitizer
#elif defined(__has_feature)
constexpr int fp64_steps = __has_feature(address_sanitizer) ? 2 : 20;
#else
constexpr int fp64_steps = 20;
#endif
TEST(TrainingSteps, SgdInFp64) { run("sgd", DType::fp64, fp64_steps, 1e-9); }
TEST(TrainingSteps, SgdInFp32) { run("sgd", DType::fp32, 20, 1e-3); }
TEST(TrainingSteps, AdamWInFp32) { run("adamw", DType::fp32, 8, 1e-3); }
TEST(TrainingSteps, RmspropInFp32) { run("rmsprop", DType::fp32, 8, 1e-3); }

}  // namespace
