// Several labels a sample: what means leave out, outputs that nobody trained, thresholds and a temperature in
// checkpoints, warnings about pictures unlike those of training.
#include <gtest/gtest.h>

#include <cmath>

#include "data/dicom/dictionary.h"
#include "io/text.h"
#include "tasks/classification.h"
#include "tasks/classification_evaluator.h"
#include "tasks/evaluate.h"
#include "tasks/finding_metrics.h"
#include "tasks/input_warnings.h"
#include "tasks/inputs.h"
#include "tensor/ops.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

using Words = std::vector<std::string>;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

double value_named(const std::vector<MetricValue>& all, const std::string& name) {
  for (const MetricValue& m : all)
    if (m.name == name) return m.value;
  ADD_FAILURE() << "no metric " << name;
  return none;
}

// Fourteen findings and "No Finding" of 60 films of 30 patients; Hernia never occurs.
Predictions fourteen() {
  Predictions p;
  p.classes = {"Atelectasis",        "Cardiomegaly", "Consolidation", "Edema", "Effusion",   "Emphysema",
               "Fibrosis",           "Hernia",       "Infiltration",  "Mass",  "No Finding", "Nodule",
               "Pleural_Thickening", "Pneumonia",    "Pneumothorax"};
  p.apart = {"No Finding"};
  RandomStream random(3, stream_id(1, 1));
  for (int i = 0; i < 60; ++i) {
    for (std::size_t k = 0; k < p.classes.size(); ++k) {
      const bool there = p.classes[k] != "Hernia" && random.below(3) == 0;
      p.labels.push_back(there ? 1 : 0);
      p.probability.push_back((there ? 0.3 : 0.0) + 0.7 * random.uniform());
    }
    p.patient.push_back(cat("p", i / 2));
  }
  return p;
}

// E4: one finding with a single value crashed the metric of all.
TEST(Findings, E4AFindingWithOneValueIsLeftOutOfTheMeanAndSaid) {
  const Predictions p = fourteen();
  const auto all = summarize(p, {.resamples = 50});
  double sum = 0;
  for (std::size_t k = 0; k < p.classes.size(); ++k) {
    const double area = value_named(all, "roc_auc/" + p.classes[k]);
    EXPECT_EQ(std::isnan(area), p.classes[k] == "Hernia");
    if (p.classes[k] != "Hernia" && p.classes[k] != "No Finding") sum += area;
  }
  EXPECT_NEAR(value_named(all, "roc_auc"), sum / 13, 1e-12);
  const auto left_out = left_out_of_means(p);
  ASSERT_EQ(left_out.size(), 2u);
  EXPECT_EQ(left_out[0].name + ": " + left_out[0].reason, "Hernia: no positive sample");
  EXPECT_EQ(left_out[1].name + ": " + left_out[1].reason, "No Finding: counts in no mean");
  Predictions other = p;
  for (std::size_t i = 0; i < other.labels.size(); i += other.classes.size()) other.labels[i] = 1;
  EXPECT_EQ(left_out_of_means(other)[0].reason, "no negative sample");
}

TEST(Findings, MoreMeasuresWithMeansAndIntervalsByPatient) {
  const Predictions p = fourteen();
  const auto thresholds = choose_thresholds(p, threshold_rule("f1"));
  const FindingMetrics more{0.8};
  const auto all = more.summarize(p, thresholds, {.resamples = 100});
  ASSERT_EQ(all.size(), more.names(p.classes).size());
  double f1 = 0, reached = 0;
  for (std::size_t k = 0; k < p.classes.size(); ++k) {
    const Ranking ranking = ranking_of(p, static_cast<std::int64_t>(k));
    const double at = value_named(all, "sensitivity_at_0.8/" + p.classes[k]),
                 here = value_named(all, "f1/" + p.classes[k]);
    if (p.classes[k] == "Hernia") {
      EXPECT_TRUE(std::isnan(at) && std::isnan(here));
      continue;
    }
    EXPECT_EQ(at, ranking.sensitivity_at(0.8));
    if (p.classes[k] == "No Finding") continue;
    f1 += here / 13;
    reached += at / 13;
  }
  EXPECT_NEAR(value_named(all, "f1"), f1, 1e-12);
  EXPECT_NEAR(value_named(all, "sensitivity_at_0.8"), reached, 1e-12);
  EXPECT_EQ(all[0].name, "f1");
  EXPECT_TRUE(all[0].interval.low <= f1 && f1 <= all[0].interval.high &&
              all[0].interval.low < all[0].interval.high);
  const Json areas = delong_json(p);
  EXPECT_TRUE(areas["Hernia"]["auc"].is_null());
  EXPECT_EQ(areas["Mass"]["auc"].get<double>(), ranking_of(p, 9).auc());
  Predictions single;
  single.classes = {"a", "b"};
  single.target = {0, 1};
  single.probability = {0.6, 0.4, 0.3, 0.7};
  EXPECT_EQ(message_of<ValueError>([&] { more.values(single, {}); }),
            "findings: one class a sample has none; use summarize");
}

