// COCO's twelve numbers against pycocotools (tools/fixtures/coco.py), and where they part.
#include "tasks/detection/coco_metrics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "tensor/check.h"
#include "tensor/random.h"
#include "tests/layers/numbers.h"
#include "tests/scratch.h"
#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

void expect_number(double got, const nlohmann::json& want, const std::string& what) {
  if (want.is_null())
    EXPECT_TRUE(std::isnan(got)) << what << ": " << got;
  else
    EXPECT_TRUE(std::abs(got - want.get<double>()) <= 1e-9) << what << ": " << got << " for " << want;
}

CocoMetrics metrics_of(const std::string& truth, const std::string& results) {
  DatasetOptions options;
  options.as_written = true;
  const auto set = open_coco(truth, options);
  std::vector<DetectedPicture> pictures = pictures_of(*set);
  read_coco_results(results, *set, pictures);
  return coco_metrics(pictures, set->num_classes());
}

void expect_as_pycocotools(const CocoMetrics& got, const nlohmann::json& want, const std::string& name) {
  for (std::size_t i = 0; i < 12; ++i)
    expect_number(got.values[i], want.at("values")[i], name + ": " + coco_metric_names[i]);
  ASSERT_EQ(got.class_ap.size(), want.at("class_ap").size());
  for (std::size_t c = 0; c < got.class_ap.size(); ++c)
    expect_number(got.class_ap[c], want.at("class_ap")[c], cat(name, ": class ", c));
}

TEST(CocoMetricsNumbers, RealPicturesAsPycocotools) {
  const CocoMetrics got = metrics_of(fixture("coco/truth.json"), fixture("coco/results.json"));
  expect_as_pycocotools(got, stored_numbers("coco.json").at("real"), "val2014");
  EXPECT_EQ(got.pictures, 100);
  EXPECT_EQ(got.truths, 830) << "9 crowds are no truths to be found";
  EXPECT_EQ(got.detections, 734);
  EXPECT_TRUE(got.notes.empty());
}

