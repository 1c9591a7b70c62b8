// CapturedStep: what it promises on every device, and, on a GPU, that replays equal eager steps.
#include "tensor/capture.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/autograd.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/scratch.h"

#ifdef GADOLIN_CUDA
#include "tensor/cuda/stream.h"
#endif

namespace gadolin {
namespace {

using test::message_of;

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
  EXPECT_EQ(message_of<ValueError>([&] { step({ones({1})}); }), "step: went wrong");
  EXPECT_FALSE(capturing());
}

TEST(CapturedStep, BadOptionsAreRefused) {
  EXPECT_EQ(message_of<ValueError>([] { CapturedStep step(nullptr); }),
            "captured step: the function is empty");
  EXPECT_EQ(
      message_of<ValueError>([] { CapturedStep([](const auto& in) { return in[0]; }, {.warm_up = 0}); }),
      "captured step: warm_up 0 and most_recordings 4 must be at least 1");
}

TEST(CapturedStep, DoesNotNestWhileRecording) {
  CapturedStep step([](const std::vector<Tensor>& in) { return in[0]; });
  detail::capture_state().active = true;
  const std::string text = message_of<CaptureError>([&] { step({ones({1})}); });
  detail::capture_state().active = false;
  EXPECT_EQ(text, "captured step: called inside another one that is being recorded");
}

// --- what caches and random numbers rely on, without a device ----------------------------------------------

TEST(CaptureState, CachesHoldOutsideARecordingAndInOneThatOnlyReads) {
  detail::CaptureState& state = detail::capture_state();
  EXPECT_TRUE(caches_hold());
  state = {.active = true};
  EXPECT_FALSE(caches_hold()) << "what is derived from weights must be derived anew in every replay";
  state = {.active = true, .reads_only = true};
  EXPECT_TRUE(caches_hold());
  state = {};
  const std::uint64_t before = replays();
  detail::count_replay();
  EXPECT_EQ(replays(), before + 1);
}

// Steps that draw two and three numbers in turn, each recorded at some moment and replayed at others, against
// eager ones.
TEST(CaptureState, ReplaysDrawWhatEagerStepsWouldHaveDrawn) {
  std::uint64_t calls = 40;
  const std::uint64_t counts[] = {2, 3};
  detail::RecordedDraws draws[2];
  for (int k = 0; k < 2; ++k) {
    draws[k] = {calls, counts[k]};
    calls += 17;
  }
  for (int i = 0; i < 10; ++i) {
    const detail::RecordedDraws& d = draws[i % 2];
    for (std::uint64_t j = 0; j < d.count; ++j) EXPECT_EQ(d.first + j + d.offset(calls), calls + j);
    calls += d.count;
  }
  EXPECT_EQ(draws[1].first + draws[1].offset(5), 5u) << "a generator that was set back";
}

// A small regression with a gradient, an in-place update and dropout; returns the losses.
std::vector<double> losses(bool captured, int steps) {
  manual_seed(5);
  const NoGrad outer;
  Tensor weight = rand({8, 1}, 1, 1).to(cuda).requires_grad_();
  const Tensor target = rand({4, 1}, 1, 2).to(cuda);
  CapturedStep step(
      [&](const std::vector<Tensor>& in) {
        const EnableGrad on;
        const Tensor error = matmul(dropout(in[0], 0.25), weight) - target;
        const Tensor loss = mean(error * error);
        weight.zero_grad();
        loss.backward();
        const NoGrad off;
        weight.add_(weight.grad(), -0.1);
        return loss;
      },
      {.warm_up = captured ? 3 : 1 << 30});
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

// Rules 1 and 8: every call counts once, eager or replayed; the result is overwritten by the next launch.
TEST(CapturedStep, WarmUpStepsCountAndCloneKeepsAResult) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const NoGrad off;
  Tensor counter = zeros({1}, DType::fp32, cuda);
  CapturedStep step([&](const std::vector<Tensor>& in) {
    counter.add_(in[0]);
    return counter * 1.0;
  });
  const Tensor one = ones({1}, DType::fp32, cuda);
  std::vector<Tensor> results, kept;
  for (int i = 1; i <= 8; ++i) {
    results.push_back(step({one}));
    kept.push_back(results.back().clone());
    EXPECT_EQ(step.replayed(), i > 3);
    EXPECT_EQ(counter.item(), i);
  }
  for (int i = 1; i <= 8; ++i) {
    EXPECT_EQ(kept[static_cast<std::size_t>(i - 1)].item(), i);
    EXPECT_EQ(results[static_cast<std::size_t>(i - 1)].item(), i > 3 ? 8 : i);
  }
}

// Rule 2: a number on the device may change between replays, one on the host is frozen.
TEST(CapturedStep, NumbersOnTheDeviceChangeBetweenReplays) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Tensor rate = full({1}, 1, DType::fp32).to(cuda);
  double frozen = 1;
  CapturedStep step([&](const std::vector<Tensor>& in) { return in[0] * rate * frozen; });
  const Tensor x = ones({1}, DType::fp32, cuda);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(step({x}).item(), 1);
  rate.fill_(3);
  frozen = 100;
  EXPECT_EQ(step({x}).item(), 3);
}

