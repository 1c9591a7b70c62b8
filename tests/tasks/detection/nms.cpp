// Suppression and detections against plain references; equal lists on both devices; recorded.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "io/safetensors.h"
#include "tasks/detection/detect.h"
#include "tasks/detection/nms.h"
#include "tensor/capture.h"
#include "tensor/ops.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;
using Longs = std::vector<std::int64_t>;

struct BoxSet {
  Tensor boxes, score, kind;
};
// Crowded, with equal scores, whole-number corners, boxes without area.
BoxSet crowd(std::int64_t n, std::uint64_t stream, std::int64_t classes = 3) {
  const Tensor corner = (rand({n, 2}, 25, stream) * 60.0).to(DType::int64).to(DType::fp32),
               side = (rand({n, 2}, 26, stream) * 20.0).to(DType::int64).to(DType::fp32);
  return {concat({corner, corner + side}, 1),
          (rand({n}, 27, stream) * 40.0).to(DType::int64).to(DType::fp32) * (1.0 / 40),
          (rand({n}, 28, stream) * static_cast<double>(classes)).to(DType::int64)};
}

// In double; a box stays unless one that stays and is of its class overlaps it by more.
Longs kept_by_hand(const BoxSet& set, double limit) {
  const auto b = set.boxes.to_vector<double>(), s = set.score.to_vector<double>();
  const auto k = set.kind.to_vector<std::int64_t>();
  Longs order(s.size()), kept;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t x, std::int64_t y) {
    return s[static_cast<std::size_t>(x)] > s[static_cast<std::size_t>(y)];
  });
  for (const std::int64_t i : order) {
    bool stays = true;
    for (const std::int64_t j : kept) {
      const auto x = 4 * static_cast<std::size_t>(i), y = 4 * static_cast<std::size_t>(j);
      const double w = std::min(b[x + 2], b[y + 2]) - std::max(b[x], b[y]),
                   h = std::min(b[x + 3], b[y + 3]) - std::max(b[x + 1], b[y + 1]);
      const double common = w > 0 && h > 0 ? w * h : 0;
      const double all =
          (b[x + 2] - b[x]) * (b[x + 3] - b[x + 1]) + (b[y + 2] - b[y]) * (b[y + 3] - b[y + 1]) - common;
      stays = stays && !(k[x / 4] == k[y / 4] && common > limit * all && common / all > limit);
    }
    if (stays) kept.push_back(i);
  }
  return kept;
}

