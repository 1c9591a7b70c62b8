// The page of a classifier, made of metrics.json and predictions.csv, and the samples that are shown on it.
#include <gtest/gtest.h>

#include <cmath>

#include "io/atomic_file.h"
#include "tasks/classification_evaluator.h"
#include "tasks/classification_examples.h"
#include "tasks/predictions_file.h"
#include "tensor/check.h"
#include "tests/data/messages.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

using TextCells = std::vector<std::vector<std::string>>;

report::RunReport page_of(const Scratch& dir) {
  report::RunReport run;
  const Json metrics = Json::parse(read_file(dir / "metrics.json", 1 << 20));
  task_kind("classification").report(dir.path(), metrics, run);
  return run;
}

const report::Table& table_named(const report::RunReport& run, const std::string& title) {
  for (const report::Table& table : run.tables)
    if (table.title == title) return table;
  throw std::runtime_error("no table " + title);
}

std::string fact_named(const std::vector<report::Fact>& facts, const std::string& name) {
  for (const report::Fact& fact : facts)
    if (fact.name == name) return fact.value;
  return "none";
}

// Three findings, of which one never occurs; four samples of three patients.
void write_findings(const Scratch& dir) {
  dir.write("film.png", encode_png(pattern(400, 300, 1)));
  dir.write("report/cams/1.png", "overlay");
  dir.write("metrics.json",
            R"({"split":"test","samples":4,"patients":3,"program":"gadolin 0.9","multi_label":true,)"
            R"("classes":["Effusion","Mass","Hernia"],)"
            R"("checkpoints":[{"file":"best.gdck","step":"120"},{"file":"import.gdck"}],)"
            R"("cams":[{"sample":1,"class":"Mass","picture":"1.png"},)"
            R"({"sample":0,"class":"Effusion","picture":"../../film.png"}],)"
            R"("metrics":{"roc_auc":{"value":0.9,"low":0.8,"high":1.0},)"
            R"("roc_auc/Effusion":{"value":1.0,"low":0.75,"high":1.0}}})");
  dir.write("predictions.csv",
            "path,patient,truth,predicted,Effusion,Mass,Hernia\n" + (dir / "film.png") +
                ",a,Effusion,Effusion,0.9,0.2,0.1\n" + (dir / "film.png") +
                ",a,,Mass,0.1,0.8,0.2\nmissing.png,b,Effusion|Mass,Effusion|Mass,0.7,0.9,0\n"
                "missing.png,c,Mass,,0.2,0.05,0.1\n");
}

TEST(ClassificationReport, FindingsStandInATableNotInCards) {
  const Scratch dir;
  write_findings(dir);
  const report::RunReport run = page_of(dir);
  ASSERT_EQ(run.metrics.size(), 1u);  // of 3 findings and the whole
  EXPECT_EQ(run.metrics[0].name, "roc_auc");
  const report::Table& table = table_named(run, "By finding");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"finding", "samples", "patients", "ROC AUC",
                                                     "average precision", "F1", "calibration error"}));
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"Effusion", "2", "2", "1.000 (0.750 to 1.000)", "1.000",
                                                     "1.000", "0.175"}));
  EXPECT_EQ(table.rows[1][1], "2");
  EXPECT_EQ(table.rows[2],
            (std::vector<std::string>{"Hernia", "0", "0", "not defined", "not defined", "0.000", "0.100"}));
  ASSERT_EQ(run.roc.size(), 2u);  // a finding that never occurs has no curve
  EXPECT_EQ(run.roc[0].positives, 2);
  EXPECT_EQ(run.calibration.size(), 2u);
  EXPECT_EQ(run.calibration[0].x.size(), run.calibration[0].low.size());
}

TEST(ClassificationReport, OperatingPointsPatientsAndCheckpoint) {
  const Scratch dir;
  write_findings(dir);
  const report::RunReport run = page_of(dir);
  const report::Table& points = table_named(run, "Operating points");
  ASSERT_EQ(points.rows.size(), 3u);
  // Mass: one of two found, one of two others called; Wilson 1927 for 1 of 2 is 0.0945 to 0.9055.
  EXPECT_EQ(points.rows[1], (std::vector<std::string>{"Mass", "0.5, none was chosen",
                                                      "0.500 (0.095 to 0.905)", "0.500 (0.095 to 0.905)",
                                                      "0.500 (0.095 to 0.905)", "0.500 (0.095 to 0.905)"}));
  EXPECT_EQ(
      points.note,
      "95 % intervals are Wilson's, with every sample as a trial of its own: as some patients have several "
      "samples, they are somewhat too narrow.");
  EXPECT_EQ(fact_named(run.data, "evaluated on"), "4 samples of 3 patients, split test");
  EXPECT_EQ(fact_named(run.model, "checkpoint"), "best.gdck, step 120; import.gdck");
  EXPECT_EQ(fact_named(run.model, "evaluated by"), "gadolin 0.9");
}

TEST(ClassificationReport, ExamplesOfFindingsAreTheLargestErrorsWithTheirOverlays) {
  const Scratch dir;
  write_findings(dir);
  const report::RunReport run = page_of(dir);
  ASSERT_EQ(run.worst.size(), 2u);
  EXPECT_EQ(run.worst[0].predicted, "Mass");  // 0.8 where nothing is
  EXPECT_EQ(run.worst[0].truth, "none");
  EXPECT_EQ(run.worst[0].cam, "overlay");
  EXPECT_EQ(run.worst[0].png.substr(1, 3), "PNG");
  EXPECT_EQ(run.worst[1].predicted, "Mass");  // 0.05 where it is there
  EXPECT_EQ(run.worst[1].truth, "Mass");
  EXPECT_EQ(run.worst[1].png, "");
  EXPECT_EQ(run.worst[1].cam, "");
  ASSERT_EQ(run.best.size(), 2u);
  EXPECT_EQ(run.best[0].predicted, "Effusion");
  EXPECT_EQ(run.best[0].cam, "");  // a name that leaves report/cams leads nowhere
  EXPECT_EQ(run.best[1].probability, 0.9);
}

