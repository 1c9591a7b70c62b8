// Average precision of Pascal VOC: the golden numbers, a published example, the rules of difficult truths.
#include "tasks/detection/voc_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tensor/check.h"
#include "tests/scratch.h"
#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

TEST(VocAveragePrecision, GoldenNumbersOfThreeTruths) {
  const std::vector<std::uint8_t> hit{1, 0, 1, 0, 1};
  EXPECT_NEAR(detection_average_precision(hit, 3), 0.755556, 5e-7);
  EXPECT_NEAR(detection_average_precision(hit, 3, ApForm::eleven_points), 0.763636, 5e-7);
  EXPECT_NEAR(detection_average_precision(hit, 3, ApForm::many_points), 0.756436, 5e-7);
}

TEST(VocAveragePrecision, Edges) {
  EXPECT_TRUE(std::isnan(detection_average_precision({}, 0)));
  for (const ApForm form : {ApForm::all_points, ApForm::eleven_points, ApForm::many_points}) {
    EXPECT_EQ(detection_average_precision({}, 2, form), 0);
    EXPECT_EQ(detection_average_precision(std::vector<std::uint8_t>{0, 0}, 2, form), 0);
    EXPECT_NEAR(detection_average_precision(std::vector<std::uint8_t>{1, 1, 0}, 2, form), 1, 1e-12);
  }
  EXPECT_EQ(message_of<ValueError>([] {
              detection_average_precision(std::vector<std::uint8_t>{1, 1}, 1);
            }),
            "average precision: 2 hits on 1 truths");
}

// 7 pictures, 15 truths, 24 detections of Object-Detection-Metrics, whose corners belong to the box.
std::vector<DetectedPicture> published() {
  std::vector<DetectedPicture> pictures;
  std::ifstream file(fixture("voc-ap/boxes.txt"));
  std::string kind;
  int picture = 0;
  double score = 0, x = 0, y = 0, w = 0, h = 0;
  while (file >> kind >> picture >> score >> x >> y >> w >> h) {
    pictures.resize(std::max(pictures.size(), static_cast<std::size_t>(picture)));
    DetectedPicture& p = pictures[static_cast<std::size_t>(picture - 1)];
    const ObjectBox box{x, y, x + w + 1, y + h + 1, 0};
    if (kind == "truth")
      p.truth.push_back(truth_at(box));
    else
      p.found.push_back({box, score});
  }
  return pictures;
}

TEST(VocMetricsNumbers, PublishedExample) {
  const std::vector<DetectedPicture> pictures = published();
  VocOptions options;
  options.iou = 0.3;
  const VocMetrics all = voc_metrics(pictures, 1, options);
  EXPECT_EQ(all.classes[0].instances, 15);
  EXPECT_EQ(all.classes[0].detections, 24);
  EXPECT_EQ(all.classes[0].hits, 7) << "recall 0.47";
  EXPECT_NEAR(all.map, 0.2457, 5e-5);
  options.form = ApForm::eleven_points;
  EXPECT_NEAR(voc_metrics(pictures, 1, options).map, 0.2684, 5e-5);
}

TEST(VocMetricsNumbers, MeansOverClassesThatOccur) {
  const std::vector<DetectedPicture> pictures{
      picture_with({{0, 0, 10, 10, 0}, {20, 0, 30, 10, 0}, {40, 0, 50, 10, 1}}, {{{0, 0, 10, 10, 0}, 0.9},
                                                                                 {{20, 0, 30, 10, 0}, 0.8},
                                                                                 {{0, 0, 10, 10, 1}, 0.7},
                                                                                 {{0, 0, 9, 9, 2}, 0.6}})};
  const VocMetrics m = voc_metrics(pictures, 3);
  EXPECT_EQ(m.classes[0].ap, 1);
  EXPECT_EQ(m.classes[1].ap, 0);
  EXPECT_TRUE(std::isnan(m.classes[2].ap)) << "no instances";
  EXPECT_EQ(m.map, 0.5);
  EXPECT_NEAR(m.weighted_map, 2.0 / 3, 1e-12);
}

TEST(VocMetricsNumbers, ThresholdAndMostDetections) {
  const std::vector<DetectedPicture> pictures{
      picture_with({{0, 0, 10, 10, 0}}, {{{20, 0, 30, 10, 0}, 0.9}, {{0, 0, 10, 10, 0}, 0.05}})};
  EXPECT_EQ(voc_metrics(pictures, 1).map, 0) << "a score at the threshold does not count";
  EXPECT_EQ(voc_metrics(pictures, 1).before_threshold, 2);
  EXPECT_EQ(voc_metrics(pictures, 1).detections, 1);
  VocOptions all;
  all.score_threshold = -1;
  EXPECT_EQ(voc_metrics(pictures, 1, all).map, 0.5);
  all.max_detections = 1;
  EXPECT_EQ(voc_metrics(pictures, 1, all).map, 0);
}

TEST(VocMetricsNumbers, SecondBoxIsAMissAndDifficultIsNeither) {
  std::vector<DetectedPicture> pictures{
      picture_with({{0, 0, 10, 10, 0}, {20, 0, 30, 10, 0}},
                   {{{0, 0, 10, 9, 0}, 0.9}, {{0, 0, 10, 10, 0}, 0.8}, {{20, 0, 30, 10, 0}, 0.7}})};
  EXPECT_NEAR(voc_metrics(pictures, 1).map, 0.5 + 0.5 * 2 / 3, 1e-12);
  pictures[0].truth[0].difficult = true;
  const VocMetrics m = voc_metrics(pictures, 1);
  EXPECT_EQ(m.classes[0].instances, 1);
  EXPECT_EQ(m.map, 1);
}

TEST(VocMetricsNumbers, NoTruthAndNoDetection) {
  EXPECT_TRUE(std::isnan(voc_metrics(std::vector{picture_with({}, {{{0, 0, 9, 9, 0}, 0.9}})}, 1).map));
  EXPECT_TRUE(std::isnan(voc_metrics({}, 1).weighted_map));
  EXPECT_EQ(voc_metrics(std::vector{picture_with({{0, 0, 9, 9, 0}}, {})}, 1).map, 0);
  EXPECT_EQ(message_of<DataError>([] {
              voc_metrics(std::vector{picture_with({{0, 0, 9, 9, 1}}, {})}, 1);
            }),
            "voc_metrics: film has a box of class 1; there are 0 to 0");
}

}  // namespace