TEST(Nms, KeepsWhatAPlainLoopKeeps) {
  for (const std::int64_t n : {0, 1, 2, 63, 64, 65, 300}) {
    for (const double limit : {0.0, 0.25, 0.5, 1.0}) {
      const BoxSet set = crowd(n, static_cast<std::uint64_t>(n + 1));
      const Longs want = kept_by_hand(set, limit);
      EXPECT_EQ(nms(set.boxes, set.score, set.kind, limit).to_vector<std::int64_t>(), want)
          << n << " " << limit;
      if (!cuda_available() || (n == 300 && limit != 0.5)) continue;
      EXPECT_EQ(
          nms(set.boxes.to(cuda), set.score.to(cuda), set.kind.to(cuda), limit).to_vector<std::int64_t>(),
          want)
          << n << " " << limit << " on a device";
    }
  }
}
TEST(Nms, KeepsTheBestOnesOnly) {
  const BoxSet set = crowd(200, 3);
  Longs want = kept_by_hand(set, 0.5);
  ASSERT_GT(want.size(), 70u);
  want.resize(70);
  EXPECT_EQ(nms(set.boxes, set.score, set.kind, 0.5, 70).to_vector<std::int64_t>(), want);
  if (cuda_available()) {
    EXPECT_EQ(
        nms(set.boxes.to(cuda), set.score.to(cuda), set.kind.to(cuda), 0.5, 70).to_vector<std::int64_t>(),
        want);
  }
  BoxSet alone = set;
  alone.kind = zeros({200}, DType::int64);
  EXPECT_EQ(nms(set.boxes, set.score, {}, 0.375).to_vector<std::int64_t>(), kept_by_hand(alone, 0.375));
}
// What others get wrong: almost equal boxes of one score, classes far to the right, scores of 16 bits.
TEST(Nms, NeedsNoShiftedBoxes) {
  const Tensor same = tensor({0, 0, 10, 10, 0, 0, 10, 10.001, 0, 0.001, 10, 10}, {3, 4}), ones_ = ones({3});
  EXPECT_EQ(nms(same, ones_, {}, 0.5).to_vector<std::int64_t>(), (Longs{0}));
  const Tensor far = tensor({3500, 0, 3510, 10, 3500.25, 0, 3510.25, 10, 3500, 0, 3510, 10}, {3, 4}),
               kind = tensor({18, 18, 17}, {3}, DType::int64), score = tensor({0.5, 0.9, 0.1}, {3});
  for (const DType dtype : {DType::fp32, DType::fp16, DType::bf16})
    EXPECT_EQ(nms(far, score.to(dtype), kind, 0.5).to_vector<std::int64_t>(), (Longs{1, 2}));
  // Not a number: scores come first, boxes suppress nothing.
  const Tensor odd = tensor({0, 0, 10, 10, 0, NAN, 10, 10, 0, 0, 10, 10}, {3, 4});
  EXPECT_EQ(nms(odd, tensor({0.9, 0.8, 0.7}, {3}), {}, 0.5).to_vector<std::int64_t>(), (Longs{0, 1}));
  EXPECT_EQ(nms(same, tensor({0.9, NAN, 0.7}, {3}), {}, 0.5).to_vector<std::int64_t>(), (Longs{1}));
}
TEST(Nms, RefusesWhatDoesNotFit) {
  const Tensor boxes = zeros({2, 4}), score = zeros({2}), kind = zeros({2}, DType::int64);
  EXPECT_EQ(message_of<ShapeError>([&] { nms(boxes, zeros({3}), kind, 0.5); }),
            "nms: boxes [2, 4], score [3] and kind [2] are not [n, 4], [n] and [n] or nothing");
  EXPECT_EQ(message_of<DTypeError>([&] { nms(boxes.to(DType::fp64), score, kind, 0.5); }),
            "nms: boxes must be fp32 and kind int64; convert with .to(...)");
  EXPECT_EQ(message_of<ValueError>([&] { nms(boxes, score, kind, NAN); }),
            "nms: overlap nan is outside [0, 1]");
  if (cuda_available()) {
    EXPECT_EQ(message_of<DeviceError>([&] { nms(boxes, score.to(cuda), kind, 0.5); }),
              "nms: boxes are on cpu, score or kind elsewhere; move with .to(...)");
    EXPECT_EQ(message_of<ValueError>([&] {
                nms(zeros({32769, 4}).to(cuda), zeros({32769}).to(cuda), {}, 0.5);
              }),
              "nms: 32769 boxes on CUDA, at most 32768 are possible; take the best of them by topk(), or use "
              ".to(cpu)");
  }
}
// A thousand sets of a thousand boxes that torchvision suppressed (tools/fixtures/retinanet.py --nms FILE).
TEST(Nms, MillionBoxesAsTorchvision) {
  const char* file = std::getenv("GADOLIN_NMS_SETS");
  if (!file) GTEST_SKIP() << "GADOLIN_NMS_SETS is not set";
  const TensorMap sets = load_safetensors(file);
  for (std::int64_t i = 0; i < sets.at("boxes").size(0); ++i) {
    Longs want = sets.at("keep").select(0, i).to_vector<std::int64_t>();
    want.erase(std::find(want.begin(), want.end(), -1), want.end());
    ASSERT_EQ(
        nms(sets.at("boxes").select(0, i), sets.at("scores").select(0, i), sets.at("kinds").select(0, i), 0.5)
            .to_vector<std::int64_t>(),
        want)
        << i;
  }
}

// --- detections --------------------------------------------------------------------------------------------

