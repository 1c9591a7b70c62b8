// Recurrent layers on the GPU as on the CPU, in recorded steps too; weights that are kept between calls.
#include "layers/recurrent.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/layers/random_numbers.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

struct DeviceCase {
  const char* name;
  RecurrentOptions options;
};
class RecurrentCuda : public testing::TestWithParam<DeviceCase> {
 protected:
  void SetUp() override {
    if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  }
};

Tensor holes() {  // of sequences of 2, 0 and 3 steps
  return tensor({1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1}, {3, 4}, DType::boolean);
}

TEST_P(RecurrentCuda, LearnsAsTheCpuWithDropoutAndPadding) {
  Recurrent net(5, GetParam().options);
  const auto run = [&](Device device) {
    manual_seed(11);
    net.to(device);
    const Tensor x = where(holes().unsqueeze(2), numbers({3, 4, 5}, 1, DType::fp32), full({}, NAN))
                         .to(device)
                         .requires_grad_();
    const RecurrentOutput out = net(x, holes().to(device));
    Tensor total = zeros({}, DType::fp32, device);
    std::vector<Tensor> all = out.tensors();
    for (std::size_t i = 0; i < all.size(); ++i)
      total = total + sum(all[i] * numbers(all[i].shape(), 4 + i, DType::fp32).to(device));
    total.backward();
    all.push_back(x.grad());
    for (const Parameter& p : net.parameters()) {
      all.push_back(p.tensor.grad());
      p.tensor.zero_grad();
    }
    for (Tensor& t : all) t = t.detach().to(cpu);
    return all;
  };
  const auto want = run(cpu), got = run(cuda);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_LT(worst(got[i], want[i]), 2e-5) << "tensor " << i;
}

INSTANTIATE_TEST_SUITE_P(Options, RecurrentCuda,
                         testing::Values(DeviceCase{"lstm",
                                                    {.hidden = 3,
                                                     .layers = 2,
                                                     .bidirectional = true,
                                                     .biases = 1,
                                                     .forget_bias = 1,
                                                     .dropout = 0.3,
                                                     .drop_last = true}},
                                         DeviceCase{"projection", {.hidden = 4, .projection = 2}},
                                         DeviceCase{"gru",
                                                    {.cell = Cell::gru, .hidden = 3, .bidirectional = true}}),
                         [](const auto& of) { return std::string(of.param.name); });

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