// A set of grey pictures with labels by names.
std::unique_ptr<Dataset> films(const Scratch& dir, const std::vector<Words>& labels, const Words& classes) {
  std::string rows = "path,labels,patient\n";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::string name = cat(i, ".png");
    if (!std::filesystem::exists(dir / name)) dir.write(name, encode_png(pattern(32, 32, 1)));
    std::string joined;
    for (const std::string& label : labels[i]) joined += (joined.empty() ? "" : "|") + label;
    rows += name + "," + joined + ",p" + std::to_string(i) + "\n";
  }
  DatasetOptions options;
  options.classes = classes;
  options.multi_label = true;
  return open_manifest(dir.write("films.csv", rows), options);
}

std::unique_ptr<ClassificationTask> labels_task(const Words& classes) {
  return std::make_unique<ClassificationTask>(
      "resnet18",
      NetOptions{
          {"num_classes", static_cast<double>(classes.size())}, {"width", 4.0}, {"input_channels", 1.0}},
      classes, true, Pipeline("grey,resize:32x32,normalize:0.5:0.25"));
}

Outputs logits_of(const std::vector<float>& values) {
  return Outputs({{"logits", from_vector(values, {1, static_cast<std::int64_t>(values.size())})}});
}

// E7: classes never trained came out as 0.5; the order of classes was guessed.
TEST(Findings, E7AnUntrainedClassIsNeverPrinted) {
  Words eighteen;
  for (int k = 0; k < 18; ++k) eighteen.push_back(cat("finding ", k));
  const Scratch dir;
  std::vector<Words> labels;
  for (int k = 0; k < 14; ++k) labels.push_back({eighteen[static_cast<std::size_t>(k)]});
  const auto set = films(dir, labels, eighteen);
  const auto task = labels_task(eighteen);
  task->learn_from(*set, {}, cpu);
  EXPECT_EQ(task->untrained(), Words(eighteen.begin() + 14, eighteen.end()));
  Checkpoint c;
  for (const Parameter& p : task->net().state()) c.tensors["model." + p.name] = p.tensor.detach();
  task->describe(c);
  save_checkpoint(dir / "net.gdck", c);
  const auto loaded = load_classifier(dir / "net.gdck", cpu);
  const Said said = loaded->say(logits_of(std::vector<float>(18, 0.0f)), 0, 3);
  EXPECT_EQ(said.rows.size(), 14u);
  EXPECT_EQ(said.event["probabilities"].size(), 14u);
  EXPECT_FALSE(said.event["probabilities"].contains("finding 14"));
  // An evaluation knows nothing of them either.
  const auto evaluator = loaded->evaluator(*set);
  const auto loader = loaded->loader(*set, loaded->pipeline(), {.batch_size = 4, .workers = 0});
  evaluate(*loaded, *loader, *evaluator, DType::fp32);
  for (const auto& [name, text] : evaluator->files())
    EXPECT_EQ(text.find("finding 14"), std::string::npos) << name;
  for (const MetricValue& m : evaluator->finish({.resamples = 0}))
    EXPECT_EQ(m.name.find("finding 17"), std::string::npos);
  EXPECT_EQ(evaluator->details()["classes"].size(), 14u);
  // A name that is empty stands for an output that nobody uses.
  const auto unnamed = labels_task({"a", "", "b"});
  EXPECT_EQ(unnamed->say(logits_of({1, 2, 3}), 0, 1).rows.size(), 2u);
  c.facts["untrained"] = "{";
  save_checkpoint(dir / "odd.gdck", c);
  EXPECT_EQ(message_of<CheckpointError>([&] { load_task(dir / "odd.gdck", cpu); }),
            "checkpoint: " + (dir / "odd.gdck") +
                " names no classes under untrained; was it written by gadolin train?");
}

