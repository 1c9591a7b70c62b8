// Dropout: its spec (the harness seeds the generator before every run, so masks repeat) and what the numbers
// must be.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

// Element i in row-major order stays when uniform_at(20, 0, i) >= p: 20 is the harness's seed, 0 the first
// stream.
Reference dropped(double p) {
  return [p](const Inputs& in) {
    std::uint64_t i = 0;
    return tabulate(in[0].shape(), [&, p](const Index& index) {
      return static_cast<double>(uniform_at(20, 0, i++)) >= p ? at(in[0], index) / (1 - p) : 0;
    });
  };
}
Call with(double p) {
  return [p](const Inputs& in) { return dropout(in[0], p); };
}

const bool added = add_spec({
    .name = "dropout",
    .f = with(0.3),
    .reference = dropped(0.3),
    .cases =
        {{.inputs = {shaped({2, 3, 5, 7})}},
         {.what = "of a scalar", .inputs = {shaped({})}},
         {.what = "of a vector", .inputs = {shaped({67})}},
         {.what = "nearly all", .inputs = {shaped({11, 13})}, .f = with(0.9), .reference = dropped(0.9)},
         {.what = "none", .inputs = {shaped({4, 3})}, .f = with(0), .reference = [](double x) { return x; }},
         {.what = "of many", .inputs = {shaped({5, 7, 30, 31})}, .gradients = false}},
    .errors = {{.inputs = {shaped({3})},
                .message = "dropout: p 1 is outside [0, 1)",
                .code = "GD-VALUE-001",
                .f = with(1)},
               {.inputs = {shaped({3})}, .message = "dropout: p -0.5 is outside [0, 1)", .f = with(-0.5)},
               {.inputs = {shaped({3})}, .message = "dropout: p nan is outside [0, 1)", .f = with(NAN)},
               {.inputs = {shaped({3}, DType::int64)},
                .message = "dropout: int64 is not supported; convert with .to(DType::fp32)",
                .code = "GD-DTYPE-002"}},
    .twice = true,
});

TEST(Dropout, KeepsTheMeanAndDropsTheShare) {
  manual_seed(3);
  const Tensor x = ones({1 << 16});
  for (double p : {0.1, 0.5, 0.8}) {
    const Tensor y = dropout(x, p);
    const double zeros = mean(eq(y, 0).to(DType::fp64)).item(), average = mean(y).item();
    const double deviation = std::sqrt(p * (1 - p) / (1 << 16));
    EXPECT_NEAR(zeros, p, 5 * deviation);
    EXPECT_NEAR(average, 1, 5 * deviation / (1 - p));
  }
}

TEST(Dropout, EveryCallTakesItsOwnStreamAndSeedsRepeat) {
  const Tensor x = ones({512});
  manual_seed(5);
  const auto first = dropout(x, 0.5).to_vector<float>(), second = dropout(x, 0.5).to_vector<float>();
  EXPECT_NE(first, second);
  manual_seed(5);
  EXPECT_EQ(dropout(x, 0.5).to_vector<float>(), first);
  EXPECT_EQ(default_generator().calls, 1u);
  dropout(x, 0);
  EXPECT_EQ(default_generator().calls, 1u) << "p = 0 must not draw";
}

TEST(Dropout, MaskDoesNotDependOnTheOrderInMemory) {
  const Tensor x = ones({3, 5, 9, 11});
  manual_seed(1);
  const auto rows = dropout(x, 0.4).to_vector<float>();
  manual_seed(1);
  const Tensor y = dropout(x.contiguous(MemoryFormat::channels_last), 0.4);
  EXPECT_TRUE(y.is_channels_last());
  EXPECT_EQ(y.to_vector<float>(), rows);
}

TEST(Dropout, BackwardUsesTheMaskOfItsForward) {
  manual_seed(9);
  Tensor x = ones({1000});
  x.requires_grad_();
  const Tensor y = dropout(x, 0.5);
  dropout(x.detach(), 0.5);  // moves the generator on
  y.backward(ones({1000}));
  EXPECT_EQ(x.grad().to_vector<float>(), y.to_vector<float>());
}

}  // namespace
}  // namespace gadolin
