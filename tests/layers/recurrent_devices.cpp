// Recurrent layers on the GPU as on the CPU, in recorded steps too; weights that are kept between calls.
#include "layers/cudnn_recurrent.h"
#include "layers/recurrent.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/layers/random_numbers.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

// How steps are given: all of them, lengths of which one is 0, or a mask with holes.
enum class Given { all, lengths, mask };
struct DeviceCase {
  const char* name;
  RecurrentOptions options;
  Given given = Given::mask;
  bool initial = false;
  bool by_cudnn = false;  // whether cudnnRNN is to compute it
};
class RecurrentCuda : public testing::TestWithParam<DeviceCase> {
 protected:
  void SetUp() override {
    if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  }
  static Steps steps(Device device) {
    const Tensor holes = tensor({1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1}, {3, 4}, DType::boolean),
                 lengths = tensor({2, 0, 4}, {3}, DType::int64);
    const Given given = GetParam().given;
    return given == Given::all ? Steps() : Steps((given == Given::mask ? holes : lengths).to(device));
  }
  static std::int64_t state() {
    const RecurrentOptions& o = GetParam().options;
    return o.projection > 0 ? o.projection : o.hidden;
  }
  static RecurrentState initial(Device device) {
    const RecurrentOptions& o = GetParam().options;
    if (!GetParam().initial) return {};
    const std::int64_t rows = o.layers * (o.bidirectional ? 2 : 1);
    const auto made = [&](std::uint64_t stream, std::int64_t columns) {
      return numbers({rows, 3, columns}, stream, DType::fp32).to(device).requires_grad_();
    };
    return {made(20, state()), o.cell == Cell::lstm ? made(21, o.hidden) : Tensor()};
  }
  // What a pass and its gradients give: y, states, gradients of x, initial states and weights.
  static std::vector<Tensor> learn(Recurrent& net, Device device) {
    manual_seed(11);
    net.to(device);
    Tensor x = numbers({3, 4, 5}, 1, DType::fp32);
    if (const Tensor mask = steps(cpu).mask(3, 4, cpu); mask.defined())
      x = where(mask.unsqueeze(2), x, full({}, NAN));
    x = x.to(device).requires_grad_();
    const RecurrentState first = initial(device);
    const RecurrentOutput out = net(x, steps(device), first);
    Tensor total = zeros({}, DType::fp32, device);
    std::vector<Tensor> all = out.tensors();
    for (std::size_t i = 0; i < all.size(); ++i)
      total = total + sum(all[i] * numbers(all[i].shape(), 4 + i, DType::fp32).to(device));
    total.backward();
    all.push_back(x.grad());
    for (const Tensor& t : {first.h, first.c})
      if (t.defined()) all.push_back(t.grad());
    for (const Parameter& p : net.parameters()) {
      all.push_back(p.tensor.grad());
      p.tensor.zero_grad();
    }
    for (Tensor& t : all) t = t.detach().to(cpu);
    return all;
  }
};

TEST_P(RecurrentCuda, LearnsAsTheCpuWithDropoutAndPadding) {
  Recurrent net(5, GetParam().options);
  const auto want = learn(net, cpu), got = learn(net, cuda);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_LT(worst(got[i], want[i]), 2e-5) << "tensor " << i;
  // Without a tape as with one.
  manual_seed(11);
  const NoGrad off;
  const Tensor x = numbers({3, 4, 5}, 1, DType::fp32);
  EXPECT_LT(worst(net(x.to(cuda), steps(cuda), initial(cuda)).y.to(cpu), want[0]), 2e-5);
}

TEST_P(RecurrentCuda, AsksCudnnWhereItTakesTheProblem) {
  const RecurrentOptions& o = GetParam().options;
  const detail::RecurrentFunction layer{
      .rows = {.n = 3, .t = 4, .rows = 12, .mask = steps(cuda).mask(3, 4, cuda)},
      .cell = o.cell,
      .forget_bias = o.forget_bias,
      .hidden = o.hidden,
      .state = state(),
      .sides = o.bidirectional ? 2 : 1};
  const Tensor x = zeros({12, 5}, DType::fp32, cuda);
  EXPECT_EQ(detail::cudnn_takes(layer, x, steps(cuda), initial(cuda)), GetParam().by_cudnn);
  EXPECT_FALSE(detail::cudnn_takes(layer, x.to(cpu), steps(cuda), initial(cuda)));
  set_backend(Backend::reference);
  EXPECT_FALSE(detail::cudnn_takes(layer, x, steps(cuda), initial(cuda)));
  set_backend(Backend::best);
}

// With hidden 4 the software device takes SMALL_H; with 3 STATIC, and in two directions the standard
// algorithm.
constexpr RecurrentOptions tensorflow{.hidden = 3,
                                      .layers = 2,
                                      .bidirectional = true,
                                      .biases = 1,
                                      .forget_bias = 1,
                                      .dropout = 0.3,
                                      .drop_last = true};