// E10: several labels were reduced to the largest one.
TEST(Findings, E10TwoFindingsAreBothSaid) {
  const auto task = labels_task({"Effusion", "Mass", "Nodule"});
  Said said = task->say(logits_of({2, 3, -4}), 0, 1);
  ASSERT_EQ(said.rows.size(), 3u);
  EXPECT_EQ(said.rows[0], (Words{"Effusion", "0.8808", "none", ""}));
  EXPECT_EQ(said.event["class"], "Mass");  // the likeliest, beside all others
  EXPECT_FALSE(said.event.contains("positive"));
  EXPECT_EQ(task->columns(), (Words{"finding", "probability", "threshold", "positive"}));
  task->operate(
      {1, {{"Effusion", {}, 0.5, ""}, {"Mass", {}, 0.5, ""}, {"Nodule", {}, none, "no positive sample"}}});
  said = task->say(logits_of({2, 3, -4}), 0, 1);
  EXPECT_EQ(said.event["positive"], Json({"Effusion", "Mass"}));
  EXPECT_EQ(said.rows[0], (Words{"Effusion", "0.8808", "0.5000", "yes"}));
  EXPECT_EQ(said.rows[2], (Words{"Nodule", "0.0180", "none", ""}));
  EXPECT_TRUE(said.event["thresholds"]["Nodule"].is_null());
  const Scratch dir;
  const auto set = films(dir, {{"Effusion", "Mass"}, {"Nodule"}}, task->classes());
  EXPECT_FALSE(task->evaluator(*set)->details().contains("confusion"));
}

// E1: good AUC, but all probabilities tiny, so that at 0.5 everyone is healthy.
TEST(Findings, E1ARareFindingIsCalledFromItsOwnThreshold) {
  const auto task = labels_task({"Hernia", "Mass"});
  task->operate({1, {{"Hernia", {}, 0.01, ""}, {"Mass", {}, 0.5, ""}}});
  const Said said = task->say(logits_of({std::log(0.03f / 0.97f), -3}), 0, 3);
  EXPECT_EQ(said.rows[0], (Words{"Hernia", "0.0300", "0.0100", "yes"}));
  EXPECT_EQ(said.event["positive"], Json({"Hernia"}));
  EXPECT_EQ(said.event["thresholds"]["Hernia"], 0.01);
  // Every checkpoint of a training knows them: chosen on validation samples, at the calibrated probability.
  const Scratch dir;
  std::vector<Words> labels;
  for (int i = 0; i < 12; ++i)
    labels.push_back(i % 4 == 0 ? Words{"Hernia"} : i % 3 == 0 ? Words{"Mass"} : Words{});
  const auto set = films(dir, labels, task->classes());
  const auto evaluator = task->evaluator(*set);
  RandomStream random(5, stream_id(1, 2));
  const auto loader = task->loader(*set, task->pipeline(), {.batch_size = 1, .workers = 0});
  Batch batch;
  while (loader->next(batch)) {
    const auto& info = set->info(batch.indices[0]);
    const bool there = !info.labels.empty() && info.labels[0] == 0;
    const float noise = static_cast<float>(random.uniform());
    evaluator->add(batch, logits_of({-8 + 3 * noise + (there ? 1.5f : 0.0f), noise - 4}));
  }
  const auto facts = evaluator->facts();
  const auto chosen = thresholds_from_json(facts.at("thresholds"));
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_TRUE(chosen[0].defined() && chosen[0].value < 0.5) << chosen[0].value;
  EXPECT_GT(std::stod(facts.at("temperature")), 0);
}

TEST(Findings, FilesNameRowsAsTheNihDoes) {
  const Scratch dir;
  const auto task = labels_task({"Effusion", "Mass"});
  const auto set = films(dir, {{"Effusion"}, {"Mass", "Effusion"}}, task->classes());
  ClassificationEvaluator evaluator(*set, task->classes(), true);
  evaluator.name_rows("Image Index");
  const auto loader = task->loader(*set, task->pipeline(), {.batch_size = 2, .workers = 0});
  Batch batch;
  while (loader->next(batch)) evaluator.add(batch, Outputs({{"logits", zeros({2, 2})}}));
  const auto files = evaluator.files();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].first, "predictions.csv");
  EXPECT_EQ(files[0].second, "Image Index,Effusion,Mass\n0.png,0.5,0.5\n1.png,0.5,0.5\n");
  EXPECT_EQ(files[1].first, "samples.csv");
}

TEST(Findings, LossMessages) {
  const Scratch dir;
  const auto task = labels_task({"a", "b"});
  const auto set = films(dir, {{"a"}, {"b"}}, task->classes());
  EXPECT_EQ(message_of<UsageError>([&] { task->learn_from(*set, {.kind = "bce", .focal_alpha = 0.3}, cpu); }),
            "--focal-alpha 0.3 belongs to --loss focal with several labels a sample, and is above 0, 1 at "
            "most; leave it out");
}

