// Mixup and cutmix against torchvision, beta numbers against SciPy's quantiles (tools/fixtures/people.py).
#include "train/mix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "layers/loss.h"
#include "tensor/capture.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"
#include "tests/scratch.h"
#include "train/beta_random.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::message_of;

TEST(BetaRandom, HasItsMomentsAndQuantiles) {
  const json numbers = stored_numbers("mixing.json");
  for (const json& c : numbers["beta"]) {
    constexpr int draws = 40000;
    RandomStream random(7, stream_id(1));
    Real x;
    double sum = 0, squares = 0;
    for (int i = 0; i < draws; ++i) {
      x.push_back(beta_random(random, c["alpha"], c["beta"]));
      ASSERT_TRUE(x.back() >= 0 && x.back() <= 1);
      sum += x.back();
      squares += x.back() * x.back();
    }
    const double mean = sum / draws, variance = squares / draws - mean * mean, want = c["variance"];
    // Five standard errors; a variance of numbers in [0, 1] has one of at most 1 / (4 sqrt(draws)).
    EXPECT_NEAR(mean, c["mean"].get<double>(), 5 * std::sqrt(want / draws)) << c.dump();
    EXPECT_NEAR(variance, want, 5 * 0.25 / std::sqrt(draws)) << c.dump();
    for (std::size_t q = 0; q < c["p"].size(); ++q) {
      const double p = c["p"][q], edge = c["x"][q];
      const auto below = std::count_if(x.begin(), x.end(), [&](double v) { return v <= edge; });
      EXPECT_NEAR(static_cast<double>(below) / draws, p, 5 * std::sqrt(p * (1 - p) / draws)) << c.dump();
    }
  }
}

TEST(BetaRandom, TinyShapesDoNotUnderflow) {
  RandomStream random(7, stream_id(2));
  int low = 0;
  for (int i = 0; i < 1000; ++i) {
    const double x = beta_random(random, 1e-4, 1e-4);
    ASSERT_TRUE(x >= 0 && x <= 1);
    low += x < 0.5;
  }
  EXPECT_NEAR(low, 500, 80);
  RandomStream again(7, stream_id(2)), other(8, stream_id(2));
  EXPECT_EQ(beta_random(again, 0.3, 0.3), [] {
    RandomStream r(7, stream_id(2));
    return beta_random(r, 0.3, 0.3);
  }());
  EXPECT_NE(beta_random(other, 0.3, 0.3), beta_random(again, 0.3, 0.3));
  double sum = 0;
  for (int i = 0; i < 20000; ++i) sum += std::exp(log_gamma_random(random, 2.5));
  EXPECT_NEAR(sum / 20000, 2.5, 5 * std::sqrt(2.5 / 20000));
  for (int i = 0; i < 100000; ++i) {
    const double u = open_uniform(random);
    ASSERT_TRUE(u > 0 && u < 1);
  }
  EXPECT_EQ(message_of<ValueError>([&] { beta_random(random, 0, 1); }),
            "beta_random: parameters 0 and 1 must be above 0");
  EXPECT_EQ(message_of<ValueError>([&] { log_gamma_random(random, NAN); }),
            "log_gamma_random: shape nan is not above 0");
}

