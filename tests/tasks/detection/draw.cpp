// Which boxes are drawn of truth and detections, and what they are called.
#include "tasks/detection/draw.h"

#include <gtest/gtest.h>

namespace gadolin::test {
namespace {

MarkedBox truth_of(int label, bool crowd = false) {
  MarkedBox box;
  box.box = {1, 2, 30, 40, label};
  box.crowd = crowd;
  return box;
}

TEST(DrawnBoxes, AreNamedAndToldApart) {
  const std::vector<MarkedBox> truth{truth_of(0), truth_of(1, true)};
  const std::vector<Detection> found{
      {{3, 4, 20, 30, 1}, 0.25}, {{5, 6, 20, 30, 0}, 0.875}, {{0, 0, 9, 9, 7}, 0.5}};
  const std::vector<std::string> classes{"mass", "a calcification of the breast"};
  const auto boxes = drawn_boxes(truth, found, classes);
  ASSERT_EQ(boxes.size(), 5u);
  const char* names[] = {"mass", "a calcification of the.. (crowd)", "mass 0.88", "class 7 0.50",
                         "a calcification of the.. 0.25"};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(boxes[i].name, names[i]);
    EXPECT_EQ(boxes[i].dashed, i < 2);
  }
  EXPECT_EQ(boxes[2].box, (Corners{5, 6, 20, 30}));
  EXPECT_EQ(boxes[2].label, 0);
  EXPECT_EQ(drawn_boxes(truth, found, classes, {.score = 0.5}).size(), 4u);
  EXPECT_EQ(drawn_boxes({}, found, classes, {.most = 1})[0].name, "mass 0.88");
  EXPECT_EQ(drawn_boxes({}, found, classes, {.most = 1}).size(), 1u);
  EXPECT_EQ(drawn_boxes(truth, found, classes, {.names = false})[0].name, "");
  EXPECT_TRUE(drawn_boxes({}, {}, classes).empty());
  EXPECT_STREQ(drawn_legend, "broken line: truth; whole line: found");
}

}  // namespace
}  // namespace gadolin::test