// E5: 0 to 1 given to a net of 0 to 255.
TEST(InputWarnings, E5ARangeFarFromTrainingIsSaidWithBothRanges) {
  const Scratch dir;
  const auto set = films(dir, {{"a"}, {"b"}, {"a"}}, {"a", "b"});
  const Pipeline pipeline("grey,resize:32x32,normalize:0.5:0.25");
  const TrainedOn trained = look_at(*set, pipeline);
  EXPECT_EQ(trained.pictures, 3);
  EXPECT_TRUE(trained.low < 5 && trained.high > 250 && trained.span > 245)
      << trained.low << " " << trained.high;
  const InputWatch watch(trained_on_from_json(trained_on_to_json(trained), "checkpoint: x"));
  const auto said = [&](const Image& image) {
    dir.write("shown.png", encode_png(image));
    const auto shown = file_set({dir / "shown.png"}, {"a", "b"});
    return watch.warnings(one_sample(*shown, 0, pipeline, cpu), 0, pipeline, "");
  };
  EXPECT_EQ(said(pattern(32, 32, 1)), Words());
  Image floats(32, 32, 1);
  for (std::size_t i = 0; i < floats.pixels.size(); ++i) floats.pixels[i] = i % 2;
  const std::string high = exact_text(std::round(trained.high * 10) / 10),
                    low = exact_text(std::round(trained.low * 10) / 10 + 0.0);
  EXPECT_EQ(said(floats), (Words{"its values are 0 to 1, those of training were " + low + " to " + high +
                                 " (0 is black, 255 is white)"}));
  // Twelve bits in a file of sixteen.
  Image dark(32, 32, 1, 16);
  for (std::size_t i = 0; i < dark.numel(); ++i)
    dark.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(i * 4);
  EXPECT_EQ(said(dark).size(), 1u);
  // Tensors of a client that forgot to normalise, and what is no number.
  for (const double scale : {1.0, 255.0, 1e30, static_cast<double>(none)}) {
    const Batch raw({"image"}, {full({1, 1, 32, 32}, scale)});
    EXPECT_EQ(watch.warnings(raw, 0, pipeline, "").size(), 1u) << scale;
  }
  EXPECT_EQ(InputWatch().warnings(Batch({"image"}, {full({1, 1, 32, 32}, 1e9)}), 0, pipeline, "LL"), Words());
  for (const char* text : {"", "{}", "[1]", R"({"pictures":1,"low":0,"high":1,"span":1,"views":{"PA":"x"}})"})
    EXPECT_EQ(message_of<CheckpointError>([&] { trained_on_from_json(text, "checkpoint: x"); }),
              "checkpoint: x does not say what its net was trained on; was it changed by hand?");
}

std::string film_of(const std::string& view) {
  Picture shown;
  shown.front = element(dicom::view_position, "CS", view);
  return picture(shown, words({0, 1, 2, 3}));
}

// E8: a lateral film was answered as if it were frontal.
TEST(InputWarnings, E8ALateralFilmIsSaid) {
  const InputWatch watch(TrainedOn{4, 0, 255, 200, {{"AP", 1}, {"PA", 3}}});
  const Batch batch({"image"}, {from_vector(std::vector<float>{0, 1, 0.5f, 0.2f}, {1, 1, 2, 2})});
  const Pipeline pipeline("grey,resize:2x2");
  EXPECT_EQ(watch.warnings(batch, 0, pipeline, "PA"), Words());
  EXPECT_EQ(watch.warnings(batch, 0, pipeline, "AP SUPINE"), Words());
  EXPECT_EQ(watch.warnings(batch, 0, pipeline, ""), Words());
  EXPECT_EQ(
      watch.warnings(batch, 0, pipeline, "LL"),
      Words{"it is a lateral film (view LL), and the net was trained on other views only (AP 1, PA 3)"});
  EXPECT_EQ(watch.warnings(batch, 0, pipeline, "LLO"),
            Words{"it is a film (view LLO), and the net was trained on other views only (AP 1, PA 3)"});
  const InputWatch both(TrainedOn{4, 0, 255, 200, {{"LATERAL", 1}, {"PA", 3}}});
  EXPECT_EQ(both.warnings(batch, 0, pipeline, "RL"), Words());
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Scratch dir;
  EXPECT_EQ(view_of(*file_set({dir.write("a.dcm", film_of("LL"))}, {}), 0), "LL");
  EXPECT_EQ(view_of(*file_set({dir.write("b.dcm", film_of("pa"))}, {}), 0), "PA");
  EXPECT_EQ(view_of(*file_set({dir.write("c.png", encode_png(pattern(4, 4, 1)))}, {}), 0), "");
  EXPECT_EQ(view_of(*file_set({dir / "missing.png"}, {}), 0), "");
}

}  // namespace
