// The moving average of weights: its numbers, its exchange with the weights, its state.
#include "train/weight_average.h"

#include <gtest/gtest.h>

#include "layers/norm.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tests/data/scratch.h"

using namespace gadolin;

namespace {

TEST(WeightAverage, FollowsTheFormula) {
  for (const bool warmup : {false, true}) {
    Tensor w = tensor({1, -3}, {2}, DType::fp64);
    WeightAverage average({{"w", w}}, 0.9, warmup);
    std::vector<double> want{1, -3};
    for (int t = 1; t <= 200; ++t) {
      w.copy_(tensor({static_cast<double>(t % 7), 2.0 - t}, {2}, DType::fp64));
      average.update();
      const double decay = warmup ? std::min(0.9, (1.0 + t) / (10.0 + t)) : 0.9;
      want[0] = decay * want[0] + (1 - decay) * (t % 7);
      want[1] = decay * want[1] + (1 - decay) * (2.0 - t);
      const auto got = average.state()[1].tensor.to_vector<double>();
      for (std::size_t i = 0; i < 2; ++i) {
        ASSERT_TRUE(std::abs(got[i] - want[i]) <= 1e-12 * (1 + std::abs(want[i])))
            << warmup << " " << t << " " << got[i];
      }
    }
    average.swap();
    EXPECT_NEAR(w.to_vector<double>()[0], want[0], 1e-12);
    average.swap();
    EXPECT_EQ(w.to_vector<double>(), (std::vector<double>{200 % 7, -198}));
  }
}

TEST(WeightAverage, StatisticsTooCountersNot) {
  BatchNorm2d norm(3);
  WeightAverage average(norm.state(), 0.5, false);
  std::vector<std::string> names;
  for (const Parameter& p : average.state()) names.push_back(p.name);
  EXPECT_EQ(names, (std::vector<std::string>{"updates", "weight", "bias", "running_mean", "running_var"}));
  const NoGrad guard;
  Tensor mean = norm.running_mean();
  mean.fill_(2);
  average.update();
  average.swap();
  EXPECT_EQ(norm.running_mean().to_vector<float>(), (std::vector<float>{1, 1, 1}));
}

TEST(WeightAverage, GoesOnFromItsState) {
  Tensor w = tensor({1, 2, 3}, {3}), other = tensor({0, 0, 0}, {3});
  WeightAverage first({{"w", w}}, 0.99), second({{"w", other}}, 0.99);
  for (int i = 0; i < 5; ++i) {
    w.mul_(1.5);
    first.update();
  }
  std::map<std::string, Tensor> state;
  for (const Parameter& p : first.state()) state[p.name] = p.tensor.clone();
  other.copy_(w);
  second.load_state(state);
  for (int i = 0; i < 5; ++i) {
    w.mul_(0.5);
    other.mul_(0.5);
    first.update();
    second.update();
  }
  EXPECT_EQ(first.state()[1].tensor.to_vector<float>(), second.state()[1].tensor.to_vector<float>());
  EXPECT_EQ(first.state()[0].tensor.item(), 10);
  EXPECT_EQ(second.state()[0].tensor.item(), 10);
  state.erase("w");
  EXPECT_EQ(test::message_of<CheckpointError>([&] { second.load_state(state); }).substr(0, 34),
            "ema: the checkpoint has no w; was ");
}

TEST(WeightAverage, Messages) {
  for (const double decay : {1.0, -0.5}) {
    EXPECT_EQ(test::message_of<ValueError>([&] {
                WeightAverage({{"w", zeros({1})}}, decay);
              }),
              cat("ema: decay ", decay, " is outside [0, 1)"));
  }
}

}  // namespace
