// Settings of detectors as text, and the anchors that they give a set.
#include "tasks/detection/settings.h"

#include <gtest/gtest.h>

#include "io/text.h"
#include "tasks/detection/anchor_recall.h"
#include "tests/tasks/detection/bright_squares.h"

using namespace gadolin;
using test::message_of;

namespace {

TEST(AnchorRecall, CountsBoxesBySize) {
  const test::Scratch scratch;
  Image film(200, 200, 1);
  scratch.write("a.png", encode_png(film));
  scratch.write("boxes.csv", "a.png,10,10,13,13,mass\na.png,84,84,116,116,mass\na.png,20,20,120,120,mass\n");
  const auto set = open_box_table(scratch.path() + "/boxes.csv");
  const AnchorRecall recall = anchor_recall(*set, Pipeline("grey"), {});
  EXPECT_EQ(recall.boxes, 3);
  EXPECT_EQ(recall.matched, 2);
  EXPECT_EQ(recall_table(recall)[1],
            (std::vector<std::string>{"0 to 8", "1", "0", "0.000", fixed(9.0 / 1024, 3)}));
  EXPECT_EQ(
      message_of<DataError>([&] { require_matches(recall, {}); }),
      "detection: 1 of 3 boxes have no anchor that overlaps them by 0.5 (1 of 1 with sides of 0 to 8 "
      "pixels behind the pipeline), so nothing would be learnt of them; use a larger --input-size, other "
      "--net-option anchor_sizes than 32/64/128/256/512, other anchor_ratios, or --net-option rescue=best");
  DetectorSettings rescued;
  rescued.match.rescue = MatchOptions::Rescue::best;
  EXPECT_NO_THROW(require_matches(recall, rescued));
  scratch.write("c.json",
                R"({"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "m"}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 3, 3], "iscrowd": 1},
                      {"id": 2, "image_id": 1, "category_id": 1, "bbox": [84, 84, 32, 32], "iscrowd": 0}]})");
  EXPECT_EQ(anchor_recall(*open_coco(scratch / "c.json"), Pipeline("grey"), {}).boxes, 1)
      << "no crowd is learnt";
  // Behind a pipeline that enlarges, all of them are found.
  EXPECT_EQ(anchor_recall(*set, Pipeline("grey,resize:2000"), {}).matched, 3);
}

TEST(DetectorSettings, GoThroughJsonAndOptions) {
  for (const char* name : {"modern", "legacy", "torchvision"}) {
    const DetectorSettings settings = detector_preset(name);
    const Json json = settings_to_json(settings);
    EXPECT_EQ(settings_to_json(settings_from_json(json, "here")), json) << name;
    NetOptions options{{"preset", std::string(name)}, {"width", 8.0}};
    EXPECT_EQ(settings_to_json(take_settings(options)), json) << name;
    EXPECT_EQ(options.size(), 1u);
    EXPECT_EQ(settings.detect.best_class, name == std::string("legacy"));
  }
  NetOptions options{{"anchor_sizes", std::string("8/16/32/64/128")},
                     {"rescue", std::string("best")},
                     {"most", 7.0},
                     {"ignore_padding", false}};
  const DetectorSettings settings = take_settings(options);
  EXPECT_TRUE(options.empty());
  EXPECT_EQ(settings.anchors.sizes, (std::vector<double>{8, 16, 32, 64, 128}));
  EXPECT_EQ(settings.match.rescue, MatchOptions::Rescue::best);
  EXPECT_EQ(settings.detect.most, 7);
  EXPECT_FALSE(settings.match.ignore_padding);

  const auto refused = [](const Json& json) {
    return message_of<UsageError>([&] { settings_from_json(json, "detector"); });
  };
  EXPECT_EQ(refused({{"plus_one", 1}}), "detector: plus_one is 1; use true or false");
  EXPECT_EQ(refused({{"box_weight", "x"}}), "detector: box_weight is \"x\"; use a number");
  EXPECT_EQ(refused({{"most", 1.5}}), "detector: most is 1.5; use a whole number from 1 to 1000000");
  EXPECT_EQ(refused({{"box_deviation", {1, 2}}}), "detector: box_deviation is [1,2]; use four numbers");
  EXPECT_EQ(refused({{"anchor_sizes", {1, "x"}}}),
            "detector: anchor_sizes is [1,\"x\"]; use numbers, with / between them");
  EXPECT_EQ(refused({{"rescue", "all"}}), "detector: rescue is \"all\"; known are none, best, ties");
  EXPECT_EQ(refused({{"colour", 1}}), "detector: setting colour is unknown; was it made by a newer version?");
  EXPECT_EQ(message_of<UsageError>([] { detector_preset("old"); }),
            "detector: preset old is unknown; known are modern, legacy, torchvision");
}

}  // namespace
