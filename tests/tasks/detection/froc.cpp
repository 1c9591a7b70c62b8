// FROC counted by hand, both denominators, and sets in which something does not occur.
#include "tasks/detection/froc.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/check.h"
#include "tests/scratch.h"
#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// Patient a: a film with two lesions; b: a film with one; c and d: normal films, one with alarms.
std::vector<DetectedPicture> films() {
  return {picture_with({{0, 0, 10, 10, 0}, {50, 50, 70, 70, 0}},
                       {{{0, 0, 10, 12, 0}, 0.9}, {{0, 0, 10, 9, 0}, 0.8}, {{90, 90, 99, 99, 0}, 0.3}}, "a"),
          picture_with({{0, 0, 20, 20, 0}}, {{{0, 0, 20, 10, 0}, 0.4}}, "b"),
          picture_with({}, {{{5, 5, 9, 9, 0}, 0.6}, {{15, 5, 19, 9, 0}, 0.5}}, "c"),
          picture_with({}, {}, "d")};
}
FrocOptions quick() {
  FrocOptions options;
  options.bootstrap.resamples = 0;
  return options;
}

TEST(Froc, CountedByHand) {
  const FrocMetrics m = froc(films(), 1, quick());
  EXPECT_EQ(m.pictures, 4);
  EXPECT_EQ(m.normals, 2);
  EXPECT_EQ(m.lesions, 3);
  EXPECT_EQ(m.detections, 6);
  // 0.9 finds; 0.8 lies on the same lesion; 0.6 and 0.5 are alarms on a normal; 0.4 finds; 0.3 is an alarm.
  ASSERT_EQ(m.curve.size(), 5u);
  EXPECT_EQ(m.curve[0].sensitivity, 1.0 / 3);
  EXPECT_EQ(m.curve[0].false_per_picture, 0);
  EXPECT_EQ(m.curve[2].false_per_picture, 0.5);
  EXPECT_EQ(m.curve[2].false_per_normal, 1);
  EXPECT_EQ(m.curve[3].sensitivity, 2.0 / 3);
  EXPECT_EQ(m.curve[4].false_per_picture, 0.75);
  EXPECT_EQ(m.curve[4].false_per_normal, 1);
  const double all[] = {1.0 / 3, 2.0 / 3, 2.0 / 3, 2.0 / 3, 2.0 / 3},
               normals[] = {1.0 / 3, 1.0 / 3, 2.0 / 3, 2.0 / 3, 2.0 / 3};
  double sum = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(m.over_all[i].sensitivity.value, all[i]) << i;
    EXPECT_EQ(m.over_normals[i].sensitivity.value, normals[i]) << i;
    sum += all[i];
  }
  EXPECT_EQ(m.over_all[0].threshold, 0.6) << "one alarm on four films";
  EXPECT_NEAR(m.mean_sensitivity.value, sum / 5, 1e-12);
  // Best scores: 0.9 and 0.4 of films with lesions, 0.6 and none of normal ones: three of four pairs are
  // right.
  EXPECT_EQ(m.picture_auc.value, 0.75);
  EXPECT_EQ(m.patient_auc.value, 0.75);
  EXPECT_EQ(m.case_sensitivity.value, 0.5);
  EXPECT_EQ(m.specificity.value, 0.5);
  EXPECT_EQ(m.alarms_per_picture, 0.5);
  EXPECT_EQ(m.alarms_per_normal, 1);
}

TEST(Froc, WhatIsAHit) {
  const std::vector<DetectedPicture> one{picture_with({{0, 0, 20, 20, 1}}, {{{0, 0, 20, 5, 1}, 0.9}})};
  FrocOptions options = quick();
  EXPECT_EQ(froc(one, 2, options).mean_sensitivity.value, 1) << "IoU 0.25";
  options.iou = 0.5;
  EXPECT_EQ(froc(one, 2, options).mean_sensitivity.value, 0);
  options.hit = FrocOptions::Hit::centre;
  EXPECT_EQ(froc(one, 2, options).mean_sensitivity.value, 1);
  std::vector<DetectedPicture> other = one;
  other[0].found[0].box.label = 0;
  EXPECT_EQ(froc(other, 2, options).mean_sensitivity.value, 0);
  options.same_class = false;
  EXPECT_EQ(froc(other, 2, options).mean_sensitivity.value, 1);
}

TEST(Froc, CrowdsAndDifficultOnesCountInNeitherWay) {
  std::vector<DetectedPicture> one{
      picture_with({{0, 0, 20, 20, 0}, {50, 0, 70, 20, 0}}, {{{50, 0, 70, 20, 0}, 0.9}})};
  one[0].truth[1].difficult = true;
  const FrocMetrics m = froc(one, 1, quick());
  EXPECT_EQ(m.lesions, 1);
  EXPECT_TRUE(m.curve.empty());
  EXPECT_EQ(m.over_all[4].sensitivity.value, 0);
}

