// Causes of an AP of 0, each planted and named.
#include "tasks/detection/diagnosis.h"

#include <gtest/gtest.h>

#include "tensor/random.h"
#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

using Cause = DetectionDiagnosis::Cause;
const std::vector<std::string> three{"mass", "cyst", "node"};

// Ten pictures of a few boxes, found a pixel off.
std::vector<DetectedPicture> good() {
  RandomStream random(3, stream_id(4));
  std::vector<DetectedPicture> pictures;
  for (int i = 0; i < 10; ++i) {
    DetectedPicture p = picture_with({}, {});
    for (int k = 0; k < 4; ++k) {
      const double x = static_cast<double>(50 + random.below(700)),
                   y = static_cast<double>(20 + random.below(300));
      const double w = static_cast<double>(30 + random.below(60)),
                   h = static_cast<double>(30 + random.below(60));
      p.truth.push_back(truth_at({x, y, x + w, y + h, k % 3}, 4 * i + k + 1));
      p.found.push_back({{x + 1, y, x + w, y + h, k % 3}, 0.6});
    }
    pictures.push_back(std::move(p));
  }
  return pictures;
}

template <class F> DetectionDiagnosis planted(F&& change) {
  std::vector<DetectedPicture> pictures = good();
  for (DetectedPicture& p : pictures)
    for (Detection& d : p.found) change(d);
  return diagnose_detections(pictures, three);
}

TEST(Diagnosis, NothingIsWrong) {
  const DetectionDiagnosis d = planted([](Detection&) {});
  EXPECT_EQ(d.cause, Cause::none);
  EXPECT_EQ(d.text, "100.0 % of the truths are found");
  EXPECT_EQ(d.truths, 40);
  EXPECT_EQ(d.above_threshold, 40);
  EXPECT_GT(d.best_iou, 0.9);
}

TEST(Diagnosis, SwappedAxes) {
  const DetectionDiagnosis d = planted([](Detection& f) {
    std::swap(f.box.x1, f.box.y1);
    std::swap(f.box.x2, f.box.y2);
  });
  EXPECT_EQ(d.cause, Cause::swapped) << d.text;
  EXPECT_EQ(d.text.find("x and y are exchanged: so read, 100.0 % of the truths are found, as they are "), 0u)
      << d.text;
}

TEST(Diagnosis, ScaledBoxes) {
  const DetectionDiagnosis d = planted([](Detection& f) {
    f.box = {f.box.x1 * 0.4, f.box.y1 * 0.5, f.box.x2 * 0.4, f.box.y2 * 0.5, f.box.label};
  });
  EXPECT_EQ(d.cause, Cause::scaled) << d.text;
  EXPECT_EQ(d.text.find("the boxes have another scale than the truth: times 2.4"), 0u) << d.text;
  const DetectionDiagnosis shares = planted([](Detection& f) {
    f.box = {f.box.x1 / 1000, f.box.y1 / 500, f.box.x2 / 1000, f.box.y2 / 500, f.box.label};
  });
  EXPECT_EQ(shares.cause, Cause::scaled);
  EXPECT_EQ(shares.text, "the boxes are shares of the picture, 0 to 1, not pixels");
}

TEST(Diagnosis, ShiftedAndConfusedClasses) {
  const DetectionDiagnosis shifted =
      planted([](Detection& f) { f.box.label = std::min(f.box.label + 1, 2); });
  EXPECT_EQ(shifted.cause, Cause::none) << "the last class is found";
  std::vector<DetectedPicture> pictures = good();
  for (DetectedPicture& p : pictures) {
    for (MarkedBox& b : p.truth) b.box.label %= 2;
    for (Detection& d : p.found) d.box.label = d.box.label % 2 + 1;
  }
  DetectionDiagnosis d = diagnose_detections(pictures, three);
  EXPECT_EQ(d.cause, Cause::shifted);
  EXPECT_EQ(d.text,
            "100.0 % of the truths are found by boxes of other classes: every class is shifted by 1; is a "
            "background counted, or are numbers used where names differ?");
  for (DetectedPicture& p : pictures) {
    for (std::size_t k = 0; k < p.found.size(); ++k) p.found[k].box.label = p.truth[k].box.label == 0 ? 2 : 0;
  }
  d = diagnose_detections(pictures, three);
  EXPECT_EQ(d.cause, Cause::confused);
  EXPECT_EQ(
      d.text,
      "100.0 % of the truths are found by boxes of other classes: mass is called node (30 of 40); do the "
      "classes stand in the same order?");
}

TEST(Diagnosis, Threshold) {
  const DetectionDiagnosis d = planted([](Detection& f) { f.score = 0.03; });
  EXPECT_EQ(d.cause, Cause::threshold);
  EXPECT_EQ(
      d.text,
      "the score threshold 0.05 leaves 0 of 40 detections; without it 100.0 % of the truths are found, by "
      "scores up to 0.0300");
}

TEST(Diagnosis, OtherWeights) {
  RandomStream random(9, stream_id(5));
  const DetectionDiagnosis d = planted([&](Detection& f) {
    const double x = static_cast<double>(random.below(900)), y = static_cast<double>(random.below(400));
    f.box = {x, y, x + 5 + static_cast<double>(random.below(300)),
             y + 5 + static_cast<double>(random.below(300)), static_cast<int>(random.below(3))};
  });
  EXPECT_EQ(d.cause, Cause::elsewhere) << d.text;
  EXPECT_EQ(
      d.text.find("the boxes lie elsewhere: the best overlap (IoU) of a truth with any box, whatever its "
                  "class, is 0."),
      0u)
      << d.text;
}

TEST(Diagnosis, NothingToCompare) {
  std::vector<DetectedPicture> pictures{picture_with({}, {{{0, 0, 9, 9, 0}, 0.9}})};
  EXPECT_EQ(diagnose_detections(pictures, three).text, "there is no truth to be found");
  pictures = {picture_with({{0, 0, 9, 9, 0}}, {})};
  EXPECT_EQ(diagnose_detections(pictures, three).text, "there are no detections, of any score");
}

}  // namespace
