// Pictures chosen for people: how they are judged, which are shown.
#include "tasks/detection/examples.h"

#include <gtest/gtest.h>

#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

TEST(TellingPictures, AreJudgedAtAThreshold) {
  DetectedPicture p = picture_with({{0, 0, 20, 20, 0}, {50, 50, 70, 70, 0}, {100, 0, 120, 20, 1}},
                                   {{{0, 0, 20, 18, 0}, 0.9},
                                    {{0, 0, 19, 20, 0}, 0.8},      // on one that is found already
                                    {{100, 0, 120, 20, 0}, 0.7},   // of another class
                                    {{50, 50, 70, 70, 0}, 0.2}});  // below the threshold
  PictureVerdict v = judge_picture(p, 4, 0.5);
  EXPECT_EQ(v.picture, 4u);
  EXPECT_EQ(v.truths, 3);
  EXPECT_EQ(v.found, 1);
  EXPECT_EQ(v.false_alarms, 1);
  EXPECT_EQ(v.surest_alarm, 0.7);
  EXPECT_NEAR(v.mean_overlap, 0.9, 1e-12);
  EXPECT_EQ(verdict_text(v), "1 of 3 found, 1 false alarm");
  p.truth[2].difficult = true;
  p.found[2].box.label = 1;
  v = judge_picture(p, 0, 0.1);
  EXPECT_EQ(v.truths, 2);
  EXPECT_EQ(verdict_text(v), "2 of 2 found, no false alarm") << "a difficult one counts in neither way";
  EXPECT_EQ(verdict_text(judge_picture(picture_with({}, {}), 0, 0.5)), "no object, no false alarm");
  EXPECT_EQ(verdict_text(
                judge_picture(picture_with({}, {{{0, 0, 9, 9, 0}, 0.6}, {{20, 0, 29, 9, 0}, 0.6}}), 0, 0.5)),
            "no object, 2 false alarms");
}

TEST(TellingPictures, StandInOneGroupEach) {
  const ObjectBox lesion{0, 0, 20, 20, 0}, far{200, 200, 220, 220, 0};
  const std::vector<DetectedPicture> pictures{
      picture_with({lesion}, {{lesion, 0.9}}),               // 0: right
      picture_with({lesion}, {{lesion, 0.9}, {far, 0.95}}),  // 1: right, with a sure false alarm
      picture_with({lesion, far}, {}),                       // 2: both missed
      picture_with({lesion, far}, {{lesion, 0.7}}),          // 3: one missed
      picture_with({}, {{far, 0.6}}),                        // 4: normal with an alarm
      picture_with({}, {})};                                 // 5: silent normal
  const TellingPictures t = telling_pictures(pictures, 0.5, 2);
  const auto numbers = [](const std::vector<PictureVerdict>& all) {
    std::vector<std::size_t> n;
    for (const PictureVerdict& v : all) n.push_back(v.picture);
    return n;
  };
  EXPECT_EQ(numbers(t.missed), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(numbers(t.worst), (std::vector<std::size_t>{1, 4}));
  EXPECT_EQ(numbers(t.best), (std::vector<std::size_t>{0}));
  EXPECT_TRUE(telling_pictures({}, 0.5, 2).best.empty());
  EXPECT_TRUE(telling_pictures(pictures, 0.5, 0).missed.empty());
}

}  // namespace