struct Answer {
  Tensor logits, deltas, anchors, size;
  std::vector<std::int64_t> levels{40, 12, 3};
};
Answer random_answer(std::uint64_t stream, std::int64_t classes = 3) {
  const Tensor corner = rand({55, 2}, 31, stream) * 40.0, side = rand({55, 2}, 32, stream) * 25.0 + 2.0;
  return {(rand({2, 55, classes}, 33, stream) * 60.0).to(DType::int64).to(DType::fp32) * 0.1 - 4.0,
          (rand({2, 55, 4}, 34, stream) - 0.5) * 0.5, concat({corner, corner + side}, 1),
          tensor({50, 60, 60, 45}, {2, 2}, DType::int64)};
}
struct Found {
  std::vector<double> box;
  double score;
  std::int64_t label;
};
// By the definition of the header, of one picture.
std::vector<Found> detected_by_hand(const Answer& a, std::int64_t n, const DetectOptions& o) {
  const auto logits = a.logits.select(0, n).contiguous().to_vector<double>();
  const auto boxes = decode_boxes(a.anchors, a.deltas.select(0, n).contiguous(), o.coder).to_vector<double>();
  const auto size = a.size.select(0, n).to_vector<std::int64_t>();
  const std::size_t classes = static_cast<std::size_t>(a.logits.size(2));
  std::vector<std::size_t> all;
  std::size_t begin = 0;
  const auto better = [&](std::size_t x, std::size_t y) {
    return logits[x] != logits[y] ? logits[x] > logits[y] : x < y;
  };
  for (const std::int64_t level : a.levels) {
    std::vector<std::size_t> here;
    const std::size_t end = begin + static_cast<std::size_t>(level) * classes;
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t anchor = i / classes * classes;
      const bool best = std::max_element(logits.begin() + static_cast<std::ptrdiff_t>(anchor),
                                         logits.begin() + static_cast<std::ptrdiff_t>(anchor + classes)) ==
                        logits.begin() + static_cast<std::ptrdiff_t>(i);
      if (1 / (1 + std::exp(-logits[i])) > o.score && (best || !o.best_class)) here.push_back(i);
    }
    std::sort(here.begin(), here.end(), better);
    here.resize(std::min(here.size(), static_cast<std::size_t>(o.candidates)));
    all.insert(all.end(), here.begin(), here.end());
    begin = end;
  }
  std::sort(all.begin(), all.end(), better);
  BoxSet set;
  std::vector<double> corners, scores;
  Longs kinds;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    for (std::size_t c = 0; c < 4; ++c)
      corners.push_back(
          std::clamp(boxes[all[rank] / classes * 4 + c], 0.0, static_cast<double>(size[1 - c % 2])));
    scores.push_back(-static_cast<double>(rank));
    kinds.push_back(o.by_class ? static_cast<std::int64_t>(all[rank] % classes) : 0);
  }
  const auto count = static_cast<std::int64_t>(all.size());
  set = {tensor(corners, {count, 4}), tensor(scores, {count}), from_vector(kinds, {count})};
  std::vector<Found> found;
  for (const std::int64_t i : kept_by_hand(set, o.overlap)) {
    if (static_cast<std::int64_t>(found.size()) == o.most) break;
    const auto at = static_cast<std::size_t>(i);
    found.push_back({{corners.begin() + 4 * i, corners.begin() + 4 * i + 4},
                     1 / (1 + std::exp(-logits[all[at]])),
                     static_cast<std::int64_t>(all[at] % classes)});
  }
  return found;
}
void expect_detections(const Detections& got, const Answer& a, const DetectOptions& o) {
  const auto count = got.count.to_vector<std::int64_t>(), label = got.label.to_vector<std::int64_t>();
  const auto boxes = got.boxes.to_vector<double>(), score = got.score.to_vector<double>();
  for (std::int64_t n = 0; n < a.logits.size(0); ++n) {
    const std::vector<Found> want = detected_by_hand(a, n, o);
    ASSERT_EQ(count[static_cast<std::size_t>(n)], static_cast<std::int64_t>(want.size()));
    for (std::int64_t i = 0; i < o.most; ++i) {
      const auto at = static_cast<std::size_t>(n * o.most + i);
      const bool there = i < static_cast<std::int64_t>(want.size());
      const Found expected = there ? want[static_cast<std::size_t>(i)] : Found{{-1, -1, -1, -1}, -1, -1};
      EXPECT_EQ(label[at], expected.label);
      EXPECT_NEAR(score[at], expected.score, 1e-6);
      for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(boxes[4 * at + c], expected.box[c], 1e-4);
    }
  }
}
const DetectOptions detect_options[] = {{},
                                        {.candidates = 7, .most = 20},
                                        {.score = 0, .candidates = 1, .most = 5},
                                        {.score = 0.3,
                                         .candidates = 30,
                                         .overlap = 0.2,
                                         .by_class = false,
                                         .best_class = true,
                                         .most = 9,
                                         .coder = BoxCoder::torchvision()}};

