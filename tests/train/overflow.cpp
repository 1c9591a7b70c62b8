// Steps whose gradients overflow change nothing, whatever the loss scale; a run of such steps ends.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/train/leaf.h"
#include "tests/train/trainer_job.h"

namespace gadolin {
namespace {

using test::Folder;
using test::Job;
using test::last_tensors;
using test::leaf;
using test::message_of;
using test::Values;

constexpr double infinity = std::numeric_limits<double>::infinity();

// A fixed scale, and clipping without one.
struct Skips {
  LossScale scale;
  double clip_norm, clip_each_norm = 0;
};
const Skips all_skips[] = {{{128, 1, 0.5, 2000}, 0}, {{128, 1, 0.5, 2000}, 10}, {{}, 10}, {{}, 0, 10}};

Values moments_of(const Optimizer& optimizer) {
  Values all;
  for (const Parameter& p : optimizer.state()) {
    if (p.name != "control") all[p.name] = p.tensor.to_vector<double>();
  }
  return all;
}

TEST(Overflow, AFixedScaleAndClippingSkipTheStep) {
  for (const auto& [scale, clip_norm, clip_each_norm] : all_skips) {
    for (const char* rule : {"sgd", "momentum", "adamw", "rmsprop", "adadelta", "adagrad", "ftrl"}) {
      for (const DType dtype : {DType::fp32, DType::fp64}) {
        OptimizerOptions o = optimizer_options(rule);
        o.clip_norm = clip_norm;
        o.clip_each_norm = clip_each_norm;
        o.weight_decay = 0.1;
        const Tensor w = leaf({1, 2, 3}, dtype), other = leaf({5}, dtype);
        Optimizer optimizer({{"w", w}, {"other", other}}, o, scale);
        EXPECT_TRUE(optimizer.skips_overflows());
        EXPECT_FALSE(optimizer.dynamic_scale());
        const auto step = [&](Optimizer& by, const Tensor& first, double value) {
          first.set_grad(tensor({1, value, 1}, {3}, dtype));
          other.set_grad(ones({1}, dtype));
          by.step();
        };
        step(optimizer, w, 2);
        EXPECT_FALSE(optimizer.last_step_skipped());
        const Values moments = moments_of(optimizer);
        const std::vector<double> weights = w.to_vector<double>(), others = other.to_vector<double>();
        for (const double bad : {infinity, -infinity, std::nan("")}) {
          step(optimizer, w, bad);
          EXPECT_TRUE(optimizer.last_step_skipped());
          EXPECT_TRUE(optimizer.skipped().item<bool>());
          EXPECT_EQ(optimizer.steps(), 1);
          EXPECT_EQ(optimizer.loss_scale(), scale.scale);
          EXPECT_EQ(w.to_vector<double>(), weights) << rule;
          EXPECT_EQ(other.to_vector<double>(), others) << rule;
          EXPECT_EQ(moments_of(optimizer), moments) << rule;
        }
        // The state of a skipped step is taken up as it is.
        const Tensor copy = w.clone().detach().requires_grad_();
        Optimizer resumed({{"w", copy}, {"other", other}}, o, scale);
        State state;
        for (const Parameter& p : optimizer.state()) state[p.name] = p.tensor.clone();
        resumed.load_state(state);
        EXPECT_TRUE(resumed.last_step_skipped());
        const Tensor kept = other.detach().clone();
        step(optimizer, w, 0.5);
        {
          const NoGrad guard;
          Tensor(other).copy_(kept);
        }
        step(resumed, copy, 0.5);
        EXPECT_FALSE(resumed.last_step_skipped());
        EXPECT_EQ(resumed.steps(), 2);
        EXPECT_EQ(copy.to_vector<double>(), w.to_vector<double>()) << rule;
        EXPECT_EQ(moments_of(resumed), moments_of(optimizer)) << rule;
      }
    }
  }
}

TEST(Overflow, AScaleOutOfACheckpointCounts) {
  const Tensor w = leaf({1});
  const Optimizer scaled({{"w", w}}, {}, {8, 1, 0.5, 2000});
  Optimizer plain({{"w", w}}, {});
  EXPECT_FALSE(plain.skips_overflows());
  plain.load_state({{"control", scaled.state()[0].tensor}});
  EXPECT_TRUE(plain.skips_overflows());
}

TEST(Overflow, AveragesOfWeightsStay) {
  Tensor w = tensor({1, -2, 3}, {3});
  WeightAverage average({{"w", w}}, 0.9);
  const auto state = [&] {
    Values all;
    for (const Parameter& p : average.state()) all[p.name] = p.tensor.to_vector<double>();
    return all;
  };
  w.fill_(5);
  average.update(zeros({}, DType::boolean));
  const Values before = state();
  EXPECT_EQ(before.at("updates")[0], 1);
  EXPECT_GT(before.at("w")[0], 1);
  w.fill_(7);
  average.update(ones({}, DType::boolean));
  EXPECT_EQ(state(), before);
}

// A run of steps on batches of numbers; the loss of some is multiplied by infinity, so that all gradients are
// infinite or NaN.
struct OverflowRun {
  Folder folder;
  Job job{folder.path};
  Optimizer optimizer;
  Trainer trainer;
  int calls = 0;

