// Soft suppression and fusion of boxes: cases by hand, what others got wrong, messages.
#include "tasks/detection/box_fusion.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/check.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

const Detection whole{{0, 0, 10, 10, 0}, 0.9}, half{{0, 0, 10, 5, 0}, 0.8}, apart{{50, 50, 60, 60, 0}, 0.7},
    other{{0, 0, 10, 10, 1}, 0.6};

TEST(SoftNms, LowersScoresByTheOverlap) {
  using Decay = SoftNmsOptions::Decay;
  const ScoredBoxes linear = soft_nms({half, apart, other, whole}, {.decay = Decay::linear, .overlap = 0.3});
  ASSERT_EQ(linear.size(), 4u);
  EXPECT_EQ(linear[0], whole);
  EXPECT_EQ(linear[1], apart);
  EXPECT_EQ(linear[2], other) << "of another class";
  EXPECT_NEAR(linear[3].score, 0.8 * 0.5, 1e-12);
  EXPECT_EQ(soft_nms({whole, half}, {.decay = Decay::linear, .overlap = 0.5}).at(1), half)
      << "overlaps by no more than the limit";
  const ScoredBoxes gaussian = soft_nms({whole, half}, {.decay = Decay::gaussian, .sigma = 0.5});
  EXPECT_NEAR(gaussian.at(1).score, 0.8 * std::exp(-0.25 / 0.5), 1e-12);
  EXPECT_EQ(soft_nms({whole, half}, {.sigma = 0.5, .score = 0.6}).size(), 1u);
  EXPECT_TRUE(soft_nms({}).empty());
  // Equal scores keep their order.
  const Detection first{{0, 0, 1, 1, 0}, 0.5}, second{{5, 5, 6, 6, 0}, 0.5};
  EXPECT_EQ(soft_nms({first, second}), (ScoredBoxes{first, second}));
}

TEST(BoxFusion, WeighsBoxesByScoreAndWeight) {
  const Detection near{{2, 0, 12, 10, 0}, 0.3};  // overlaps whole by 2/3
  const ScoredBoxes fused = fuse_boxes({{whole, apart}, {near}});
  ASSERT_EQ(fused.size(), 2u);
  EXPECT_NEAR(fused[0].score, 0.6, 1e-12) << "the mean of both";
  EXPECT_NEAR(fused[0].box.x1, 2 * 0.3 / 1.2, 1e-12);
  EXPECT_NEAR(fused[0].box.x2, 10 + 2 * 0.3 / 1.2, 1e-12);
  EXPECT_EQ(fused[0].box.y2, 10);
  EXPECT_NEAR(fused[1].score, 0.35, 1e-12) << "one of two detectors saw it";
  const ScoredBoxes weighed = fuse_boxes({{whole}, {near}}, {.weights = {3, 1}});
  EXPECT_NEAR(weighed.at(0).score, (3 * 0.9 + 0.3) / 4, 1e-12);
  EXPECT_NEAR(weighed.at(0).box.x1, 2 * 0.3 / 3, 1e-12);
  EXPECT_EQ(fuse_boxes({{whole, other}}).size(), 2u) << "classes stay apart";
  EXPECT_EQ(fuse_boxes({{whole, apart}}, {.score = 0.7}).size(), 1u);
  EXPECT_TRUE(fuse_boxes({{}, {}}).empty());
}
// Scores never exceed 1, a weight of 0 is a detector that is not there, pixels stay pixels.
TEST(BoxFusion, KeepsScoresBetweenZeroAndOne) {
  const Detection sure{{100, 200, 900, 1200, 0}, 1};
  EXPECT_EQ(fuse_boxes({{sure}, {sure}}, {.weights = {2, 0}}), (ScoredBoxes{sure}));
  EXPECT_EQ(fuse_boxes({{sure}, {sure}}, {.weights = {0.3, 0.9}}).at(0).score, 1);
  EXPECT_EQ(fuse_boxes({{sure, sure}, {sure}}).at(0).score, 1) << "twice from one detector";
  EXPECT_EQ(fuse_boxes({{}, {sure}}, {.weights = {2, 0}}).size(), 0u);
  const Detection unsure{{0, 0, 10, 10, 0}, 0};
  EXPECT_TRUE(fuse_boxes({{unsure}}).empty());
}

TEST(BoxFusion, RefusesWhatIsNoBox) {
  for (const Detection& wrong : {Detection{{10, 0, 0, 10, 0}, 0.5}, Detection{{0, NAN, 1, 1, 0}, 0.5},
                                 Detection{{0, 0, 1, 1, 0}, 1.5}, Detection{{0, 0, 1, 1, 0}, NAN}}) {
    EXPECT_EQ(message_of<DataError>([&] {
                fuse_boxes({{wrong}}, {}, "a.png");
              }).find("fuse_boxes: a.png has the box "),
              0u);
    EXPECT_EQ(message_of<DataError>([&] { soft_nms({wrong}); }).find("soft_nms: a picture has the box "), 0u);
  }
  EXPECT_EQ(
      message_of<DataError>([] {
        fuse_boxes({{{{10, 0, 0, 10, 0}, 0.5}}}, {}, "a.png");
      }),
      "fuse_boxes: a.png has the box 10 0 0 10 with score 0.5; x1 <= x2, y1 <= y2 and a score from 0 to 1 "
      "are needed");
  EXPECT_EQ(message_of<ValueError>([] {
              fuse_boxes({{}}, {.weights = {1, 2}});
            }),
            "fuse_boxes: 2 weights for 1 detectors; give one each");
  EXPECT_EQ(message_of<ValueError>([] {
              fuse_boxes({{}, {}}, {.weights = {0, 0}});
            }),
            "fuse_boxes: weight 0 of a sum of 0; weights must be 0 or more, and one of them more");
  EXPECT_EQ(message_of<ValueError>([] {
              fuse_boxes({{}, {}}, {.weights = {3, -1}});
            }),
            "fuse_boxes: weight -1 of a sum of 2; weights must be 0 or more, and one of them more");
  EXPECT_EQ(message_of<ValueError>([] { fuse_boxes({}, {.overlap = 1}); }),
            "fuse_boxes: overlap 1 is outside (0, 1)");
  EXPECT_EQ(message_of<ValueError>([] { soft_nms({}, {.sigma = 0}); }),
            "soft_nms: overlap 0.5 is not from 0 to 1, sigma 0 not above 0, or score 0.001 negative");
}

}  // namespace
}  // namespace gadolin