constexpr RecurrentOptions gru{.cell = Cell::gru, .hidden = 3, .bidirectional = true};
constexpr RecurrentOptions gru_of_one_bias{.cell = Cell::gru, .hidden = 4, .layers = 2, .biases = 1};
constexpr RecurrentOptions projected{.hidden = 4, .bidirectional = true, .projection = 2};
constexpr RecurrentOptions tanh_net{.cell = Cell::tanh, .hidden = 5, .layers = 2, .bidirectional = true};
INSTANTIATE_TEST_SUITE_P(
    Options, RecurrentCuda,
    testing::Values(
        DeviceCase{"lstm_mask", tensorflow}, DeviceCase{"gru_mask", gru},
        DeviceCase{"projection_mask", {.hidden = 4, .projection = 2}},
        DeviceCase{"lstm", tensorflow, Given::all, true, true},
        DeviceCase{"lstm_lengths", tensorflow, Given::lengths, false, true},
        DeviceCase{"lstm_lengths_initial", tensorflow, Given::lengths, true},
        DeviceCase{"lstm_forwards",
                   {.hidden = 3, .layers = 2, .biases = 0, .forget_bias = 1},
                   Given::lengths,
                   true,
                   true},
        DeviceCase{"projection", projected, Given::all, true, true},
        DeviceCase{"projection_lengths", projected, Given::lengths, false, true},
        DeviceCase{"gru", gru, Given::all, true, true},
        DeviceCase{"gru_lengths", gru, Given::lengths, false, true},
        DeviceCase{"gru_one_bias", gru_of_one_bias, Given::lengths, true, true},
        DeviceCase{"tanh", tanh_net, Given::all, true, true},
        DeviceCase{"tanh_lengths", tanh_net, Given::lengths},
        DeviceCase{
            "relu_lengths", {.cell = Cell::relu, .hidden = 3, .layers = 2}, Given::lengths, true, true}),
    [](const auto& of) { return std::string(of.param.name); });

TEST(CudnnRecurrentCuda, GoesBackTwiceOverOneTape) {  // the reserve is written to by each
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Recurrent net(5, {.hidden = 4});
  net.to(cuda);
  const Tensor y = sum(net(numbers({2, 3, 5}, 1, DType::fp32).to(cuda)).y);
  y.backward({.keep_graph = true});
  const Tensor once = net.parameters()[1].tensor.grad().to(cpu).clone();
  y.backward();
  EXPECT_LT(worst(net.parameters()[1].tensor.grad().to(cpu), once * 2), 1e-6);
}

TEST(CudnnRecurrentCuda, StepsOfSixteenBitsAndOfFp64) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Recurrent net(24, {.hidden = 41, .bidirectional = true});
  const Tensor x = numbers({5, 7, 24}, 1, DType::fp32), lengths = tensor({7, 3, 0, 5, 1}, {5}, DType::int64);
  const Tensor want = net(x, lengths).y.detach();
  net.to(cuda);
  {
    const ComputeScope scope(DType::bf16);
    const Tensor y = net(x.to(cuda), lengths.to(cuda)).y;
    EXPECT_EQ(y.dtype(), DType::bf16);
    EXPECT_LT(worst(y.detach().to(cpu).to(DType::fp32), want), 0.02);
    sum(y).backward();
    EXPECT_EQ(net.parameters()[0].tensor.grad().dtype(), DType::fp32);
  }
  net.to(DType::fp64);
  EXPECT_LT(worst(net(x.to(cuda).to(DType::fp64), lengths.to(cuda)).y.detach().to(cpu), want.to(DType::fp64)),
            1e-6);
}

TEST(CudnnRecurrentCuda, RoundsToTf32OnlyWhenAsked) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Recurrent net(64, {.hidden = 4});
  const Tensor x = numbers({2, 3, 64}, 1, DType::fp32);
  const NoGrad off;
  const Tensor want = net(x).y;
  net.to(cuda);
  EXPECT_LT(worst(net(x.to(cuda)).y.to(cpu), want), 1e-6);
  set_tf32(true);
  const double rounded = worst(net(x.to(cuda)).y.to(cpu), want);
  set_tf32(false);
  EXPECT_GT(rounded, 1e-6);
  EXPECT_LT(rounded, 2e-3);
}

