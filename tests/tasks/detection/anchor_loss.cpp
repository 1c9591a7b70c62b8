// Losses of anchors: published values, the specs, recorded steps without a word to the host.
#include "tasks/detection/anchor_loss.h"

#include <cmath>
#include <limits>

#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tests/op_spec.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

double logit_of_probability(double p) { return std::log(p / (1 - p)); }
double focal_of(double p, bool hit, double alpha) {
  const Tensor label = tensor({hit ? 0.0 : -1.0}, {1, 1}, DType::int64);
  return anchor_focal_loss(tensor({logit_of_probability(p)}, {1, 1, 1}, DType::fp64), label, alpha, 2).item();
}

// Lin et al. 2017, equation 5, by hand.
TEST(AnchorFocalLoss, HasItsPublishedValues) {
  EXPECT_NEAR(focal_of(0.01, true, 0.25), 1.128382, 5e-7);
  EXPECT_NEAR(focal_of(0.5, true, 0.25), 0.043322, 5e-7);
  EXPECT_NEAR(focal_of(0.5, false, 0.25), 0.129965, 5e-7);
  EXPECT_NEAR(focal_of(0.9, true, 0.25), 0.000263, 5e-7);
  EXPECT_NEAR(focal_of(0.9, false, 0.25), 1.398820, 5e-7);
  EXPECT_NEAR(focal_of(0.5, true, -1), 0.173287, 5e-7);
  EXPECT_NEAR(focal_of(0.9, false, -1), 1.865094, 5e-7);
}
TEST(AnchorBoxLoss, HasThePublishedValuesOfSmoothL1) {
  const Tensor label = tensor({0}, {1, 1}, DType::int64);
  const double want[][2] = {
      {0.05, 0.01125}, {1.0 / 9, 0.055556}, {0.2, 0.144444}, {1, 0.944444}, {2, 1.944444}};
  for (const auto& [d, loss] : want) {
    EXPECT_NEAR(
        anchor_box_loss(tensor({d, 0, 0, 0}, {1, 1, 4}, DType::fp64), zeros({1, 1, 4}, DType::fp64), label)
            .item(),
        loss, 5e-7);
    EXPECT_NEAR(anchor_box_loss(tensor({0, 0, -d, 0}, {1, 1, 4}, DType::fp64), zeros({1, 1, 4}, DType::fp64),
                                label, {.beta = 0})
                    .item(),
                d, 1e-15)
        << "L1";
  }
}
TEST(AnchorBoxLoss, GiouIsOneMinusTheGeneralisedOverlap) {
  const Tensor label = tensor({0, 0, 0, 0}, {1, 4}, DType::int64);
  // The same; half of it; apart by 1: I = 0, U = 2, C = 3; turned inside out, which has no area.
  const Tensor boxes = tensor({0, 0, 2, 2, 0, 0, 2, 1, 0, 0, 1, 1, 2, 2, 0, 0}, {1, 4, 4}, DType::fp64),
               target = tensor({0, 0, 2, 2, 0, 0, 2, 2, 2, 0, 3, 1, 0, 0, 2, 2}, {1, 4, 4}, DType::fp64);
  const auto loss = [&](int a) {
    const Tensor one = tensor({0}, {1, 1}, DType::int64);
    return anchor_box_loss(boxes.slice(1, a, a + 1), target.slice(1, a, a + 1), one,
                           {.kind = BoxLossOptions::Kind::giou})
        .item();
  };
  EXPECT_NEAR(loss(0), 0, 1e-15);
  EXPECT_NEAR(loss(1), 0.5, 1e-15);
  EXPECT_NEAR(loss(2), 1 + 1.0 / 3, 1e-15);
  EXPECT_TRUE(loss(3) >= 1 && loss(3) <= 2) << loss(3);
}