TEST(ClassificationReport, ChosenThresholdsAndOneClassASample) {
  const Scratch dir;
  const std::string share = R"({"value":0.75,"low":0.25,"high":1.0})";
  dir.write("metrics.json",
            R"({"split":"all","samples":3,"classes":["AP","PA"],"operating_points":[{"label":"PA",)"
            R"("rule":"youden","threshold":0.25,"sensitivity":)" +
                share + R"(,"specificity":)" + share + R"(,"ppv":)" + share + R"(,"npv":)" + share +
                R"(},{"label":"AP","rule":"f1","undefined":"no positive sample"}],)"
                R"("metrics":{"roc_auc":{"value":1,"low":0.5,"high":1}}})");
  dir.write("predictions.csv",
            "path,truth,predicted,AP,PA\na.png,AP,AP,0.9,0.1\nb.png,PA,PA,0.3,0.7\nc.png,PA,AP,0.6,0.4\n");
  const report::RunReport run = page_of(dir);
  const std::string shown = "0.750 (0.250 to 1.000)";
  EXPECT_EQ(table_named(run, "Operating points").rows,
            (TextCells{{"PA", "0.2500, chosen by youden", shown, shown, shown, shown},
                       {"AP", "not defined: no positive sample", "", "", "", ""}}));
  const report::Table& classes = table_named(run, "By class");
  EXPECT_EQ(classes.columns[2], "ROC AUC");  // no patients are named
  EXPECT_EQ(classes.rows[1][2], "1.000 (0.500 to 1.000)");
  EXPECT_EQ(run.roc.size(), 1u);  // AP's is the mirror image
  ASSERT_EQ(run.calibration.size(), 1u);
  EXPECT_EQ(run.calibration[0].name, "the likeliest class");
  ASSERT_EQ(run.worst.size(), 1u);
  EXPECT_EQ(run.worst[0].predicted, "AP");
  EXPECT_EQ(fact_named(run.data, "evaluated on"), "3 samples");
}

TEST(ClassificationReport, DamagedPredictionsAreRefused) {
  const Scratch dir;
  const auto message = [&](const std::string& text) {
    dir.write("p.csv", text);
    return said<FormatError>(dir, [&] { read_predictions(dir / "p.csv", {"a", "b"}, false); });
  };
  EXPECT_EQ(message("path,truth,predicted,a\nx,a,a,1\n"),
            "report: DIR/p.csv has 4 columns, 5 are expected; run gadolin eval again");
  EXPECT_EQ(message("path,truth,predicted,a,b\nx,c,a,1,0\n"),
            "report: DIR/p.csv holds the class 'c', which is not in metrics.json; run gadolin eval again");
}

TEST(TellingSamples, OfOneClassASample) {
  Predictions p;
  p.classes = {"a", "b"};
  p.probability = {0.9, 0.1, 0.2, 0.8, 0.4, 0.6, 0.7, 0.3};
  p.target = {0, 0, 1, 0};
  const TellingSamples all = telling_samples(p, 12), first = telling_samples(p, 1);
  ASSERT_EQ(all.worst.size(), 1u);
  EXPECT_EQ(all.worst[0].sample, 1u);
  EXPECT_EQ(all.worst[0].cls, 1u);
  EXPECT_EQ(all.worst[0].probability, 0.8);
  ASSERT_EQ(all.best.size(), 3u);
  EXPECT_EQ(all.best[0].sample, 0u);
  EXPECT_EQ(all.best[1].sample, 3u);
  EXPECT_EQ(all.best[2].sample, 2u);
  EXPECT_EQ(first.best.size(), 1u);
}

// A sample may be shown twice: for what it was taken for, and for what was overlooked.
TEST(TellingSamples, FalseAlarmsAndOverlookedLabelsTakeTurns) {
  Predictions p;
  p.classes = {"a", "b"};
  p.probability = {0.9, 0.01, 0.8, 0.1, 0.7, 0.95};
  p.labels = {0, 1, 0, 0, 1, 1};
  const TellingSamples telling = telling_samples(p, 12);
  ASSERT_EQ(telling.worst.size(), 3u);
  EXPECT_EQ(telling.worst[0].probability, 0.9);
  EXPECT_EQ(telling.worst[1].probability, 0.01);
  EXPECT_EQ(telling.worst[1].cls, 1u);
  EXPECT_EQ(telling.worst[2].probability, 0.8);
  ASSERT_EQ(telling.best.size(), 1u);
  EXPECT_EQ(telling.best[0].probability, 0.95);
  EXPECT_EQ(telling_samples(p, 2).worst.size(), 2u);
}

TEST(TellingSamples, AnUnknownLabelIsNoError) {
  Predictions p;
  p.classes = {"a", "b"};
  p.probability = {0.9, 0.1};
  p.labels = {unknown_label, 0};
  EXPECT_TRUE(telling_samples(p, 4).worst.empty());
}

TEST(TellingSamples, ThumbnailsKeepTheirShape) {
  const Scratch dir;
  const Image small = read_image(dir.write("a.png", std::string_view(thumbnail(pattern(400, 200, 3)))));
  EXPECT_EQ(small.width, 192);
  EXPECT_EQ(small.height, 96);
  EXPECT_EQ(read_image(dir.write("b.png", std::string_view(thumbnail(pattern(20, 10, 1))))).width, 20);
}

}  // namespace
}  // namespace gadolin::test
