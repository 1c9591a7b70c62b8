// Anchors looked at behind the pipeline that training uses, and drawn.
#include <gtest/gtest.h>

#include "data/sets/boxes/detection_set.h"
#include "tasks/colours.h"
#include "tasks/detection/anchor_picture.h"
#include "tasks/detection/anchor_sheet.h"
#include "tests/tasks/detection/bright_squares.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// A film of 200 x 200 with a box that has an anchor, and one that is too small for any.
struct TwoBoxes : Scratch {
  TwoBoxes() {
    write("film.png", encode_png(Image(200, 200, 1)));
    write("boxes.csv", "film.png,84,84,116,116,mass\nfilm.png,20,20,26,26,mass\n");
  }
  std::unique_ptr<DetectionSet> set() const { return open_box_table(path() + "/boxes.csv"); }
};

TEST(AnchorRecallOfTraining, FollowsCropsAndCountsWhatTheyTake) {
  const TwoBoxes films;
  const auto set = films.set();
  std::vector<SeenBox> seen;
  // In the middle, twice as large: the small box is cut away.
  const AnchorRecall cropped =
      anchor_recall(*set, Pipeline("grey,center-crop:100,resize:200,brightness:0.1"), {}, &seen);
  EXPECT_EQ(cropped.boxes, 1);
  EXPECT_EQ(cropped.dropped, 1);
  EXPECT_EQ(cropped.pictures, 1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].seen, (ObjectBox{68, 68, 132, 132, 0}));
  EXPECT_TRUE(seen[0].matched);
  EXPECT_NEAR(seen[0].map({84, 84}).x, 68, 1e-9);
  const TextRows rows = recall_table(cropped);
  EXPECT_EQ(rows.back()[0], "cut away or made too loose by the pipeline");
  EXPECT_EQ(rows.back()[1], "1");
  // Values of DICOM files and the program's own steps move no box.
  EXPECT_EQ(anchor_recall(*set, Pipeline("percentile:1:99,resize:200"), {}).boxes, 2);
  // Of many pictures some are drawn.
  std::string many;
  for (int i = 0; i < 400; ++i) {
    films.write(cat("f", i, ".png"), encode_png(Image(32, 32, 1)));
    many += cat("f", i, ".png,4,4,28,28,mass\n");
  }
  films.write("many.csv", many);
  const auto large = open_box_table(films.path() + "/many.csv");
  const AnchorRecall drawn = anchor_recall(*large, Pipeline("rotate:10"), {});
  EXPECT_EQ(drawn.pictures, 300);
  EXPECT_EQ(drawn.boxes, 300);
  EXPECT_EQ(recall_table(drawn).back()[0], "all in 300 of 400 pictures");
  EXPECT_EQ(anchor_recall(*large, Pipeline("hflip"), {}).boxes, 400) << "no need to draw";
}

TEST(AnchorSheet, ShowsTheBestAndTheWorst) {
  const TwoBoxes films;
  const auto set = films.set();
  std::vector<SeenBox> seen;
  anchor_recall(*set, Pipeline("grey"), {}, &seen);
  ASSERT_EQ(seen.size(), 2u);
  const ContactSheet sheet = anchor_sheet(*set, seen, 5, "1 of 2");
  EXPECT_EQ(sheet.size(), 2u);
  EXPECT_EQ(sheet.image(5).width, 8 + 2 * 248);
  EXPECT_EQ(anchor_sheet(*set, {}, 5, "none").size(), 0u);
}

int painted(const Image& image, const Colour& c) {
  int n = 0;
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3)
    n += image.pixels[i] == std::lround(255 * c.red) && image.pixels[i + 1] == std::lround(255 * c.green) &&
         image.pixels[i + 2] == std::lround(255 * c.blue);
  return n;
}

TEST(AnchorPicture, ShowsWhatIsLearnt) {
  const TwoBoxes films;
  const auto set = films.set();
  const Pipeline pipeline("grey");
  const AnchorPicture plain = anchor_picture(*set, 0, pipeline, {}, {}, {});
  EXPECT_EQ(plain.boxes, 2);
  EXPECT_EQ(plain.without_anchor, 1);
  EXPECT_GT(plain.anchors, 0);
  EXPECT_EQ(painted(plain.image, good_colour) + painted(plain.image, class_colour(1)), 0);
  const AnchorPicture drawn = anchor_picture(*set, 0, pipeline, {}, {}, {true, true, "film.png"});
  EXPECT_GT(painted(drawn.image, good_colour), 100);
  EXPECT_GT(painted(drawn.image, bad_colour), 20);
  EXPECT_GT(painted(drawn.image, class_colour(1)), 50);
  EXPECT_GT(painted(drawn.image, {1, 1, 1}), 10) << "the name";
  // With a rescue every box has an anchor.
  DetectorSettings rescue;
  rescue.match.rescue = MatchOptions::Rescue::best;
  EXPECT_EQ(anchor_picture(*set, 0, pipeline, {}, rescue, {}).without_anchor, 0);
  const AnchorPicture cropped =
      anchor_picture(*set, 0, Pipeline("grey,center-crop:100"), {}, {}, {false, true, ""});
  EXPECT_EQ(cropped.boxes, 1);
  EXPECT_EQ(cropped.dropped, 1);
  EXPECT_EQ(cropped.image.width, 100);
}

}  // namespace
