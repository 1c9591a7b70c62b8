// The learning rate finder against fastai's formulas (tools/fixtures/people.py); stopping; leaving no trace.
#include "train/lr_finder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "layers/module.h"
#include "layers/norm.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/layers/numbers.h"
#include "tests/scratch.h"
#include "train/optimizer.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::message_of;

const std::function<std::function<void()>()> nothing = [] { return [] {}; };

TEST(LrFinder, AgreesWithFastai) {
  const json numbers = stored_numbers("mixing.json");
  for (const json& c : numbers["lr_curves"]) {
    const LrSweepOptions options{.lo = c["lo"], .hi = c["hi"], .steps = c["steps"]};
    const Real rate = c["rate"], loss = c["loss"], smoothed = c["smoothed"];
    std::size_t taken = 0;
    const LrSweep sweep = find_learning_rate(
        [&](double lr) {
          EXPECT_NEAR(lr / rate[taken], 1, 1e-12);
          return loss[taken++];
        },
        nothing, options);
    ASSERT_EQ(sweep.loss.size(), c["stop"].get<std::size_t>());
    EXPECT_EQ(sweep.diverged, sweep.loss.size() < rate.size());
    for (std::size_t i = 0; i < sweep.smoothed.size(); ++i)
      EXPECT_NEAR(sweep.smoothed[i], smoothed[i], 1e-11);
    EXPECT_NEAR(steepest_rate(sweep, options) / c["steepest"].get<double>(), 1, 1e-12);
    EXPECT_NEAR(tenth_of_minimum(sweep, options) / c["tenth_of_minimum"].get<double>(), 1, 1e-12);
  }
}

TEST(LrFinder, StopsWhenTheLossBlowsUp) {
  const auto sweep_of = [](Real losses, LrSweepOptions o = {.steps = 6, .smoothing = 0}) {
    std::size_t at = 0;
    return find_learning_rate([&](double) { return losses.at(at++); }, nothing, o);
  };
  const LrSweep four = sweep_of({1, 0.5, 2, 2.01});
  EXPECT_TRUE(four.diverged);
  EXPECT_EQ(four.loss, (Real{1, 0.5, 2, 2.01})) << "4 times the best is not above it";
  const LrSweep bad = sweep_of({1, 0.5, NAN});
  EXPECT_TRUE(bad.diverged);
  EXPECT_EQ(bad.loss, (Real{1, 0.5})) << "a loss that is no number is not in it";
  EXPECT_EQ(sweep_of({INFINITY}).rate.size(), 0u);
  EXPECT_FALSE(sweep_of({1, 9, 9, 9, 9, 9}, {.steps = 6, .smoothing = 0, .diverged = 0}).diverged);
  EXPECT_EQ(sweep_of({-1, 9, 9, 9, 9, 9}).loss.size(), 6u) << "no factor of a negative loss";
}

TEST(LrFinder, SuggestsNothingWithoutACurve) {
  const LrSweepOptions o{.steps = 4, .smoothing = 0, .skip_last = 0};
  LrSweep s;
  EXPECT_TRUE(std::isnan(steepest_rate(s, o)) && std::isnan(tenth_of_minimum(s, o)));
  s.rate = {0.1};
  s.smoothed = {1};
  EXPECT_TRUE(std::isnan(steepest_rate(s, o)) && std::isnan(tenth_of_minimum(s, o)));
  s.rate = {0.1, 1, 10};
  s.smoothed = {1, 2, 2};
  EXPECT_TRUE(std::isnan(steepest_rate(s, o))) << "it never falls";
  EXPECT_NEAR(tenth_of_minimum(s, o), 0.01, 1e-15);
  EXPECT_TRUE(std::isnan(steepest_rate(s, {.skip_last = 5}))) << "all of it is skipped";
  s.smoothed = {3, 2, 1};
  EXPECT_EQ(steepest_rate(s, o), 0.1) << "the first of equal slopes";
}

TEST(LrFinder, RefusesWhatIsNoSweep) {
  const auto said = [](const LrSweepOptions& o) { return message_of<ValueError>([&] { sweep_rates(o); }); };
  EXPECT_EQ(said({.lo = 1, .hi = 0.1}), "learning rate finder: rates from 1 to 0.1 do not rise from above 0");
  EXPECT_EQ(said({.steps = 1}), "learning rate finder: 1 steps; at least 2 are needed");
  EXPECT_EQ(said({.smoothing = 1}), "learning rate finder: smoothing 1 is not in [0, 1)");
  EXPECT_EQ(said({.diverged = 1}),
            "learning rate finder: diverged at 1 times the best loss; more than 1 is needed, or 0 for never");
  EXPECT_EQ(
      said({.skip_first = 1}),
      "learning rate finder: 1 of the steps skipped at the start and 5 at the end; a share in [0, 1) and a "
      "number of 0 or more are possible");
  LrSweep s;
  s.rate = {1};
  EXPECT_EQ(message_of<ShapeError>([&] { steepest_rate(s); }), "learning rate finder: 1 rates for 0 losses");
}

// Everything that decides later steps: weights, statistics, moments, rate, random numbers.
std::map<std::string, Real> everything(Module& net, Optimizer& optimizer) {
  std::map<std::string, Real> all;
  for (const Parameter& p : net.parameters()) all["p." + p.name] = p.tensor.to_vector<double>();
  for (const Parameter& b : net.buffers()) all["b." + b.name] = b.tensor.to_vector<double>();
  for (const Parameter& s : optimizer.state()) all["s." + s.name] = s.tensor.to_vector<double>();
  all["lr"] = {optimizer.lr()};
  all["random"] = rand({3}).to_vector<double>();
  return all;
}

TEST(LrFinder, LeavesNoTrace) {
  manual_seed(4);
  BatchNorm2d net(3);
  OptimizerOptions options = optimizer_options("adam");
  options.lr = 0.01;
  Optimizer optimizer(net.parameters(), options);
  const Tensor x = randn({4, 3, 5, 5});
  const auto step = [&](double lr) {
    optimizer.set_lr(lr);
    optimizer.zero_grad();
    const Tensor y = net(x + rand({4, 3, 5, 5}));
    const Tensor loss = mean((y - 0.3) * (y - 0.3) * dropout(y, 0.5));
    loss.backward(optimizer.loss_seed(loss.dtype()));
    optimizer.step();
    return loss.item();
  };
  step(0.01);
  step(0.01);
  const GeneratorState position = default_generator();
  const auto before = everything(net, optimizer);
  default_generator() = position;
  const LrSweep sweep = find_learning_rate(step, [&] { return remember_training(net, optimizer); },
                                           {.steps = 20, .diverged = 0});
  EXPECT_EQ(sweep.rate.size(), 20u);
  EXPECT_EQ(everything(net, optimizer), before);
  // The next step is the one that would have come without a sweep.
  default_generator() = position;
  const double next = step(0.01);
  const auto after = everything(net, optimizer);
  EXPECT_NE(after, before);

  // Also when a step throws.
  default_generator() = position;
  const auto here = everything(net, optimizer);
  default_generator() = position;
  int steps = 0;
  EXPECT_EQ(message_of<DataError>([&] {
              find_learning_rate(
                  [&](double lr) -> double {
                    if (++steps == 3) throw DataError(1, "no more batches");
                    return step(lr);
                  },
                  [&] { return remember_training(net, optimizer); });
            }),
            "no more batches");
  EXPECT_EQ(everything(net, optimizer), here);
  EXPECT_TRUE(std::isfinite(next));
}

}  // namespace
}  // namespace gadolin
