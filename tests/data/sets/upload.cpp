// Uploader: order, reuse of slots, and contents while steps are queued.
#include "data/sets/upload.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tensor/autograd.h"
#include "tensor/capture.h"
#include "tensor/capture_state.h"
#include "tensor/check.h"
#include "tensor/cuda/info.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

template <class F> std::string thrown(F f) {
  try {
    f();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

TEST(Uploader, OnTheCpuBatchesPassThroughInOrder) {
  Uploader uploader(cpu, 2);
  const Tensor a = full({3}, 1), b = full({3}, 2);
  uploader.push({a});
  uploader.push({b, a});
  EXPECT_EQ(uploader.pending(), 2);
  EXPECT_EQ(thrown([&] { uploader.push({a}); }), "upload: all 2 slots are filled; pop a batch first");
  EXPECT_TRUE(uploader.pop()[0].same_as(a));
  EXPECT_EQ(uploader.pop().size(), 2u);
  EXPECT_EQ(thrown([&] { uploader.pop(); }), "upload: nothing was pushed");
}

TEST(Uploader, OneSlotIsRefused) {
  EXPECT_EQ(thrown([] { Uploader uploader(cpu, 1); }),
            "upload: 1 slots cannot overlap anything; use at least 2");
}

TEST(Uploader, ABatchIsNotPushedFromWithinARecordedStep) {
  Uploader uploader(cpu, 2);
  detail::capture_state().active = true;
  std::string text;
  try {
    uploader.push({ones({1})});
  } catch (const CaptureError& error) {
    text = error.what();
  }
  detail::capture_state().active = false;
  EXPECT_EQ(text, "upload: would wait for the GPU inside a captured step; push batches outside the step");
  EXPECT_EQ(uploader.pending(), 0);
}

// Numbers of a batch that keeps the device busy for a while; one of few processors needs few.
std::int64_t busy_size() { return std::int64_t{8192} * cuda_info(false).devices.at(0).multiprocessors; }

// The road of training: the copy stream fills the ring while a recording reads earlier slots, several batches
// a launch. Each batch counts with another weight, so that one that is overwritten shows.
TEST(Uploader, FeedsRecordedStepsOfSeveralBatches) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const std::int64_t n = busy_size();
  for (const int batches : {2, 3}) {
    constexpr int groups = 20;
    Uploader uploader(cuda);
    Tensor total = zeros({1}, DType::fp64, cuda);
    CapturedStep step([&](const std::vector<Tensor>& in) {
      const NoGrad off;
      Tensor y = in[0];
      for (std::size_t b = 1; b < in.size(); ++b) y = y * 16.0 + in[b];
      for (int k = 0; k < 10; ++k) y = y * 1.0;
      const Tensor value = mean(y).reshape({1}).to(DType::fp64);
      total.add_(value);
      return value;
    });
    int pushed = 0;
    const auto push = [&] {
      Tensor t = empty_pinned({n}, DType::fp32);
      t.fill_(pushed++);
      uploader.push({t});
    };
    push();
    double sum = 0;
    for (int g = 0, next = 0; g < groups; ++g) {
      std::vector<Tensor> in;
      double value = 0;
      for (int b = 0; b < batches; ++b) {
        in.push_back(uploader.pop()[0]);
        push();
        value = 16 * value + next++;
      }
      step(in);
      sum += value;
    }
    EXPECT_TRUE(step.replayed());
    EXPECT_EQ(total.item(), sum) << batches << " batches a step";
  }
}

TEST(Uploader, DeviceBatchesArriveWholeWhileStepsAreQueued) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const std::int64_t n = busy_size();
  constexpr int batches = 40;
  Uploader uploader(cuda);
  Tensor kept;  // held across reuse of its slot: must not be overwritten
  std::vector<Tensor> sums;
  const auto batch = [&](int i) {
    Tensor t = empty_pinned({n}, DType::fp32);
    t.fill_(i);
    return std::vector<Tensor>{t};
  };
  uploader.push(batch(0));
  for (int i = 0; i < batches; ++i) {
    const Tensor x = uploader.pop()[0];
    if (i + 1 < batches) uploader.push(batch(i + 1));
    if (i == 5) kept = x;
    Tensor y = x;
    for (int k = 0; k < 10; ++k) y = y * 1.0;  // keeps the device busy with this batch
    sums.push_back(mean(y));
  }
  for (int i = 0; i < batches; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].item(), i);
  EXPECT_EQ(mean(kept).item(), 5);
}

}  // namespace
}  // namespace gadolin
