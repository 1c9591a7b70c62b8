// CapturedStep: what it promises on every device, and, on a GPU, that replays equal eager steps.
#include "tensor/capture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

template <class E, class F> std::string thrown(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("wrong type: ") + error.what();
  }
  return "";
}

TEST(CapturedStep, OnTheCpuItCallsTheFunctionEveryTime) {
  int calls = 0;
  Tensor weight = ones({3}).requires_grad_();
  CapturedStep step([&](const std::vector<Tensor>& in) {
    ++calls;
    return sum(in[0] * weight);
  });
  for (int i = 1; i <= 6; ++i) {
    const Tensor loss = step({full({3}, i)});
    EXPECT_EQ(loss.item(), 3.0 * i);
    EXPECT_FALSE(loss.requires_grad()) << "the result is detached";
    EXPECT_FALSE(step.replayed());
  }
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(step.recordings(), 0);
}

TEST(CapturedStep, ErrorsOfTheFunctionPassThrough) {
  CapturedStep step([](const std::vector<Tensor>&) -> Tensor { fail<ValueError>("step: went wrong"); });
  EXPECT_EQ(thrown<ValueError>([&] { step({ones({1})}); }), "step: went wrong");
  EXPECT_FALSE(capturing());
}

TEST(CapturedStep, BadOptionsAreRefused) {
  EXPECT_EQ(thrown<ValueError>([] { CapturedStep step(nullptr); }), "captured step: the function is empty");
  EXPECT_EQ(thrown<ValueError>([] { CapturedStep([](const auto& in) { return in[0]; }, {.warm_up = 0}); }),
            "captured step: warm_up 0 and most_recordings 4 must be at least 1");
}

TEST(CapturedStep, DoesNotNestWhileRecording) {
  CapturedStep step([](const std::vector<Tensor>& in) { return in[0]; });
  detail::capture_state().active = true;
  const std::string text = thrown<CaptureError>([&] { step({ones({1})}); });
  detail::capture_state().active = false;
  EXPECT_EQ(text, "captured step: called inside another one that is being recorded");
}

// A small regression with a gradient, an in-place update and dropout; returns the losses.
std::vector<double> losses(bool captured, int steps) {
  manual_seed(5);
  const NoGrad outer;
  Tensor weight = rand({8, 1}, 1, 1).to(cuda).requires_grad_();
  const Tensor target = rand({4, 1}, 1, 2).to(cuda);
  CapturedStep step([&](const std::vector<Tensor>& in) {
    const EnableGrad on;
    const Tensor error = matmul(dropout(in[0], 0.25), weight) - target;
    const Tensor loss = mean(error * error);
    weight.zero_grad();
    loss.backward();
    const NoGrad off;
    weight.add_(weight.grad(), -0.1);
    return loss;
  }, {.warm_up = captured ? 3 : 1 << 30});
  std::vector<double> found;
  for (int i = 0; i < steps; ++i) {
    const Tensor x = rand({4, 8}, 9, static_cast<std::uint64_t>(i)).to(cuda);
    found.push_back(step({x}).item());
    EXPECT_EQ(step.replayed(), captured && i >= 3);
  }
  return found;
}

TEST(CapturedStep, TwentyReplayedStepsEqualTwentyEagerOnes) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  EXPECT_EQ(losses(false, 20), losses(true, 20));
}

TEST(CapturedStep, WaitingInsideARecordingIsAnErrorAndTheDeviceStaysUsable) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  CapturedStep step([](const std::vector<Tensor>& in) {
    const Tensor total = sum(in[0]);
    total.item();
    return total;
  });
  const Tensor x = ones({4}, DType::fp32, cuda);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(step({x}).item(), 4);
  EXPECT_EQ(thrown<CaptureError>([&] { step({x}); }),
            "item: would wait for the GPU inside a captured step; return the tensor and read it afterwards");
  EXPECT_FALSE(capturing());
  EXPECT_EQ(sum(x).item(), 4);
}

TEST(CapturedStep, AtMostFourRecordingsByShape) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  CapturedStep step([](const std::vector<Tensor>& in) { return sum(in[0] * 2); });
  for (int n = 1; n <= 6; ++n) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(step({ones({n}, DType::fp32, cuda)}).item(), 2 * n);
    EXPECT_TRUE(step.replayed());
    EXPECT_GT(step.nodes(), 0);
  }
  EXPECT_EQ(step.recordings(), 4);
  step.clear();
  EXPECT_EQ(step.recordings(), 0);
}

}  // namespace
}  // namespace gadolin