TEST(Mix, AgreesWithTorchvision) {
  const json m = stored_numbers("mixing.json")["mixed"];
  const std::vector<std::int64_t> shape = m["shape"], labels = m["labels"];
  const std::int64_t n = shape[0], h = shape[2], w = shape[3];
  const Tensor images = tensor(m["images"], Shape(shape), DType::fp64),
               targets = one_hot(from_vector(labels, {n}), m["classes"], DType::fp64);
  for (const json& c : m["cases"]) {
    MixPlan plan;
    for (std::int64_t i = 0; i < n; ++i) plan.partner.push_back((i + n - 1) % n);  // roll(1)
    plan.share = c["share"];
    plan.kind = c["kind"] == "cutmix" ? MixPlan::Kind::cutmix : MixPlan::Kind::mixup;
    if (plan.kind == MixPlan::Kind::cutmix) set_cutmix_box(plan, c["share"], c["row"], c["column"], h, w);
    EXPECT_NEAR(plan.share, c["corrected"].get<double>(), 1e-15);
    const MixTensors mix = mix_tensors(plan, h, w);
    const Real pictures = c["images"], truth = c["targets"];
    const Real x = mixed_images(images, mix).to_vector<double>(),
               y = mixed_targets(targets, mix).to_vector<double>();
    ASSERT_EQ(x.size(), pictures.size());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], pictures[i], 3e-7) << c["kind"];
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], truth[i], 1e-7) << c["kind"];
    if (plan.kind == MixPlan::Kind::cutmix) {
      EXPECT_EQ(x, pictures) << "whole pixels are taken as they are";
    }
  }
}

TEST(Mix, PlansDependOnTheirPlaceAlone) {
  const MixOptions both{.mixup = 0.4, .cutmix = 1, .seed = 3};
  int cuts = 0, fixed_points = 0, same = 0;
  double sum = 0;
  for (int step = 0; step < 400; ++step) {
    const MixPlan a = mix_plan(both, 2, step, 8, 20, 30), b = mix_plan(both, 2, step, 8, 20, 30);
    EXPECT_EQ(a.share, b.share);
    EXPECT_EQ(a.partner, b.partner);
    EXPECT_EQ(std::set<std::int64_t>(a.partner.begin(), a.partner.end()).size(), 8u);
    EXPECT_TRUE(a.share >= 0 && a.share <= 1);
    same += a.share == mix_plan(both, 3, step, 8, 20, 30).share;
    for (std::int64_t i = 0; i < 8; ++i) fixed_points += a.partner[static_cast<std::size_t>(i)] == i;
    cuts += a.kind == MixPlan::Kind::cutmix;
    sum += a.share;
    if (a.kind != MixPlan::Kind::cutmix) continue;
    EXPECT_TRUE(0 <= a.top && a.top <= a.bottom && a.bottom <= 20 && 0 <= a.left && a.right <= 30);
    EXPECT_NEAR(a.share, 1 - static_cast<double>((a.bottom - a.top) * (a.right - a.left)) / 600, 1e-15);
  }
  EXPECT_NEAR(cuts, 200, 50);
  EXPECT_LE(same, 40) << "another epoch mixes in another way; boxes have few areas";
  EXPECT_NEAR(fixed_points, 400, 100) << "one a permutation";
  EXPECT_GT(sum / 400, 0.4);
  int mixed = 0;
  for (int step = 0; step < 400; ++step) {
    const MixPlan p = mix_plan({.mixup = 1, .chance = 0.25}, 0, step, 3, 4, 4);
    mixed += p.kind == MixPlan::Kind::mixup;
    EXPECT_TRUE(p.kind != MixPlan::Kind::none ||
                (p.share == 1 && p.partner == std::vector<std::int64_t>{0, 1, 2}));
  }
  EXPECT_NEAR(mixed, 100, 40);
  EXPECT_EQ(mix_plan({}, 0, 0, 2, 4, 4).kind, MixPlan::Kind::none);
}

TEST(Mix, LeavesABatchAloneBitForBit) {
  const Tensor x = randn({3, 2, 4, 5}), t = rand({3, 6});
  const MixTensors none = mix_tensors(mix_plan({}, 0, 0, 3, 4, 5), 4, 5);
  EXPECT_EQ(mixed_images(x, none).to_vector<float>(), x.to_vector<float>());
  EXPECT_EQ(mixed_targets(t, none).to_vector<float>(), t.to_vector<float>());
  const Tensor half = x.to(DType::bf16).contiguous(MemoryFormat::channels_last);
  const Tensor y = mixed_images(half, mix_tensors(mix_plan({.cutmix = 1}, 0, 1, 3, 4, 5), 4, 5));
  EXPECT_EQ(y.dtype(), DType::bf16);
  EXPECT_TRUE(y.is_channels_last());
}

