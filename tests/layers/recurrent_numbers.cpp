// Recurrent layers against PyTorch's numbers: tools/fixtures/make_recurrent.py.
#include <map>

#include "layers/recurrent.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"
#include "tests/layers/random_numbers.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

constexpr std::int64_t N = 3, T = 5, F = 4;

struct RecurrentCase {
  RecurrentOptions options;
  bool lengths = true;
};
const std::map<std::string, RecurrentCase>& recurrent_cases() {
  static const std::map<std::string, RecurrentCase> cases{
      {"lstm", {{.hidden = 3, .layers = 2, .bidirectional = true, .forget_bias = 1}}},
      {"lstm_projection", {{.hidden = 3, .layers = 2, .bidirectional = true, .projection = 2}}},
      {"lstm_plain", {{.hidden = 3, .biases = 0}, false}},
      {"gru", {{.cell = Cell::gru, .hidden = 3, .layers = 2, .bidirectional = true}}},
      {"rnn_tanh", {{.cell = Cell::tanh, .hidden = 3, .layers = 2, .bidirectional = true}}},
      {"rnn_relu", {{.cell = Cell::relu, .hidden = 3, .layers = 2}}},
  };
  return cases;
}
Tensor fixed_numbers(std::uint64_t stream, const Shape& shape) {
  return numbers(shape, stream, DType::fp64, 0);
}

struct Stored {
  nlohmann::json want;
  Recurrent net;
  Steps steps;
  explicit Stored(const std::string& name)
      : want(stored_numbers("recurrent.json").at(name)), net(F, recurrent_cases().at(name).options) {
    net.to(DType::fp64);
    std::uint64_t stream = 100;
    for (const Parameter& p : net.parameters()) {
      const NoGrad off;
      Tensor t = p.tensor;
      t.copy_(fixed_numbers(stream++, t.shape()));
    }
    if (recurrent_cases().at(name).lengths) steps = std::vector<std::int64_t>{3, 5, 2};
  }
};

class RecurrentNumbers : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override { set_backend(GetParam()); }
  void TearDown() override { set_backend(Backend::best); }
};

TEST_P(RecurrentNumbers, ValuesAndGradientsArePyTorchs) {
  for (const auto& [name, options] : recurrent_cases()) {
    Stored s(name);
    const RecurrentOptions& o = s.net.options();
    const std::int64_t states = o.layers * (o.bidirectional ? 2 : 1);
    const Tensor x = fixed_numbers(1, {N, T, F}).requires_grad_();
    RecurrentState first{
        fixed_numbers(2, {states, N, o.projection > 0 ? o.projection : o.hidden}).requires_grad_(), {}};
    if (o.cell == Cell::lstm) first.c = fixed_numbers(3, {states, N, o.hidden}).requires_grad_();
    const std::vector<Tensor> got = s.net(x, s.steps, first).tensors();
    Tensor total = zeros({}, DType::fp64);
    ASSERT_EQ(got.size(), s.want.at("outputs").size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      expect_close(got[i].detach(), s.want.at("outputs")[i], 1e-12, cat(name, " output ", i));
      total = total + sum(got[i] * fixed_numbers(500 + i, got[i].shape()));
    }
    total.backward();
    expect_close(x.grad(), s.want.at("dx"), 1e-12, name + " dx");
    expect_close(first.h.grad(), s.want.at("dh"), 1e-12, name + " dh");
    if (first.c.defined()) expect_close(first.c.grad(), s.want.at("dc"), 1e-12, name + " dc");
    for (const Parameter& p : s.net.parameters())
      expect_close(p.tensor.grad(), s.want.at("gradients").at(p.name), 1e-12, name + " " + p.name);
    ASSERT_EQ(s.net.parameters().size(), s.want.at("gradients").size());
  }
}

TEST_P(RecurrentNumbers, TwentyStepsArePyTorchs) {
  for (const auto& [name, options] : recurrent_cases()) {
    Stored s(name);
    const std::vector<Parameter> parameters = s.net.parameters();
    std::vector<Tensor> moments;
    const Tensor x = fixed_numbers(1, {N, T, F});
    for (const double want : s.want.at("losses").get<Real>()) {
      const std::vector<Tensor> got = s.net(x, s.steps).tensors();
      Tensor loss = zeros({}, DType::fp64);
      for (std::size_t i = 0; i < got.size(); ++i) {
        const Tensor d = got[i] - fixed_numbers(600 + i, got[i].shape());
        loss = loss + sum(d * d);
      }
      EXPECT_TRUE(std::abs(loss.item() - want) <= 1e-9 * want)
          << name << " " << loss.item() << " for " << want;
      loss.backward();
      const NoGrad off;
      for (std::size_t i = 0; i < parameters.size(); ++i) {  // SGD with momentum
        Tensor p = parameters[i].tensor;
        if (moments.size() <= i) moments.push_back(zeros(p.shape(), DType::fp64));
        moments[i] = moments[i] * 0.9 + p.grad();
        p.add_(moments[i], -0.02);
        p.zero_grad();
      }
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& p = parameters[i].tensor;
      const double got = sum(p.detach() * fixed_numbers(700 + i, p.shape())).item(),
                   want = s.want.at("after").at(parameters[i].name);
      EXPECT_TRUE(std::abs(got - want) <= 1e-9 * (1 + std::abs(want))) << name << " " << parameters[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, RecurrentNumbers, testing::Values(Backend::best, Backend::reference),
                         [](const auto& of) { return of.param == Backend::best ? "best" : "reference"; });

}  // namespace
}  // namespace gadolin
