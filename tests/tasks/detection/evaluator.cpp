// What an evaluation says of sets in which something does not occur, and of what it divides by (complaints
// C1, C7, C8 and C9); what it leaves for the report.
#include <gtest/gtest.h>

#include <cmath>

#include "tasks/detection/detection_evaluator.h"
#include "tasks/detection/detection_report.h"
#include "tests/data/messages.h"
#include "tests/data/scratch.h"
#include "tests/tasks/detection/detection_parts.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

// Films of 100 x 100, each with these boxes of class mass.
struct Films : Scratch {
  explicit Films(const std::vector<std::vector<ObjectBox>>& boxes) {
    std::string rows = "path,x1,y1,x2,y2,class,patient\n";
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const std::string name = cat("film", i, ".png");
      write(name, encode_png(Image(100, 100, 1)));
      if (boxes[i].empty()) rows += cat(name, ",,,,,,p", i, "\n");
      for (const ObjectBox& b : boxes[i])
        rows += cat(name, ",", b.x1, ",", b.y1, ",", b.x2, ",", b.y2, ",mass,p", i, "\n");
    }
    write("boxes.csv", rows);
    DatasetOptions options;
    options.classes = {"mass"};
    set = open_box_table(path() + "/boxes.csv", options);
  }
  std::unique_ptr<DetectionSet> set;
};

void add(DetectionEvaluator& evaluator, std::int64_t index, const std::vector<Detection>& found) {
  const auto m = std::max<std::int64_t>(1, std::ssize(found));
  std::vector<float> boxes(static_cast<std::size_t>(4 * m), 0.f), score(static_cast<std::size_t>(m), 0.f);
  std::vector<std::int64_t> label(static_cast<std::size_t>(m), -1);
  for (std::size_t k = 0; k < found.size(); ++k) {
    const ObjectBox& b = found[k].box;
    const double corners[] = {b.x1, b.y1, b.x2, b.y2};
    for (std::size_t c = 0; c < 4; ++c) boxes[4 * k + c] = static_cast<float>(corners[c]);
    score[k] = static_cast<float>(found[k].score);
    label[k] = b.label;
  }
  Batch batch;
  batch.indices = {index};
  evaluator.add(batch, Outputs({{"boxes", from_vector(boxes, {1, m, 4})},
                                {"score", from_vector(score, {1, m})},
                                {"label", from_vector(label, {1, m})},
                                {"count", from_vector(std::vector<std::int64_t>{std::ssize(found)}, {1})},
                                {"map", from_vector(std::vector<double>{1, 0, 0, 0, 1, 0}, {1, 6})},
                                {"size", from_vector(std::vector<std::int64_t>{100, 100}, {1, 2})}}));
}

std::string text_of(const std::vector<TextRows>& tables) {
  std::string text;
  for (const TextRows& table : tables)
    for (const auto& row : table) {
      for (const std::string& cell : row) text += cell + "|";
      text += "\n";
    }
  return text;
}
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(DetectionEvaluator, OfNormalsAloneSaysThatNothingIsDefined) {
  const Films films({{}, {}, {}});
  DetectionEvaluator e(*films.set, {"mass"}, 0.05);
  add(e, 0, {{{5, 5, 30, 30, 0}, 0.75}, {{50, 50, 80, 80, 0}, 0.25}});
  add(e, 1, {});
  add(e, 2, {});
  const auto metrics = e.finish({50, 0.95, 0});
  EXPECT_EQ(metrics[0].name, "AP");
  EXPECT_TRUE(std::isnan(metrics[0].value));
  EXPECT_EQ(e.undefined("AP"), "not defined: no truth");
  EXPECT_EQ(e.undefined("APs"), "not defined: no truth of this size");
  EXPECT_EQ(e.undefined("sensitivity_at_1"), "not defined: no truth");
  EXPECT_EQ(e.undefined("picture_auc"), "not defined: pictures of one kind");
  const std::string text = text_of(e.tables());
  EXPECT_TRUE(holds(text, "mass|0|not defined: no truth|not defined: no truth|")) << text;
  EXPECT_TRUE(holds(text, "false alarms a picture, over all|0.333 (3)|")) << text;
  EXPECT_TRUE(holds(text, "false alarms a picture without objects|0.333 (3)|")) << text;
  EXPECT_TRUE(holds(text, "pictures without objects that are silent|0.6667 (")) << text;
  EXPECT_TRUE(holds(text, "AP and AR are not defined: no truth|")) << text;
  const Json details = e.details();
  EXPECT_TRUE(details["per_class"][0]["AP"].is_null());
  EXPECT_EQ(details["normals"]["alarms"], 2);
  EXPECT_EQ(e.drawn_from(), 0.5) << "no rate is ever reached";
}

TEST(DetectionEvaluator, CountsCasesWithoutALesionInBothDenominators) {
  const Films films({{{10, 10, 40, 40, 0}}, {}, {}});
  DetectionEvaluator e(*films.set, {"mass"}, 0.05);
  for (int i = 0; i < 3; ++i) add(e, i, {});
  e.finish({50, 0.95, 0});
  const std::string text = text_of(e.tables());
  EXPECT_TRUE(holds(text, "false alarms a picture|sensitivity, over all 3 pictures|over 2 without objects|"))
      << text;
  EXPECT_TRUE(holds(text, "no detections|")) << text;
  EXPECT_TRUE(holds(text, "pictures without objects that are silent|1.0000 (")) << text;
  const Json alarms = e.details()["false_alarms"];
  EXPECT_EQ(alarms["pictures"], 3);
  EXPECT_EQ(alarms["normals"], 2);
  EXPECT_EQ(alarms["lesions"], 1);
  EXPECT_EQ(alarms["sensitivity_at"][0]["over_normals"]["value"], 0);
}