// Training, recorded: each step with lengths of its own, which only the device knows.
TEST(CudnnRecurrentCuda, RecordedTrainingIsThatOfTheCpu) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const RecurrentOptions options{.hidden = 3, .layers = 2, .bidirectional = true};
  Recurrent here(5, options), there(5, options);
  State state;
  for (const Parameter& p : here.state()) state[p.name] = p.tensor;
  there.load_state(state);
  there.to(cuda);
  const auto train = [](Recurrent& net) {
    return [&net](const std::vector<Tensor>& in) {
      const RecurrentOutput out = net(in[0], in[1]);
      const Tensor loss = sum(out.y * out.y) + sum(out.last.h) - sum(out.last.c);
      loss.backward();
      const NoGrad off;
      for (const Parameter& p : net.parameters()) {
        Tensor t = p.tensor, g = t.grad();
        t.add_(g, -0.05);
        g.zero_();
      }
      return loss.detach();
    };
  };
  CapturedStep step(train(there), {.warm_up = 2});
  const auto plain = train(here);
  for (std::int64_t i = 0; i < 5; ++i) {
    const Tensor x = numbers({2, 4, 5}, static_cast<std::uint64_t>(i), DType::fp32),
                 lengths = tensor({static_cast<double>(i), static_cast<double>(4 - i)}, {2}, DType::int64);
    EXPECT_NEAR(step({x.to(cuda), lengths.to(cuda)}).to(cpu).item(), plain({x, lengths}).item(), 2e-5) << i;
  }
  EXPECT_TRUE(step.replayed());
  for (std::size_t i = 0; i < here.parameters().size(); ++i)
    EXPECT_LT(worst(there.parameters()[i].tensor.detach().to(cpu), here.parameters()[i].tensor.detach()),
              2e-5)
        << i;
}

TEST(StepsCuda, AreReadAnewInARecordedStep) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Recurrent net(5, {.hidden = 3, .bidirectional = true});
  net.to(cuda).eval();
  const NoGrad off;
  CapturedStep step([&](const std::vector<Tensor>& in) { return net(in[0], in[1]).y; }, {.warm_up = 1});
  for (std::int64_t i = 0; i < 4; ++i) {
    const Tensor x = numbers({2, 3, 5}, static_cast<std::uint64_t>(i), DType::fp32).to(cuda),
                 lengths = tensor({static_cast<double>(i), 3}, {2}, DType::int64);
    const Tensor y = step({x, lengths.to(cuda)}).to(cpu);
    EXPECT_EQ(sum(abs(y[0].slice(0, i, 3))).item(), 0) << i;
    EXPECT_LT(worst(y, net(x, lengths).y.to(cpu)), 1e-6) << i;
  }
  EXPECT_TRUE(step.replayed());
}

TEST(StepsCuda, OfTheHostAreRefusedInARecordedStep) {  // or later steps would have the first one's lengths
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Recurrent net(5, {.hidden = 3});
  net.to(cuda).eval();
  const NoGrad off;
  CapturedStep step(
      [&](const std::vector<Tensor>& in) {
        return net(in[0], std::vector<std::int64_t>{4, 2}).y;
      },
      {.warm_up = 1});
  const Tensor x = randn({2, 4, 5}).to(cuda);
  step({x});
  EXPECT_EQ(
      message_of<CaptureError>([&] { step({x}); }),
      cat("Steps: on cpu, so a captured step would read them only once; give it a tensor on ", x.device()));
}

TEST(Recurrent, PreparesItsWeightsOnceForAllCallsWithoutATape) {
  Recurrent net(5, {.hidden = 6, .bidirectional = true, .projection = 3});
  std::vector<RecurrentWeights> weights(2);
  const std::vector<Parameter> p = net.parameters();
  for (std::size_t d = 0; d < 2; ++d)
    weights[d] = {p[5 * d].tensor, p[5 * d + 1].tensor, p[5 * d + 2].tensor, p[5 * d + 3].tensor,
                  p[5 * d + 4].tensor};
  std::vector<detail::RecurrentPrepared> prepared(1);
  const Tensor x = numbers({2, 3, 5}, 1, DType::fp32);
  const auto run = [&] { return recurrent(x, {}, {}, weights, net.options(), false, &prepared).y; };
  run();
  EXPECT_FALSE(prepared[0].hh_panels.defined()) << "with a tape there is nothing to keep";
  const NoGrad off;
  const Tensor first = run();
  const void* const panels = prepared[0].hh_panels.raw();
  EXPECT_LT(worst(run(), first), 1e-9);
  EXPECT_EQ(prepared[0].hh_panels.raw(), panels);
  EXPECT_LT(worst(net(x).y, first), 1e-9);
  for (const std::size_t i : {std::size_t{1}, std::size_t{8}, std::size_t{4}, std::size_t{5}}) {
    Tensor t = p[i].tensor;
    t.mul_(1.5);
    const Tensor fresh = recurrent(x, {}, {}, weights, net.options()).y;
    EXPECT_LT(worst(run(), fresh), 1e-9) << p[i].name;
    EXPECT_LT(worst(net(x).y, fresh), 1e-9) << p[i].name;
    EXPECT_GT(worst(fresh, first), 1e-3) << p[i].name;
  }
  const ComputeScope scope(DType::bf16);
  EXPECT_EQ(run().dtype(), DType::bf16);
}

}  // namespace
}  // namespace gadolin