TEST(Froc, LesionFreeAndSilentSets) {
  // 2 normals, 1 film with a lesion, no detection.
  const FrocMetrics silent =
      froc(std::vector{picture_with({}, {}), picture_with({}, {}), picture_with({{0, 0, 9, 9, 0}}, {})}, 1);
  EXPECT_EQ(silent.normals, 2);
  EXPECT_EQ(silent.over_all[0].sensitivity.value, 0);
  EXPECT_EQ(silent.over_normals[0].sensitivity.value, 0);
  EXPECT_TRUE(std::isnan(silent.over_all[0].threshold));
  EXPECT_EQ(silent.specificity.value, 1);
  EXPECT_EQ(silent.alarms_per_normal, 0);
  EXPECT_EQ(silent.picture_auc.value, 0.5);
  // 3 normals, 2 alarms.
  const FrocMetrics normals =
      froc(std::vector{picture_with({}, {{{0, 0, 5, 5, 0}, 0.9}, {{9, 9, 20, 20, 0}, 0.8}}),
                       picture_with({}, {}), picture_with({}, {})},
           1);
  EXPECT_TRUE(std::isnan(normals.over_all[0].sensitivity.value));
  EXPECT_TRUE(std::isnan(normals.mean_sensitivity.value));
  EXPECT_TRUE(std::isnan(normals.picture_auc.value));
  EXPECT_TRUE(std::isnan(normals.case_sensitivity.value));
  EXPECT_NEAR(normals.specificity.value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(normals.alarms_per_normal, 2.0 / 3, 1e-12);
  // No normal picture: that denominator is not there.
  const FrocMetrics lesions =
      froc(std::vector{picture_with({{0, 0, 9, 9, 0}}, {{{0, 0, 9, 9, 0}, 0.9}})}, 1, quick());
  EXPECT_EQ(lesions.over_all[0].sensitivity.value, 1);
  EXPECT_TRUE(std::isnan(lesions.over_normals[0].sensitivity.value));
  EXPECT_TRUE(std::isnan(lesions.curve[0].false_per_normal));
  EXPECT_TRUE(std::isnan(lesions.specificity.value));
  EXPECT_EQ(froc({}, 1, quick()).pictures, 0);
}

TEST(Froc, IntervalsByPatient) {
  std::vector<DetectedPicture> many;
  for (int i = 0; i < 40; ++i) {
    const std::string patient = cat("p", i / 2);
    if (i % 4 < 2)
      many.push_back(picture_with({{0, 0, 10, 10, 0}},
                                  {{{0, 0, 10, i % 8 < 2 ? 10.0 : 1.0, 0}, 0.5 + 0.01 * i}}, patient));
    else
      many.push_back(picture_with({}, {{{0, 0, 10, 10, 0}, 0.2 + 0.01 * i}}, patient));
  }
  FrocOptions options;
  options.bootstrap.resamples = 200;
  const FrocMetrics m = froc(many, 1, options);
  for (const Share& s : {m.over_all[4].sensitivity, m.mean_sensitivity, m.picture_auc, m.patient_auc,
                         m.case_sensitivity, m.specificity}) {
    EXPECT_LE(s.interval.low, s.value);
    EXPECT_GE(s.interval.high, s.value);
  }
  EXPECT_GT(m.over_all[4].sensitivity.interval.high - m.over_all[4].sensitivity.interval.low, 0.2);
  const FrocMetrics again = froc(many, 1, options);
  EXPECT_EQ(again.mean_sensitivity.interval.low, m.mean_sensitivity.interval.low);
}

// A breast is judged by the best score on any of its films, and a film of unknown side by none.
TEST(Froc, Breasts) {
  const auto film = [](bool lesion, double score, const char* patient, const char* side) {
    DetectedPicture picture =
        lesion ? picture_with({{0, 0, 9, 9, 0}}, {}, patient) : picture_with({}, {}, patient);
    if (score > 0) picture.found.push_back({{0, 0, 9, 9, 0}, score});
    if (*side != 0) picture.breast = cat(patient, "-", side);
    return picture;
  };
  std::vector<DetectedPicture> all{film(true, 0.3, "a", "L"),  film(true, 0.9, "a", "L"),
                                   film(false, 0.6, "a", "R"), film(false, 0, "a", "R"),
                                   film(false, 0.5, "b", "L"), film(true, 0.4, "b", "R"),
                                   film(false, 0.95, "c", "")};
  FrocOptions options;
  options.bootstrap.resamples = 50;
  const FrocMetrics m = froc(all, 1, options);
  // With a lesion 0.9 and 0.4, without 0.6 and 0.5: 0.9 is above both, 0.4 above none.
  EXPECT_EQ(m.breast_auc.value, 0.5);
  EXPECT_EQ(m.breasts, 4);
  EXPECT_EQ(m.without_breast, 1);
  EXPECT_EQ(m.patient_auc.value, 0) << "0.95 of c is above all";
  // Of 3 films with a lesion and 4 without, 0.3 and 0.4 are above one, 0.9 above three.
  EXPECT_NEAR(m.picture_auc.value, 5.0 / 12, 1e-12);
  EXPECT_TRUE(m.breast_auc.interval.low <= 0.5 && m.breast_auc.interval.high >= 0.5);
  EXPECT_LT(m.breast_auc.interval.low, m.breast_auc.interval.high);
  EXPECT_EQ(breasts_text(m, "films"), "AUC of 4 breasts (films of unknown side left out: 1)");
  all.pop_back();
  EXPECT_EQ(breasts_text(froc(all, 1, quick()), "films"), "AUC of 4 breasts");
  for (DetectedPicture& picture : all) picture.breast.clear();
  const FrocMetrics unknown = froc(all, 1, quick());
  EXPECT_EQ(unknown.breasts, 0);
  EXPECT_TRUE(std::isnan(unknown.breast_auc.value)) << "nothing is guessed";
}

TEST(Froc, RatesRise) {
  FrocOptions options;
  options.rates = {1, 0.5};
  EXPECT_EQ(message_of<ValueError>([&] { froc({}, 1, options); }),
            "froc: rates do not rise above 0: 0.5 after 1");
  options.rates = {};
  EXPECT_EQ(message_of<ValueError>([&] { froc({}, 1, options); }), "froc: there are no rates");
}

}  // namespace