TEST(DetectionEvaluator, BreastsWhereTheTableNamesSides) {
  const Films nobody_knows({{{10, 10, 40, 40, 0}}, {}});
  const DetectionEvaluator without(*nobody_knows.set, {"mass"}, 0.05);
  EXPECT_EQ(without.metrics().back().name, "picture_auc");
  const Films films({{{10, 10, 40, 40, 0}}, {}, {}, {{10, 10, 40, 40, 0}}});
  std::string rows = "path,x1,y1,x2,y2,class,patient,side\n";
  for (const char* row : {"film0.png,10,10,40,40,mass,p,L\n", "film1.png,,,,,,p,left\n",
                          "film2.png,,,,,,p,R\n", "film3.png,10,10,40,40,mass,q,Right\n"})
    rows += row;
  const auto set = open_box_table(films.write("sides.csv", rows));
  DetectionEvaluator e(*set, {"mass"}, 0.05);
  add(e, 0, {});
  add(e, 1, {{{50, 50, 80, 80, 0}, 0.75}});  // of the same breast as the lesion
  add(e, 2, {{{50, 50, 80, 80, 0}, 0.5}});
  add(e, 3, {{{10, 10, 40, 40, 0}, 0.25}});
  const auto values = e.finish({50, 0.95, 0});
  EXPECT_EQ(e.metrics().back().name, "breast_auc");
  ASSERT_EQ(values.back().name, "breast_auc");
  EXPECT_EQ(values.back().value, 0.5) << "p's left 0.75 and q's right 0.25, p's right 0.5 has none";
  EXPECT_EQ(e.values({}).back(), 0.5);
  // q twice: of three breasts with a lesion one is above.
  EXPECT_NEAR(e.values(std::vector<double>{1, 1, 1, 2}).back(), 1.0 / 3, 1e-12);
  EXPECT_EQ(e.details()["false_alarms"]["breasts"], 3);
  EXPECT_EQ(e.undefined("breast_auc"), "not defined: breasts of one kind");
}

TEST(DetectionEvaluator, TellsOfMoreTruthsThanCountAndCountsMoreWhenAsked) {
  std::vector<ObjectBox> many;
  std::vector<Detection> found;
  for (int i = 0; i < 150; ++i) {
    const double x = 6.0 * (i % 15), y = 9.0 * (i / 15);
    many.push_back({x, y, x + 5, y + 8, 0});
    found.push_back({many.back(), 0.5});
  }
  const Films films({many});
  DetectionEvaluator e(*films.set, {"mass"}, 0.05);
  add(e, 0, found);
  EXPECT_NEAR(e.finish({0, 0.95, 0})[8].value, 100.0 / 150, 1e-9);
  EXPECT_TRUE(holds(text_of(e.tables()),
                    "1 picture has more boxes of a class (150) than the 100 detections that "
                    "count, so that recall stays below 1; --max-dets raises them"));
  e.set_max_detections(150);
  EXPECT_NEAR(e.finish({0, 0.95, 0})[8].value, 1, 1e-9);
  EXPECT_FALSE(holds(text_of(e.tables()), "--max-dets"));
}

TEST(DetectionEvaluator, LeavesAPageWithCurvesAndIntervals) {
  std::vector<std::vector<ObjectBox>> boxes;
  for (int i = 0; i < 12; ++i)
    boxes.push_back(i % 3 == 2 ? std::vector<ObjectBox>{} : std::vector<ObjectBox>{{10, 10, 50, 50, 0}});
  const Films films(boxes);
  DetectionEvaluator e(*films.set, {"mass"}, 0.05);
  for (int i = 0; i < 12; ++i) add(e, i, {{{10, 10, 50, i % 4 == 0 ? 25.0 : 48.0, 0}, 0.9 - 0.05 * i}});
  Json metrics = e.details();
  const auto values = e.finish({100, 0.95, 0});
  EXPECT_LT(values[1].interval.low, values[1].interval.high) << "AP50 has an interval by patient";
  metrics = e.details();
  for (const MetricValue& m : values)
    metrics["metrics"][m.name] = {
        {"value", std::isnan(m.value) ? Json() : Json(m.value)}, {"low", nullptr}, {"high", nullptr}};
  const Scratch folder;
  folder.write("report/pictures/1.png", "picture");
  metrics["drawn"] = {{"from", 0.5},
                      {"groups",
                       {{{"title", "Best"},
                         {"pictures",
                          {{{"name", "film1.png"}, {"says", "1 of 1 found"}, {"picture", "1.png"}},
                           {{"name", "film2.png"}, {"says", "x"}, {"picture", "../2.png"}}}}}}}};
  report::RunReport page;
  report_detection(folder.path(), metrics, page);
  EXPECT_EQ(page.kind, "Detection");
  ASSERT_EQ(page.precision_recall.size(), 1u);
  EXPECT_EQ(page.precision_recall[0].x.size(), 101u);
  EXPECT_EQ(page.precision_recall[0].positives, 8);
  EXPECT_TRUE(std::isfinite(page.precision_recall[0].area.low));
  EXPECT_EQ(page.precision_recall_mean.size(), 1u);
  ASSERT_EQ(page.evaluation.size(), 1u);
  EXPECT_EQ(page.evaluation[0].series[0].low.size(), 81u);
  ASSERT_EQ(page.galleries.size(), 1u);
  ASSERT_EQ(page.galleries[0].pictures.size(), 1u) << "one that is not there is passed over";
  EXPECT_EQ(page.galleries[0].pictures[0].png, "picture");
  EXPECT_EQ(page.tables.size(), 3u);
}

}  // namespace