TEST(CocoMetricsNumbers, DrawnSetsAsPycocotools) {
  const Scratch dir;
  const nlohmann::json all = stored_numbers("coco.json");
  for (const nlohmann::json& set : all.at("drawn")) {
    const std::string truth = dir.write("truth.json", set.at("truth").dump()),
                      results = dir.write("results.json", set.at("results").dump());
    expect_as_pycocotools(metrics_of(truth, results), set, set.at("name").get<std::string>());
  }
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(CocoMetricsEdges, NothingFound) {
  const CocoMetrics m = coco_metrics(std::vector{picture_with({{0, 0, 50, 50, 0}}, {})}, 2);
  EXPECT_EQ(m.values[0], 0);
  EXPECT_EQ(m.class_ap[0], 0);
  EXPECT_TRUE(std::isnan(m.class_ap[1])) << "a class without truth";
  EXPECT_EQ(joined(m.notes), "no detections\n");
}

TEST(CocoMetricsEdges, NoTruthIsSaidInWordsWithTheFalseAlarms) {
  const std::vector<DetectedPicture> normals{
      picture_with({}, {{{0, 0, 5, 5, 0}, 0.9}, {{9, 9, 20, 20, 0}, 0.8}}), picture_with({}, {}),
      picture_with({}, {})};
  const CocoMetrics m = coco_metrics(normals, 1);
  EXPECT_TRUE(std::isnan(m.values[0]));
  EXPECT_EQ(detection_value_text(m.values[0]), "not defined: no truth");
  EXPECT_EQ(detection_value_text(0.50458), "0.5046");
  EXPECT_EQ(joined(m.notes), "AP and AR are not defined: no truth\n");
  EXPECT_EQ(m.normals, 3);
  EXPECT_EQ(m.silent_normals, 2);
  EXPECT_EQ(m.normal_alarms, 2);
}

TEST(CocoMetricsEdges, IdsAreOpaque) {
  DetectedPicture picture = picture_with({{0, 0, 50, 50, 0}, {60, 60, 90, 90, 0}},
                                         {{{0, 0, 50, 50, 0}, 0.9}, {{60, 60, 90, 90, 0}, 0.8}});
  picture.truth[0].id = 0;
  CocoMetrics m = coco_metrics(std::vector{picture}, 1);
  EXPECT_NEAR(m.values[0], 1, 1e-12);
  EXPECT_EQ(
      joined(m.notes),
      "1 annotation has the id 0, which pycocotools never counts as found; here it counts as any other\n");
  picture.truth[1].id = 0;
  m = coco_metrics(std::vector{picture}, 1);
  EXPECT_NEAR(m.values[0], 1, 1e-12) << "every id 0";
  EXPECT_EQ(
      joined(m.notes),
      "2 annotations have the id 0, which pycocotools never counts as found; here it counts as any other\n"
      "1 annotation has the id of another; pycocotools takes the last of them for all, here each counts\n");
}

TEST(CocoMetricsEdges, MoreTruthsThanCount) {
  DetectedPicture crowded = picture_with({}, {});
  for (int i = 0; i < 150; ++i) {
    const double x = 20.0 * i;
    crowded.truth.push_back(truth_at({x, 0, x + 10, 10, 0}, i + 1));
    crowded.found.push_back({{x, 0, x + 10, 10, 0}, 0.5});
  }
  const std::vector<DetectedPicture> one{crowded};
  const CocoMetrics m = coco_metrics(one, 1);
  EXPECT_NEAR(m.values[8], 100.0 / 150, 1e-12);
  EXPECT_EQ(
      joined(m.notes),
      "1 picture has more boxes of a class (150) than the 100 detections that count, so that recall stays "
      "below 1; --max-dets raises them\n");
  const CocoMetrics more = coco_metrics(one, 1, {.max_detections = {1, 10, 150}});
  EXPECT_NEAR(more.values[0], 1, 1e-12);
  EXPECT_TRUE(more.notes.empty());
}

TEST(CocoMetricsEdges, CrowdTakesAnyNumberAndDifficultIsOrdinary) {
  DetectedPicture picture =
      picture_with({{0, 0, 100, 100, 0}, {200, 0, 240, 40, 0}},
                   {{{200, 0, 240, 40, 0}, 0.5}, {{0, 0, 30, 30, 0}, 0.9}, {{50, 50, 90, 90, 0}, 0.8}});
  picture.truth[0].crowd = true;
  EXPECT_NEAR(coco_metrics(std::vector{picture}, 1).values[0], 1, 1e-12)
      << "what lies in a crowd is no false alarm";
  picture.truth[0].crowd = false;
  EXPECT_LT(coco_metrics(std::vector{picture}, 1).values[0], 0.5);
}

// A truth of exactly 32 x 32 pixels is small as well as medium, one of 96 x 96 medium as well as large.
TEST(CocoMetricsEdges, AreasAtTheirLimits) {
  for (const auto& [side, first] : {std::pair(32.0, std::size_t{3}), {96.0, std::size_t{4}}}) {
    const CocoMetrics m =
        coco_metrics(std::vector{picture_with({{0, 0, side, side, 0}}, {{{0, 0, side, side, 0}, 0.9}})}, 1);
    for (std::size_t i = 3; i < 6; ++i) {
      if (i == first || i == first + 1)
        EXPECT_NEAR(m.values[i], 1, 1e-12) << side << " " << i;
      else
        EXPECT_TRUE(std::isnan(m.values[i])) << side << " " << i;
    }
  }
}

TEST(CocoMetricsMessages, WrongDetections) {
  const auto says = [](Detection d, const CocoOptions& options = {}) {
    const std::vector<DetectedPicture> one{picture_with({{0, 0, 9, 9, 0}}, {d})};
    return message_of<Error>([&] { coco_metrics(one, 2, options); });
  };
  EXPECT_EQ(says({{0, 0, 9, 9, 0}, std::nan("")}), "detections: film has the score nan");
  EXPECT_EQ(says({{0, INFINITY, 9, 9, 0}, 1}), "detections: film has the box 0 inf 9 9");
  EXPECT_EQ(says({{9, 0, 0, 9, 0}, 1}),
            "detections: film: the corners of the box 9 0 0 9 are in the wrong order");
  EXPECT_EQ(says({{0, 0, 9, 9, 2}, 1}), "detections: film has the class 2; there are 0 to 1");
  EXPECT_EQ(says({{0, 0, 9, 9, 0}, 1}, {.max_detections = {10, 1, 100}}),
            "coco_metrics: max_detections 10, 1, 100 do not rise from 1");
  EXPECT_EQ(message_of<DataError>([] {
              coco_metrics(std::vector{picture_with({{0, 0, 9, 9, 7}}, {})}, 2);
            }),
            "coco_metrics: film has a box of class 7; there are 0 to 1");
}

TEST(CocoResults, ThereAndBackWithOriginalIds) {
  const Scratch dir;
  DatasetOptions options;
  options.as_written = true;
  const auto set = open_coco(fixture("coco/truth.json"), options);
  std::vector<DetectedPicture> pictures = pictures_of(*set), again = pictures;
  read_coco_results(fixture("coco/results.json"), *set, pictures);
  write_coco_results(dir / "r.json", *set, pictures);
  read_coco_results(dir / "r.json", *set, again);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    ASSERT_EQ(again[i].found.size(), pictures[i].found.size());
    for (std::size_t k = 0; k < again[i].found.size(); ++k) {
      EXPECT_EQ(again[i].found[k].score, pictures[i].found[k].score);
      EXPECT_EQ(again[i].found[k].box.label, pictures[i].found[k].box.label);
      EXPECT_NEAR(again[i].found[k].box.x2, pictures[i].found[k].box.x2, 1e-9);
    }
  }
  write_coco_results(dir / "none.json", *set, {});
  read_coco_results(dir / "none.json", *set, again);
}