TEST(AnchorLosses, NormaliseByTheBatchOrByThePicture) {
  const Tensor sums = tensor({6, 0, 5}, {3}), none = tensor({0, 0, 0}, {3}, DType::int64);
  EXPECT_EQ(per_positive(sums, tensor({4}, {}, DType::int64)).item(), 2.75);
  EXPECT_EQ(per_positive(sums, tensor({0}, {1})).item(), 11);
  EXPECT_EQ(per_positive(sums, tensor({3, 0, 2}, {3}, DType::int64)).item(), 1.5);
  EXPECT_NEAR(per_positive(sums, none).item(), 11.0 / 3, 1e-6);
  EXPECT_TRUE(std::isnan(per_positive(tensor({NAN, 1}, {2}), tensor({1}, {})).item()));
  EXPECT_TRUE(std::isnan(per_positive(sums, tensor({NAN}, {})).item()));
  EXPECT_EQ(message_of<ShapeError>([&] {
              per_positive(sums, tensor({1, 2}, {2}));
            }),
            "per_positive: positives [2] are neither [] nor of the sums' shape [3]");
}

// Pictures without an object: the classes' loss counts, the boxes' is exactly 0, and gradients are finite.
TEST(AnchorLosses, OfNormalPicturesAreFinite) {
  const Tensor logits = tensor({-4.6, 2, NAN, -100, 100, 0}, {1, 3, 2}).requires_grad_(),
               boxes = tensor({1, 2, 3, 4, NAN, INFINITY, 0, 1, 2, 0, 0, 0}, {1, 3, 4}).requires_grad_();
  const Tensor label = tensor({anchor_background, anchor_ignored, anchor_background}, {1, 3}, DType::int64);
  for (const auto kind : {BoxLossOptions::Kind::smooth_l1, BoxLossOptions::Kind::giou}) {
    logits.zero_grad();
    boxes.zero_grad();
    const Tensor count = sum(label >= 0.0, {1}),
                 classes = per_positive(anchor_focal_loss(logits, label), count),
                 box =
                     per_positive(anchor_box_loss(boxes, full({1, 3, 4}, NAN), label, {.kind = kind}), count);
    EXPECT_TRUE(classes.item() > 1 && std::isfinite(classes.item())) << classes.item();
    EXPECT_EQ(box.item(), 0);
    (classes + box).backward();
    for (const float g : logits.grad().to_vector<float>()) EXPECT_TRUE(std::isfinite(g)) << g;
    for (const float g : boxes.grad().to_vector<float>()) EXPECT_EQ(g, 0);
  }
  EXPECT_TRUE(
      std::isnan(anchor_focal_loss(tensor({NAN}, {1, 1, 1}), tensor({-1}, {1, 1}, DType::int64)).item()));
  EXPECT_TRUE(
      std::isnan(anchor_box_loss(tensor({NAN, 0, 1, 1}, {1, 1, 4}), tensor({0, 0, 1, 1}, {1, 1, 4}),
                                 tensor({0}, {1, 1}, DType::int64), {.kind = BoxLossOptions::Kind::giou})
                     .item()));
}

TEST(AnchorLosses, AreRecorded) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  const auto losses = [](const std::vector<Tensor>& in) {
    const Tensor count = sum(sum(in[3] >= 0.0, {1}));
    return per_positive(anchor_focal_loss(in[0], in[3]), count) +
           per_positive(anchor_box_loss(in[1], in[2], in[3]), count);
  };
  CapturedStep step(losses);
  for (int call = 0; call < 5; ++call) {
    const auto stream = static_cast<std::uint64_t>(call);
    const std::vector<Tensor> in{rand({2, 5, 3}, 1, stream), rand({2, 5, 4}, 2, stream),
                                 rand({2, 5, 4}, 3, stream),
                                 (rand({2, 5}, 4, stream) * 4.99 - 1.99).to(DType::int64)};
    std::vector<Tensor> there;
    for (const Tensor& t : in) there.push_back(t.to(cuda));
    EXPECT_NEAR(step(there).to(cpu).item(), losses(in).item(), 1e-5) << call;
  }
  EXPECT_TRUE(step.replayed());
}

TEST(AnchorLosses, WantOneDevice) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  EXPECT_EQ(message_of<DeviceError>([] {
              anchor_focal_loss(zeros({1, 2, 3}), zeros({1, 2}, DType::int64, cuda));
            }),
            "anchor_focal_loss: the input is on cpu but the label is on cuda:0; move one with .to(...)");
}

// --- specs -------------------------------------------------------------------------------------------------