// Targets of a mixed batch add up to 1, and their loss is the blend of the two losses (Zhang et al. 2018).
TEST(Mix, LossOfTheBlendIsTheBlendOfLosses) {
  const MixPlan plan = mix_plan({.mixup = 1, .seed = 5}, 0, 0, 6, 4, 4);
  const Tensor labels = tensor({0, 2, 1, 1, 0, 2}, {6}, DType::int64), logits = randn({6, 3}, DType::fp64);
  const MixTensors mix = mix_tensors(plan, 4, 4);
  const double got = soft_cross_entropy(logits, mixed_targets(one_hot(labels, 3, DType::fp64), mix)).item();
  const double own = cross_entropy(logits, labels).item(),
               other = cross_entropy(logits, index_select(labels, 0, mix.partner)).item();
  EXPECT_NEAR(got, plan.share * own + (1 - plan.share) * other, 1e-6) << "shares travel as fp32";
}

// As a captured step takes it: every decision is an input of the same shape.
TEST(Mix, IsAnInputOfAStep) {
  const Tensor x = randn({4, 1, 6, 6}), t = one_hot(tensor({0, 1, 1, 0}, {4}, DType::int64), 2);
  CapturedStep step([](const std::vector<Tensor>& in) {
    const MixTensors mix{in[2], in[3], in[4]};
    return mean(mixed_images(in[0], mix)) + mean(mixed_targets(in[1], mix).select(1, 0));
  });
  for (int i = 0; i < 6; ++i) {
    const MixTensors m = mix_tensors(mix_plan({.mixup = 1, .cutmix = 1, .chance = 0.8}, 0, i, 4, 6, 6), 6, 6);
    EXPECT_EQ(m.keep.shape(), (Shape{1, 1, 6, 6}));
    const double want = mean(mixed_images(x, m)).item() + mean(mixed_targets(t, m).select(1, 0)).item();
    EXPECT_NEAR(step({x, t, m.partner, m.keep, m.share}).item(), want, 1e-6);
  }
}

TEST(Mix, RefusesOtherShapes) {
  EXPECT_EQ(message_of<ValueError>([] { mix_plan({.mixup = -1}, 0, 0, 2, 4, 4); }),
            "mix: alphas -1 of mixup and 0 of cutmix are not 0 or more");
  EXPECT_EQ(message_of<ValueError>([] { mix_plan({.chance = 2}, 0, 0, 2, 4, 4); }),
            "mix: chances 2 of mixing and 0.5 of cutmix are not in [0, 1]");
  EXPECT_EQ(message_of<ValueError>([] { mix_plan({}, 0, 0, 0, 4, 4); }),
            "mix: a batch of 0 pictures of 4 x 4; at least 1 of each is needed");
  const MixTensors mix = mix_tensors(mix_plan({}, 0, 0, 2, 4, 4), 4, 4);
  EXPECT_EQ(
      message_of<ShapeError>([&] {
        mixed_images(ones({3, 1, 4, 4}), mix);
      }),
      "mix: images [3, 1, 4, 4] with partners [2] and a map [1, 1, 4, 4]; [N, C, H, W], [N] and [1, 1, H, W] "
      "are needed");
  EXPECT_EQ(message_of<ShapeError>([&] { mixed_targets(ones({2}), mix); }),
            "mix: targets [2] with partners [2]; [N, K] and [N] are needed");
  EXPECT_EQ(message_of<DTypeError>([&] {
              mixed_targets(ones({2, 3}, DType::int64), mix);
            }),
            "mix: targets are int64; one_hot() makes probabilities of class numbers");
  MixPlan outside = mix_plan({}, 0, 0, 2, 4, 4);
  outside.bottom = 5;
  EXPECT_EQ(message_of<ShapeError>([&] { mix_tensors(outside, 4, 4); }),
            "mix: box 0..5 x 0..0 is not inside pictures of 4 x 4");
}

}  // namespace
}  // namespace gadolin
