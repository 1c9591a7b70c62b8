// COCO's numbers with weights: a picture of weight 2 is two equal pictures; intervals by patient; curves.
#include <gtest/gtest.h>

#include <cmath>

#include "tasks/detection/coco_metrics.h"
#include "tasks/detection/froc.h"
#include "tensor/random.h"
#include "tests/scratch.h"
#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::vector<DetectedPicture> drawn_pictures(std::size_t count, int classes, std::size_t boxes) {
  std::vector<DetectedPicture> all;
  RandomStream random(3, 7);
  for (std::size_t i = 0; i < count; ++i) {
    DetectedPicture p;
    p.name = cat("film", i);
    p.id = static_cast<std::int64_t>(i);
    p.patient = cat("p", i / 2);
    for (std::size_t k = 0; k < boxes; ++k) {
      const double x = 300 * random.uniform(), y = 300 * random.uniform(), side = 10 + 120 * random.uniform();
      const int label = static_cast<int>(random.below(static_cast<std::uint64_t>(classes)));
      if (i % 4 != 3)
        p.truth.push_back(truth_at({x, y, x + side, y + side, label}, static_cast<std::int64_t>(k)));
      const double off = side * 0.3 * random.uniform();
      p.found.push_back({{x + off, y, x + side + off, y + side, label}, random.uniform()});
    }
    all.push_back(std::move(p));
  }
  return all;
}

void expect_equal(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    EXPECT_EQ(std::isnan(a[k]), std::isnan(b[k])) << k;
    if (!std::isnan(a[k])) {
      EXPECT_NEAR(a[k], b[k], 1e-12) << k;
    }
  }
}

TEST(CocoWeights, APictureOfWeightTwoIsTwoPictures) {
  const auto pictures = drawn_pictures(12, 3, 6);
  const CocoMatches matches(pictures, 3);
  expect_equal(matches.values(std::vector<double>(12, 1)), matches.values());
  const std::vector<double> weight{2, 0, 1, 1, 0, 3, 1, 2, 0, 0, 1, 1};
  std::vector<DetectedPicture> copies;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    for (int k = 0; k < static_cast<int>(weight[i]); ++k) copies.push_back(pictures[i]);
  expect_equal(matches.values(weight), CocoMatches(copies, 3).values());
  // Nothing drawn but normal pictures: no truth.
  std::vector<double> normals(12, 0);
  normals[3] = 1;
  EXPECT_TRUE(std::isnan(matches.values(normals)[0]));
}

TEST(CocoWeights, IntervalsByPatient) {
  const auto pictures = drawn_pictures(40, 2, 3);
  const CocoMatches matches(pictures, 2);
  std::vector<std::string> patients;
  for (const auto& p : pictures) patients.push_back(p.patient);
  const auto metrics = [&](Reals weight) { return matches.values(weight); };
  const auto intervals = bootstrap_all(patients, metrics, {200, 0.95, 9});
  ASSERT_EQ(intervals.size(), 16u);
  const std::vector<double> values = matches.values();
  for (std::size_t k = 0; k < 16; ++k) {
    if (std::isnan(values[k])) continue;
    EXPECT_LE(intervals[k].low, values[k]) << k;
    EXPECT_GE(intervals[k].high, values[k]) << k;
    // As bootstrap() of this metric alone.
    if (k > 1) continue;
    const Interval one =
        bootstrap(patients, [&](Reals weight) { return matches.values(weight)[k]; }, {200, 0.95, 9});
    EXPECT_EQ(one.low, intervals[k].low);
    EXPECT_EQ(one.high, intervals[k].high);
  }
  EXPECT_LT(intervals[0].low, intervals[0].high);
  // One patient alone has no interval.
  const auto none = bootstrap_all(std::vector<std::string>(40, "a"), metrics, {20, 0.95, 9});
  EXPECT_TRUE(std::isnan(none[0].low) && std::isnan(none[0].high));
}

// The spec's ranking (8.4): three truths, hits T F T F T.
TEST(CocoWeights, PrecisionOfAClass) {
  const std::vector<DetectedPicture> one{picture_with(
      {{0, 0, 50, 50, 0}, {100, 0, 150, 50, 0}, {200, 0, 250, 50, 0}}, {{{0, 0, 50, 50, 0}, 0.9},
                                                                        {{300, 0, 350, 50, 0}, 0.8},
                                                                        {{100, 0, 150, 50, 0}, 0.7},
                                                                        {{400, 0, 450, 50, 0}, 0.6},
                                                                        {{200, 0, 250, 50, 0}, 0.5}})};
  const CocoMatches matches(one, 2);
  const PrecisionCurve curve = matches.precision_of(0);
  ASSERT_EQ(curve.at50.size(), 101u);
  EXPECT_NEAR(curve.at50[0], 1, 1e-12);
  EXPECT_NEAR(curve.at50[33], 1, 1e-12);
  EXPECT_NEAR(curve.at50[34], 2.0 / 3, 1e-12);
  EXPECT_NEAR(curve.at50[100], 0.6, 1e-12);
  double sum = 0;
  for (const double p : curve.mean) sum += p;
  EXPECT_NEAR(sum / 101, 0.756436, 1e-6);
  EXPECT_NEAR(matches.metrics().class_ap50[0], 0.756436, 1e-6);
  EXPECT_TRUE(matches.precision_of(1).at50.empty()) << "a class without truth";
  EXPECT_EQ(matches.metrics().class_truths, (std::vector<std::int64_t>{3, 0}));
  EXPECT_EQ(detection_share_text({0.5, {0.25, 0.75}}), "0.5000 (0.2500 to 0.7500)");
  EXPECT_EQ(detection_share_text({NAN, {NAN, NAN}}, "no such picture"), "not defined: no such picture");
}

TEST(FrocBand, HoldsTheCurveAndIsMonotone) {
  const auto pictures = drawn_pictures(40, 2, 3);
  FrocOptions options;
  options.bootstrap.resamples = 100;
  const FrocMetrics m = froc(pictures, 2, options);
  ASSERT_EQ(m.band.size(), 81u);
  EXPECT_EQ(m.band[0].rate, 0);
  EXPECT_EQ(m.band[80].rate, 8);
  double before = 0;
  for (const SensitivityAt& at : m.band) {
    EXPECT_GE(at.sensitivity.value, before);
    before = at.sensitivity.value;
    EXPECT_LE(at.sensitivity.interval.low, at.sensitivity.value);
    EXPECT_GE(at.sensitivity.interval.high, at.sensitivity.value);
  }
  EXPECT_EQ(m.band[10].sensitivity.value, m.over_all[2].sensitivity.value) << "at one false alarm";
  EXPECT_EQ(m.band[10].sensitivity.interval.low, m.over_all[2].sensitivity.interval.low);
}

}  // namespace