Reference focal_reference(double alpha, double gamma) {
  return [=](const Inputs& in) {
    return tabulate({in[0].size(0)}, [&](const Index& n) {
      double total = 0;
      for (std::int64_t a = 0; a < in[0].size(1); ++a) {
        const double label = at(in[1], {n[0], a});
        for (std::int64_t k = 0; label != anchor_ignored && k < in[0].size(2); ++k) {
          const double x = at(in[0], {n[0], a, k}), p = 1 / (1 + std::exp(-x));
          const bool hit = static_cast<double>(k) == label;
          const double p_t = hit ? p : 1 - p;
          total -= (hit ? alpha : 1 - alpha) * std::pow(1 - p_t, gamma) * std::log(p_t);
        }
      }
      return total;
    });
  };
}
Input labels_of(const std::vector<double>& numbers, const Shape& shape) {
  return values(numbers, shape, DType::int64).fixed();
}

const Input two_pictures = labels_of({0, -1, -2, 2, 1, -1, 0, 2, -2, -1}, {2, 5});
const bool anchor_focal_added = add_spec({
    .name = "anchor_focal_loss",
    .f = [](const Inputs& in) { return anchor_focal_loss(in[0], in[1]); },
    .reference = focal_reference(0.25, 2),
    .cases = {{.inputs = {shaped({2, 5, 3}).between(-3, 3), two_pictures}},
              {.what = "one class", .inputs = {shaped({3, 2, 1}), labels_of({0, -1, -2, -1, 0, 0}, {3, 2})}},
              {.what = "gamma 1.5",
               .inputs = {shaped({2, 5, 3}).between(-3, 3), two_pictures},
               .f = [](const Inputs& in) { return anchor_focal_loss(in[0], in[1], 0.4, 1.5); },
               .reference = focal_reference(0.4, 1.5)},
              {.what = "gamma 0",
               .inputs = {shaped({2, 5, 3}).between(-3, 3), two_pictures},
               .f = [](const Inputs& in) { return anchor_focal_loss(in[0], in[1], 0.4, 0); },
               .reference = focal_reference(0.4, 0)}},
    .errors =
        {{.inputs = {shaped({2, 5, 3}), shaped({2, 4}, DType::int64)},
          .message = "anchor_focal_loss: label [2, 4] has not one number for each anchor of [2, 5, 3]"},
         {.inputs = {shaped({1, 1, 3}, DType::int64), shaped({1, 1}, DType::int64)},
          .message = "anchor_focal_loss: int64 is not supported; convert with .to(DType::fp32)"},
         {.inputs = {shaped({1, 1, 3}), shaped({1, 1})},
          .message = "anchor_focal_loss: label is fp32, not int64"},
         {.inputs = {shaped({1, 1, 3}), values({3}, {1, 1}, DType::int64)},
          .message =
              "anchor_focal_loss: label 3 is outside [-2, 3): -2 ignored, -1 background, classes from 0"},
         {.inputs = {shaped({1, 1, 3}), values({-3}, {1, 1}, DType::int64)},
          .message =
              "anchor_focal_loss: label -3 is outside [-2, 3): -2 ignored, -1 background, classes from 0"},
         {.inputs = {shaped({1, 1, 3}), values({0}, {1, 1}, DType::int64)},
          .message = "anchor_focal_loss: gamma -1 must not be negative, alpha 0.25 not above 1",
          .f = [](const Inputs& in) { return anchor_focal_loss(in[0], in[1], 0.25, -1); }}},
});