TEST(Detect, FindsWhatAPlainLoopFinds) {
  for (std::uint64_t stream = 1; stream <= 3; ++stream) {
    for (const DetectOptions& o : detect_options) {
      const Answer a = random_answer(stream);
      expect_detections(detect(a.logits, a.deltas, a.anchors, a.levels, a.size, o), a, o);
    }
  }
}
TEST(Detect, IsRecorded) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const DetectOptions& o : {detect_options[1], detect_options[3]}) {
    const Tensor anchors = random_answer(1).anchors, there = anchors.to(cuda);
    const std::vector<std::int64_t> levels = random_answer(1).levels;
    std::vector<Tensor> last;
    CapturedStep step(
        [&](const std::vector<Tensor>& in) {
          const Detections y = detect(in[0], in[1], there, levels, in[2], o);
          return concat({y.boxes.reshape({-1}), y.score.reshape({-1}), y.label.reshape({-1}).to(DType::fp32),
                         y.count.to(DType::fp32)},
                        0);
        },
        {.warm_up = 1});
    for (std::uint64_t call = 1; call <= 3; ++call) {
      Answer a = random_answer(call);
      a.anchors = anchors;
      const std::vector<double> y =
          step({a.logits.to(cuda), a.deltas.to(cuda), a.size.to(cuda)}).to_vector<double>();
      const std::int64_t m = 2 * o.most;
      const Tensor all = tensor(y, {7 * m - m + 2});
      expect_detections({all.slice(0, 0, 4 * m), all.slice(0, 4 * m, 5 * m), all.slice(0, 5 * m, 6 * m),
                         all.slice(0, 6 * m, 6 * m + 2)},
                        a, o);
    }
    EXPECT_TRUE(step.replayed());
  }
}
// Every type of logits, few and many candidates, the same list on both devices.
TEST(Detect, ChoosesAlikeOnBothDevices) {
  if (!cuda_available()) GTEST_SKIP() << "no CUDA device";
  for (const DType dtype : {DType::fp32, DType::bf16, DType::fp64}) {
    const Answer a = random_answer(5);
    const DetectOptions o{.candidates = 25, .most = 40};
    const Tensor logits = a.logits.to(dtype);
    const Detections here = detect(logits, a.deltas, a.anchors, a.levels, a.size, o),
                     there = detect(logits.to(cuda), a.deltas.to(cuda), a.anchors.to(cuda), a.levels,
                                    a.size.to(cuda), o);
    EXPECT_EQ(there.label.to_vector<std::int64_t>(), here.label.to_vector<std::int64_t>());
    EXPECT_EQ(there.count.to_vector<std::int64_t>(), here.count.to_vector<std::int64_t>());
  }
}
TEST(Detect, TellsOfNothingAndOfNaN) {
  Answer a = random_answer(7);
  const Detections none = detect(full({2, 55, 3}, -9), a.deltas, a.anchors, a.levels, a.size);
  EXPECT_EQ(none.count.to_vector<std::int64_t>(), (Longs{0, 0}));
  EXPECT_EQ(max(none.score).item(), -1);
  EXPECT_EQ(detect(full({2, 55, 3}, -INFINITY), a.deltas, a.anchors, a.levels, a.size, {.score = 0})
                .count.to_vector<std::int64_t>(),
            (Longs{0, 0}));
  a.logits.select(0, 1).select(0, 50).fill_(NAN);
  const Detections y = detect(a.logits, a.deltas, a.anchors, a.levels, a.size);
  EXPECT_FALSE(std::isnan(y.score.to_vector<double>()[0]));
  EXPECT_TRUE(std::isnan(y.score.select(0, 1).slice(0, 0, 1).item())) << "a NaN comes first";
  const Detections nobody =
      detect(zeros({0, 55, 3}), zeros({0, 55, 4}), a.anchors, a.levels, zeros({0, 2}, DType::int64));
  EXPECT_EQ(nobody.boxes.shape(), (Shape{0, 300, 4}));
}
TEST(Detect, RefusesWhatDoesNotFit) {
  const Answer a = random_answer(1);
  const auto with = [&](const DetectOptions& o) {
    detect(a.logits, a.deltas, a.anchors, a.levels, a.size, o);
  };
  EXPECT_EQ(message_of<ShapeError>([&] {
              detect(a.logits, a.deltas, a.anchors, {40, 12}, a.size);
            }),
            "detect: logits [2, 55, 3], deltas [2, 55, 4], anchors [55, 4], size [2, 2] and 52 anchors of "
            "levels are not [N, A, K], [N, A, 4], [A, 4], [N, 2] and A");
  EXPECT_EQ(
      message_of<DTypeError>(
          [&] { detect(a.logits, a.deltas, a.anchors, a.levels, a.size.to(DType::fp32)); }),
      "detect: logits are fp32, deltas fp32, anchors fp32, size fp32; floating, floating, fp32 and int64 "
      "are needed");
  EXPECT_EQ(message_of<ValueError>([&] { with({.score = 1}); }),
            "detect: score 1 is not from 0 to below 1, or overlap 0.5 not from 0 to 1");
  EXPECT_EQ(message_of<ValueError>([&] { with({.overlap = NAN}); }),
            "detect: score 0.05 is not from 0 to below 1, or overlap nan not from 0 to 1");
  EXPECT_EQ(message_of<ValueError>([&] { with({.candidates = 0}); }),
            "detect: candidates 0 and most 300 must be positive");
  if (cuda_available()) {
    EXPECT_EQ(
        message_of<DeviceError>([&] { detect(a.logits, a.deltas.to(cuda), a.anchors, a.levels, a.size); }),
        "detect: logits are on cpu, another input on cuda:0; move one with .to(...)");
  }
  std::vector<std::int64_t> many(17, 0);
  many[0] = 55;
  EXPECT_EQ(message_of<ValueError>([&] { detect(a.logits, a.deltas, a.anchors, many, a.size); }),
            "detect: 17 levels, at most 16 are possible");
  EXPECT_EQ(message_of<ValueError>([&] {
              detect(zeros({1, 1}).expand({1, 1}).reshape({1, 1, 1}).expand({1, 65536, 65536}),
                     zeros({1, 1, 1}).expand({1, 65536, 4}), zeros({1, 1}).expand({65536, 4}), {65536},
                     zeros({1, 2}, DType::int64));
            }),
            "detect: 65536 anchors of 65536 classes are too many for one picture; use tiles");
  if (cuda_available()) {
    EXPECT_EQ(
        message_of<ValueError>([&] {
          detect(zeros({1, 40000, 1}).to(cuda), zeros({1, 40000, 4}).to(cuda), zeros({40000, 4}).to(cuda),
                 {40000}, zeros({1, 2}, DType::int64).to(cuda), {.candidates = 40000});
        }),
        "detect: 40000 candidates a picture on CUDA, at most 32768 are possible; ask for fewer candidates");
  }
}

}  // namespace
}  // namespace gadolin