  OverflowRun(const Skips& skips, std::function<double(int)> factor)
      : optimizer(job.net.parameters(),
                  {.rule = Rule::adamw,
                   .lr = 0.05,
                   .clip_norm = skips.clip_norm,
                   .clip_each_norm = skips.clip_each_norm},
                  skips.scale),
        trainer(job.net, optimizer, job.schedule, job.batches, *job.run, hooks(std::move(factor)),
                {.ema = 0.9, .quiet = true}) {}
  TrainHooks hooks(std::function<double(int)> factor) {
    TrainHooks all;
    all.loss = [this, factor = std::move(factor)](const Batch& batch) {
      return mul(cross_entropy(job.net(batch["x"]), batch["label"]), factor(++calls));
    };
    return all;
  }
};

TEST(Overflow, LeavesNoTraceInARun) {
  for (const Skips& skips : all_skips) {
    OverflowRun run(skips, [](int call) { return call == 6 ? infinity : 1; });
    run.trainer.run();
    EXPECT_EQ(run.optimizer.steps(), 5);
    EXPECT_TRUE(run.optimizer.last_step_skipped());
    OverflowRun shorter(skips, [](int) { return 1; });
    shorter.job.batches.count = 5;
    shorter.trainer.run();
    Values got = last_tensors(run.folder.path), want = last_tensors(shorter.folder.path);
    EXPECT_EQ(got.at("ema.updates")[0], 5);
    for (Values* values : {&got, &want}) {
      values->erase("optimizer.control");  // says that a step was skipped
      // Not undone: how many batches there were, and sums of losses, which belong to the rows.
      for (auto at = values->begin(); at != values->end();)
        at = at->first.find("num_batches_tracked") != std::string::npos || at->first.rfind("trainer.", 0) == 0
                 ? values->erase(at)
                 : std::next(at);
    }
    EXPECT_EQ(got, want);
  }
}

TEST(Overflow, GradientsThatStayInfiniteEndTheRun) {
  for (const Skips& skips : all_skips) {
    OverflowRun run(skips, [](int) { return infinity; });
    EXPECT_EQ(message_of<NumericError>([&] { run.trainer.run(); }),
              "train: the training diverged at step 3 (epoch 1, learning rate 0.04415111): the loss is inf, "
              "3 steps "
              "in a row; use a smaller --lr, --clip-norm 1, or --detect-anomaly to find the op");
  }
  // The loss is finite, but not what its scale makes of it.
  OverflowRun scaled({{1e38, 1, 0.5, 2000}, 0}, [](int) { return 1e10; });
  EXPECT_EQ(
      message_of<NumericError>([&] { scaled.trainer.run(); }),
      "train: the training diverged at step 3 (epoch 1, learning rate 0.04415111): a gradient is not finite, "
      "3 steps in a "
      "row; use a smaller --loss-scale or --lr, or --detect-anomaly to find the op");
  // A dynamic scale falls to 1 first: 4, 2, 1, and three more.
  OverflowRun dynamic({{8, 2, 0.5, 2000}, 0}, [](int) { return infinity; });
  EXPECT_EQ(message_of<NumericError>([&] { dynamic.trainer.run(); }).substr(0, 40),
            "train: the training diverged at step 6 (");
  EXPECT_EQ(dynamic.optimizer.loss_scale(), 0.125);
}

}  // namespace
}  // namespace gadolin
