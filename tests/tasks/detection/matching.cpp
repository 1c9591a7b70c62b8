// Matching of anchors and objects against a plain reference in double, both devices, recorded.
#include "tasks/detection/matching.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tasks/detection/anchors.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

struct Truths {
  Tensor boxes, label, count, size;
};
Truths random_truths(std::int64_t pictures, std::int64_t most, std::uint64_t stream) {
  const Tensor corner = rand({pictures, most, 2}, 15, stream) * 90.0,
               side = rand({pictures, most, 2}, 16, stream) * 60.0 + 3.0;
  std::vector<double> count, size;
  for (std::int64_t n = 0; n < pictures; ++n) {
    count.push_back(static_cast<double>((n * 5 + 3) % (most + 1)));
    size.insert(size.end(), {100.0 + 10 * static_cast<double>(n % 2), 128});
  }
  return {concat({corner, corner + side}, 2), (rand({pictures, most}, 17, stream) * 3.0).to(DType::int64),
          tensor(count, {pictures}, DType::int64), tensor(size, {pictures, 2}, DType::int64)};
}

struct Matched {
  std::vector<std::int64_t> label, object;
  std::vector<double> best;
};
// The rules of the header, word by word.
Matched by_hand(const Tensor& anchors_t, const Truths& t, const MatchOptions& o) {
  const std::vector<double> anchors = anchors_t.to_vector<double>(), boxes = t.boxes.to_vector<double>();
  const auto label = t.label.to_vector<std::int64_t>(), count = t.count.to_vector<std::int64_t>(),
             size = t.size.to_vector<std::int64_t>();
  const std::size_t all = anchors.size() / 4, pictures = count.size(), most = label.size() / pictures;
  Matched y;
  for (std::size_t n = 0; n < pictures; ++n) {
    const auto objects = static_cast<std::size_t>(count[n]);
    const auto inside = [&](std::size_t a) {
      return !o.ignore_padding ||
             ((anchors[4 * a] + anchors[4 * a + 2]) / 2 < static_cast<double>(size[2 * n + 1]) &&
              (anchors[4 * a + 1] + anchors[4 * a + 3]) / 2 < static_cast<double>(size[2 * n]));
    };
    const auto overlap = [&](std::size_t a, std::size_t m) {
      const double *p = &anchors[4 * a], *q = &boxes[4 * (n * most + m)];
      const double w = std::min(p[2], q[2]) - std::max(p[0], q[0]),
                   h = std::min(p[3], q[3]) - std::max(p[1], q[1]);
      if (w <= 0 || h <= 0) return 0.0;
      return w * h / ((p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - w * h);
    };
    std::vector<double> best(most, -1);
    std::vector<std::size_t> best_anchor(most, all);
    for (std::size_t m = 0; m < objects; ++m) {
      best[m] = 0;
      for (std::size_t a = 0; a < all; ++a) {
        // A hair's breadth, so that what is equal in fp32 is equal here.
        if (inside(a) && overlap(a, m) > best[m] + 1e-6) {
          best[m] = overlap(a, m);
          best_anchor[m] = a;
        }
      }
    }
    y.best.insert(y.best.end(), best.begin(), best.end());
    for (std::size_t a = 0; a < all; ++a) {
      std::int64_t says = -1, object = -1;
      double largest = 0, rescued = 0;
      std::size_t of = most, by = most;
      bool tie = false;
      for (std::size_t m = 0; m < objects; ++m) {
        const double v = overlap(a, m);
        if (v > largest + 1e-6) largest = v, of = m;
        if (best_anchor[m] == a && v > rescued) rescued = v, by = m;
        tie = tie || (v > 0 && std::abs(v - best[m]) < 1e-6);
      }
      bool holds = largest >= o.object;
      if (o.rescue == MatchOptions::Rescue::best && by < most && !holds) of = by, holds = true;
      if (o.rescue == MatchOptions::Rescue::ties && tie) holds = true;
      if (!inside(a)) {
        says = -2;
      } else if (holds) {
        says = label[n * most + of];
        object = static_cast<std::int64_t>(of);
      } else if (largest > o.background) {
        says = -2;
      }
      y.label.push_back(says);
      y.object.push_back(object);
    }
  }
  return y;
}

Tensor small_anchors() {
  Anchors anchors({.sizes = {16, 40}, .strides = {8, 16}});
  return anchors.of({{16, 16}, {8, 8}}, {128, 128}, cpu);
}

class Matching : public testing::TestWithParam<MatchOptions::Rescue> {};
TEST_P(Matching, FollowsItsRules) {
  MatchOptions options;
  options.rescue = GetParam();
  const Tensor anchors = small_anchors();
  for (const bool padding : {true, false}) {
    options.ignore_padding = padding;
    const Truths truths = random_truths(4, 7, padding ? 1 : 2);
    const Matched want = by_hand(anchors, truths, options);
    const AnchorTargets got =
        match_anchors(anchors, truths.boxes, truths.label, truths.count, truths.size, options);
    EXPECT_EQ(got.label.to_vector<std::int64_t>(), want.label);
    EXPECT_EQ(got.object.to_vector<std::int64_t>(), want.object);
    const std::vector<double> best = got.best.to_vector<double>();
    for (std::size_t i = 0; i < best.size(); ++i) EXPECT_NEAR(best[i], want.best[i], 2e-6);
    std::int64_t objects = 0;
    for (const std::int64_t o : want.object) objects += o >= 0 ? 1 : 0;
    EXPECT_EQ(static_cast<std::int64_t>(sum(got.positives).item()), objects);
    EXPECT_GT(objects, 10);
    // Targets are the coder's numbers of the object.
    const auto numbers = got.box.to_vector<double>();
    for (std::size_t i = 0; i < want.object.size(); ++i) {
      if (want.object[i] < 0) {
        for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(numbers[4 * i + c], 0);
        continue;
      }
      const auto n = static_cast<std::int64_t>(i) / anchors.size(0),
                 a = static_cast<std::int64_t>(i) % anchors.size(0);
      const std::vector<double> want_numbers =
          encode_boxes(anchors.slice(0, a, a + 1),
                       truths.boxes.select(0, n).slice(0, want.object[i], want.object[i] + 1))
              .to_vector<double>();
      for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(numbers[4 * i + c], want_numbers[c]);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Rescue, Matching,
                         testing::Values(MatchOptions::Rescue::none, MatchOptions::Rescue::best,
                                         MatchOptions::Rescue::ties));

AnchorTargets match_one(const std::vector<double>& anchors, const std::vector<double>& boxes,
                        const std::vector<double>& labels, const MatchOptions& options = {}) {
  const auto m = static_cast<std::int64_t>(labels.size());
  return match_anchors(tensor(anchors, {static_cast<std::int64_t>(anchors.size() / 4), 4}),
                       tensor(boxes, {1, m, 4}), tensor(labels, {1, m}, DType::int64),
                       tensor({static_cast<double>(m)}, {1}, DType::int64),
                       tensor({100, 100}, {1, 2}, DType::int64), options);
}
using Longs = std::vector<std::int64_t>;

TEST(DetectionMatching, DrawsTheLinesWhereTheyBelong) {
  // Overlaps with the object (0, 0, 10, 10): 0.5, 0.4, 0.45, 0.3.
  const std::vector<double> anchors{0, 0, 10, 5, 0, 0, 10, 4, 0, 0, 10, 4.5, 0, 0, 10, 3}, box{0, 0, 10, 10};
  EXPECT_EQ(match_one(anchors, box, {2}).label.to_vector<std::int64_t>(), (Longs{2, -1, -2, -1}));
  EXPECT_EQ(match_one(anchors, box, {2}, {.background_open = true}).label.to_vector<std::int64_t>(),
            (Longs{2, -2, -2, -1}));
  EXPECT_EQ(match_one(anchors, box, {2}, {.object = 0.5, .background = 0.5}).label.to_vector<std::int64_t>(),
            (Longs{2, -1, -1, -1}));
  EXPECT_EQ(match_one(anchors, box, {2}, {.object = 0.6}).label.to_vector<std::int64_t>(),
            (Longs{-2, -1, -2, -1}));
  // A region to leave alone.
  EXPECT_EQ(match_one(anchors, box, {-2}).label.to_vector<std::int64_t>(), (Longs{-2, -1, -2, -1}));
  // Corners for GIoU.
  EXPECT_EQ(match_one(anchors, box, {2}, {.encoded = false}).box.slice(1, 0, 1).to_vector<double>(), box);
  // What has no anchor tells so.
  const AnchorTargets lost = match_one(anchors, {50, 50, 53, 53, NAN, 0, 10, 10}, {0, 1});
  EXPECT_EQ(lost.best.to_vector<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(lost.positives.item(), 0);
}
TEST(DetectionMatching, RescuesSmallObjects) {
  // The second object's best anchor is the first one, which already has an object that it overlaps more.
  const std::vector<double> anchors{0, 0, 10, 10, 20, 20, 30, 30, 20, 20, 30, 30};
  const MatchOptions best{.rescue = MatchOptions::Rescue::best}, ties{.rescue = MatchOptions::Rescue::ties};
  const std::vector<double> boxes{0, 0, 10, 9, 0, 0, 3, 3, 24, 24, 26, 26};
  EXPECT_EQ(match_one(anchors, boxes, {0, 1, 2}).label.to_vector<std::int64_t>(), (Longs{0, -1, -1}));
  EXPECT_EQ(match_one(anchors, boxes, {0, 1, 2}, best).label.to_vector<std::int64_t>(), (Longs{0, 2, -1}));
  EXPECT_EQ(match_one(anchors, boxes, {0, 1, 2}, ties).label.to_vector<std::int64_t>(), (Longs{0, 2, 2}));
  // Without any overlap there is nothing to rescue.
  EXPECT_EQ(match_one(anchors, {50, 50, 60, 60}, {0}, ties).label.to_vector<std::int64_t>(),
            (Longs{-1, -1, -1}));
}
TEST(DetectionMatching, TakesPicturesWithoutObjectsAndMore) {
  const Tensor anchors = small_anchors();
  Truths none = random_truths(2, 3, 4);
  none.count = zeros({2}, DType::int64);
  const AnchorTargets y = match_anchors(anchors, none.boxes, none.label, none.count, none.size);
  EXPECT_EQ(sum(y.positives).item(), 0);
  EXPECT_EQ(max(y.label).item(), -1);
  EXPECT_EQ(y.best.to_vector<double>(), std::vector<double>(6, -1));
  const AnchorTargets without =
      match_anchors(anchors, zeros({2, 0, 4}), zeros({2, 0}, DType::int64), none.count, none.size);
  EXPECT_EQ(without.label.to_vector<std::int64_t>(), y.label.to_vector<std::int64_t>());
  const AnchorTargets nobody = match_anchors(anchors, zeros({0, 3, 4}), zeros({0, 3}, DType::int64),
                                             zeros({0}, DType::int64), zeros({0, 2}, DType::int64));
  EXPECT_EQ(nobody.label.shape(), (Shape{0, anchors.size(0)}));
}

// The same bits on a device, eager and recorded.
TEST(DetectionMatching, IsRecorded) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  Anchors small({.sizes = {16}, .strides = {16}});
  const Tensor anchors = small.of({{6, 6}}, {96, 96}, cpu), there = anchors.to(cuda);
  for (const auto rescue : {MatchOptions::Rescue::best, MatchOptions::Rescue::ties}) {
    const MatchOptions options{.rescue = rescue};
    CapturedStep step([&](const std::vector<Tensor>& in) {
      const AnchorTargets y = match_anchors(there, in[0], in[1], in[2], in[3], options);
      return concat({y.label.reshape({-1}), y.object.reshape({-1}), y.positives}, 0);
    });
    for (std::uint64_t call = 0; call < 5; ++call) {
      const Truths t = random_truths(2, 4, call);
      const AnchorTargets want = match_anchors(anchors, t.boxes, t.label, t.count, t.size, options),
                          got = match_anchors(there, t.boxes.to(cuda), t.label.to(cuda), t.count.to(cuda),
                                              t.size.to(cuda), options);
      EXPECT_EQ(got.best.to_vector<float>(), want.best.to_vector<float>());
      const auto all = concat({want.label.reshape({-1}), want.object.reshape({-1}), want.positives}, 0)
                           .to_vector<std::int64_t>();
      EXPECT_EQ(step({t.boxes.to(cuda), t.label.to(cuda), t.count.to(cuda), t.size.to(cuda)})
                    .to_vector<std::int64_t>(),
                all)
          << call;
    }
    EXPECT_TRUE(step.replayed());
  }
}

TEST(DetectionMatching, RefusesWhatDoesNotFit) {
  const Tensor anchors = zeros({3, 4}), boxes = zeros({2, 5, 4}), label = zeros({2, 5}, DType::int64),
               count = zeros({2}, DType::int64), size = zeros({2, 2}, DType::int64);
  EXPECT_EQ(message_of<ShapeError>([&] {
              match_anchors(zeros({3, 5}), boxes, label, count, size);
            }),
            "match_anchors: anchors [3, 5] are not [A, 4]");
  EXPECT_EQ(message_of<ShapeError>([&] { match_anchors(anchors, boxes, label, count, zeros({2})); }),
            "match_anchors: boxes [2, 5, 4], label [2, 5], count [2] and size [2] are not [N, M, 4], [N, M], "
            "[N] and [N, 2]");
  EXPECT_EQ(
      message_of<DTypeError>([&] { match_anchors(anchors, boxes.to(DType::bf16), label, count, size); }),
      "match_anchors: anchors and boxes must be fp32, not bf16");
  EXPECT_EQ(message_of<DTypeError>([&] { match_anchors(anchors, boxes, label, zeros({2}), size); }),
            "match_anchors: label, count and size must be int64, not fp32");
  if (cuda_available()) {
    EXPECT_EQ(message_of<DeviceError>([&] { match_anchors(anchors, boxes, label, count, size.to(cuda)); }),
              "match_anchors: anchors are on cpu, the batch on cuda:0; move one with .to(...)");
  }
  for (const MatchOptions& wrong :
       {MatchOptions{.object = 0.3}, MatchOptions{.object = NAN}, MatchOptions{.background = NAN},
        MatchOptions{.object = 0, .background = 0}}) {
    EXPECT_EQ(message_of<UsageError>([&] { check_match(wrong); }).find("matching: overlaps of "), 0u);
  }
  EXPECT_EQ(message_of<UsageError>([&] { check_match({.object = 0.3}); }),
            "matching: overlaps of 0.4 for background and 0.3 for objects; 0 <= background <= object <= 1 is "
            "needed, object above 0");
}

}  // namespace
}  // namespace gadolin