TEST(CocoResults, WrongEntries) {
  const Scratch dir;
  DatasetOptions options;
  options.as_written = true;
  const auto set = open_coco(dir.write("t.json", R"({"images": [{"id": 1, "file_name": "a"}],
      "categories": [{"id": 3, "name": "m"}], "annotations": []})"),
                             options);
  const auto says = [&](const std::string& text) {
    std::vector<DetectedPicture> pictures = pictures_of(*set);
    std::string said =
        message_of<Error>([&] { read_coco_results(dir.write("r.json", text), *set, pictures); });
    for (std::size_t at; (at = said.find(dir.path())) != std::string::npos;)
      said.replace(at, dir.path().size(), "DIR");
    return said;
  };
  EXPECT_EQ(says(R"([{"image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 1}])"),
            "boxes: DIR/r.json:1: results[0]: image_id 2 is no picture of DIR/t.json");
  EXPECT_EQ(says("[\n"
                 R"({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}])"),
            "boxes: DIR/r.json:2: results[0]: category_id 1 is no category of DIR/t.json");
  EXPECT_EQ(says(R"([{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}])"),
            "boxes: DIR/r.json:1: results[0] has no score");
  EXPECT_EQ(says(R"([{"image_id": 1, "category_id": 3, "bbox": [1, 2, -3, 4], "score": 1}])"),
            "boxes: DIR/r.json:1: results[0]: width -3 or height 4 is below 0");
  EXPECT_EQ(says("[5]"), "boxes: DIR/r.json:1: an entry of results is no object");
  EXPECT_EQ(says("{\"images\": []}"),
            "results: DIR/r.json is an object, as annotations are; needed is a list of image_id, "
            "category_id, bbox, "
            "score");
  const auto twice = open_coco(dir.write("t.json", R"({"images": [{"id": 1, "file_name": "a"}],
      "categories": [{"id": 3, "name": "m"}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [5, 5, 1e-3, 2]}]})"),
                               options);
  EXPECT_EQ(twice->picture(0).boxes.size(), 1u) << "as written: neither left out nor held against a picture";
}

TEST(CocoResults, AnnotationsThatCannotBeScored) {
  const Scratch dir;
  DatasetOptions options;
  options.as_written = true;
  const std::string head =
      R"({"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 3, "name": "m"}],
      "annotations": [)";
  dir.write("annotations/instances_train.json", head + "]}");
  dir.write("annotations/instances_val.json", head + "]}");
  const auto set = open_coco(dir.path(), options);
  std::vector<DetectedPicture> pictures = pictures_of(*set);
  EXPECT_EQ(
      message_of<DataError>([&] { read_coco_results(dir.write("r.json", "[]"), *set, pictures); }),
      "results: two pictures of " + dir.path() + " have the id 1; score one file of annotations at a time");
  dir.write("t.json", head + R"({"id": 1, "image_id": 1, "category_id": 3, "bbox": [5, 5, -2, 2]}]})");
  EXPECT_EQ(message_of<DataError>([&] { open_coco(dir / "t.json", options); }),
            "boxes: " + (dir / "t.json") + ":2: annotations[0]: the box 5 5 3 7 ends before it begins");
  dir.write("t.json", head + R"({"id": 1, "image_id": 1, "category_id": 3, "bbox": [5, 5, 1e999, 2]}]})");
  EXPECT_EQ(message_of<FormatError>([&] {
              open_coco(dir / "t.json", options);
            }).find("boxes: " + (dir / "t.json") + ":2: no JSON, at byte "),
            0u);
}

// 100 pictures of 3,000 boxes: in proportion to the boxes, not to their pairs.
TEST(CocoMetricsLarge, ManyBoxesAPicture) {
  RandomStream random(1, stream_id(2));
  std::vector<DetectedPicture> pictures(10);
  for (DetectedPicture& p : pictures) {
    for (int i = 0; i < 3000; ++i) {
      const double x = static_cast<double>(random.below(20000)), y = static_cast<double>(random.below(20000));
      p.truth.push_back(truth_at({x, y, x + 40, y + 40, 0}, 1 + i));
      p.found.push_back({{x + 2, y, x + 42, y + 40, 0}, static_cast<double>(random.below(1000)) / 1000});
    }
  }
  const CocoMetrics m = coco_metrics(pictures, 1, {.max_detections = {1, 10, 3000}});
  EXPECT_GT(m.values[1], 0.95);
  EXPECT_LT(m.values[1], 1.0001);
}

}  // namespace