// Random tensors and ranges need nothing from the host: replays draw what eager calls would.
TEST(CapturedStep, RandomTensorsGoOnWhereEagerCallsWould) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const auto draw = [](const std::vector<Tensor>& in) {
    const Tensor numbers = rand({7}, DType::fp32, cuda) + randn({7}, DType::fp32, cuda);
    return in[0] + numbers * arange(7, DType::fp32, cuda) + rand({7}, 3, 4, DType::fp32, cuda);
  };
  const Tensor x = zeros({7}, DType::fp32, cuda);
  std::vector<std::vector<float>> eager, recorded;
  default_generator() = {11, 0};
  for (int i = 0; i < 6; ++i) eager.push_back(draw({x}).to_vector<float>());
  default_generator() = {11, 0};
  CapturedStep step(draw);
  for (int i = 0; i < 6; ++i) recorded.push_back(step({x}).clone().to_vector<float>());
  EXPECT_TRUE(step.replayed());
  EXPECT_EQ(recorded, eager);
}

// Rules 3, 4 and 7: memory from the arena alone, one stream, gradients at the same addresses.
TEST(CapturedStep, StaysInItsArenaOnOneStreamAndKeepsGradientsInPlace) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Tensor weight = rand({64, 64}, 1, 1).to(cuda).requires_grad_();
  bool one_stream = true;
  CapturedStep step([&](const std::vector<Tensor>& in) {
    const EnableGrad on;
    weight.zero_grad();
    const Tensor hidden = relu(matmul(in[0], weight));
    const Tensor loss = mean(hidden * hidden);
    loss.backward();
#ifdef GADOLIN_CUDA
    one_stream = one_stream && current_stream(cuda) == compute_stream(cuda);
#endif
    return loss;
  });
  const void* address = nullptr;
  std::int64_t reserved = 0;
  for (int i = 0; i < 8; ++i) {
    step({rand({32, 64}, 2, static_cast<std::uint64_t>(i)).to(cuda)});
    if (i == 3) {
      address = weight.grad().raw();
      reserved = allocator(cuda).stats().reserved;
      EXPECT_GT(step.arena_bytes(), 0);
      EXPECT_EQ(step.unplanned(), 0) << "requests that may have reached the driver";
    }
    if (i > 3) {
      EXPECT_EQ(weight.grad().raw(), address);
      EXPECT_EQ(allocator(cuda).stats().reserved, reserved);
    }
  }
  EXPECT_TRUE(one_stream);
  const Tensor x = rand({32, 64}, 2, 7).to(cuda);  // the gradient is that of the last batch
  const std::vector<float> replayed = weight.grad().clone().to_vector<float>();
  weight.zero_grad();
  const Tensor hidden = relu(matmul(x, weight));
  mean(hidden * hidden).backward();
  EXPECT_EQ(weight.grad().to_vector<float>(), replayed);
}

// Rule 5, and that an error leaves nothing behind: the same step is recorded once it no longer waits.
TEST(CapturedStep, WaitingInsideARecordingIsAnErrorAndTheDeviceStaysUsable) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const std::vector<std::function<void(const Tensor&)>> waits = {
      [](const Tensor& t) { t.item(); },
      [](const Tensor& t) { t.to(cpu); },
      [](const Tensor& t) { t.to_vector<float>(); },
      [](const Tensor& t) { t.str(); },
      [](const Tensor&) { synchronize(cuda); },
      [](const Tensor&) { empty_pinned({std::int64_t{1} << 24}, DType::fp32); }};
  const Tensor x = ones({4}, DType::fp32, cuda);
  for (std::size_t k = 0; k < waits.size(); ++k) {
    bool wait = true;
    const std::uint64_t drawn = default_generator().calls;
    CapturedStep step([&](const std::vector<Tensor>& in) {
      const Tensor total = sum(in[0] + dropout(in[0], 0.5) * 0.0);
      if (wait) waits[k](total);
      return total;
    });
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step({x}).item(), 4);
    const std::uint64_t calls = default_generator().calls;
    const std::string text = message_of<CaptureError>([&] { step({x}); });
    EXPECT_NE(text.find("would wait for the GPU inside a captured step; "), std::string::npos)
        << k << ": " << text;
    EXPECT_FALSE(capturing());
    EXPECT_EQ(default_generator().calls, calls) << "what was drawn in vain is drawn again, from " << drawn;
    EXPECT_EQ(step.recordings(), 0);
    EXPECT_EQ(sum(x).item(), 4);
    wait = false;
    EXPECT_EQ(step({x}).item(), 4);
    EXPECT_TRUE(step.replayed());
  }
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