// Sum over the anchors with an object of loss(box, target).
template <class F> Reference over_objects(F loss) {
  return [loss](const Inputs& in) {
    return tabulate({in[0].size(0)}, [&](const Index& n) {
      double total = 0;
      for (std::int64_t a = 0; a < in[0].size(1); ++a) {
        double p[4], t[4];
        for (std::int64_t c = 0; c < 4; ++c) {
          p[c] = at(in[0], {n[0], a, c});
          t[c] = at(in[1], {n[0], a, c});
        }
        if (at(in[2], {n[0], a}) >= 0) total += loss(p, t);
      }
      return total;
    });
  };
}
double smooth_l1_of(const double* p, const double* t, double beta) {
  double sum = 0;
  for (int c = 0; c < 4; ++c) {
    const double d = std::abs(p[c] - t[c]);
    sum += d < beta ? d * d / (2 * beta) : d - beta / 2;
  }
  return sum;
}
double giou_loss_of(const double* p, const double* t) {
  const auto length = [](double from, double to) { return std::max(0.0, to - from); };
  const double inter =
      length(std::max(p[0], t[0]), std::min(p[2], t[2])) * length(std::max(p[1], t[1]), std::min(p[3], t[3]));
  const double all = (p[2] - p[0]) * (p[3] - p[1]) + (t[2] - t[0]) * (t[3] - t[1]) - inter;
  const double hull =
      (std::max(p[2], t[2]) - std::min(p[0], t[0])) * (std::max(p[3], t[3]) - std::min(p[1], t[1]));
  return 1 - (inter / all - (hull - all) / hull);
}
const Tensor no_tensor;
Call box_loss_call(const BoxLossOptions& options) {
  return [options](const Inputs& in) {
    return anchor_box_loss(in[0], in[1].to(in[0].dtype() == DType::fp64 ? DType::fp64 : DType::fp32), in[2],
                           options);
  };
}
// Boxes with corners in order, none on another's edge: apart, overlapping, inside one another.
const std::vector<double> some_boxes{0.1, 0.2, 0.9, 0.8, 1.1,  0.3, 1.6, 1.2, 0.25, 0.2, 0.75, 0.6,
                                     0.5, 0.5, 1.5, 1.4, -0.3, 0.1, 0.2, 0.4, 0.6,  0.7, 1.3,  0.9};
const std::vector<double> some_targets{0.3, 0.3, 1.2, 1.1,  0.2, 0.5, 0.6, 0.9, 0.1, 0.1, 0.9, 0.9,
                                       0.7, 0.6, 1.1, 1.25, 0.1, 0.2, 0.7, 0.6, 0.5, 0.8, 1.4, 1.5};
const Input six_labels = labels_of({0, 3, 0, -1, 1, -2}, {2, 3});
std::vector<OpCase> giou_cases() {
  OpCase c{.inputs = {values(some_boxes, {2, 3, 4}), values(some_targets, {2, 3, 4}).fixed(), six_labels}};
  return {c};
}
const bool anchor_box_added = add_spec({
    .name = "anchor_box_loss",
    .f = box_loss_call({}),
    .reference = over_objects([](const double* p, const double* t) { return smooth_l1_of(p, t, 1.0 / 9); }),
    .cases = {{.inputs = {shaped({2, 5, 4}), shaped({2, 5, 4}).fixed(), two_pictures}},
              {.what = "one anchor, L1",
               .inputs = {shaped({3, 1, 4}).between(1, 2), shaped({3, 1, 4}).between(-1, 0).fixed(),
                          labels_of({0, 5, -1}, {3, 1})},
               .f = box_loss_call({.beta = 0}),
               .reference =
                   over_objects([](const double* p, const double* t) { return smooth_l1_of(p, t, 0); })}},
    .errors = {{.inputs = {shaped({2, 5, 3}), shaped({2, 5, 3}), shaped({2, 5}, DType::int64)},
                .message = "anchor_box_loss: boxes [2, 5, 3] and target [2, 5, 3] are not both [N, A, 4]"},
               {.inputs = {shaped({1, 1, 4}), shaped({1, 1, 4}, DType::fp64), shaped({1, 1}, DType::int64)},
                .message = "anchor_box_loss: target is fp64, not fp32",
                .f = [](const Inputs& in) { return anchor_box_loss(in[0], in[1], in[2]); }},
               {.inputs = {shaped({1, 1, 4}), shaped({1, 1, 4}), shaped({1, 1}, DType::int64)},
                .message = "anchor_box_loss: beta -1 must not be negative",
                .f = box_loss_call({.beta = -1})}},
});
const bool anchor_giou_added = add_spec({
    .name = "anchor_giou_loss",
    .f = box_loss_call({.kind = BoxLossOptions::Kind::giou}),
    .reference = over_objects(giou_loss_of),
    .cases = giou_cases(),
});

}  // namespace
}  // namespace gadolin
