// gadolin nodule test-model: how well a classifier of features does, in numbers and in pictures.
#include <cmath>
#include <filesystem>

#include "apps/nodule/commands.h"
#include "apps/nodule/plots.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/evaluate.h"
#include "data/image/codec.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tasks/classification.h"
#include "tasks/classification_evaluator.h"
#include "tensor/check.h"

namespace gadolin::nodule {
namespace fs = std::filesystem;
namespace {

// At the threshold on these samples that calls at least nine of ten negatives negative.
double sensitivity_at_specificity(const std::vector<double>& score, const std::vector<std::uint8_t>& label,
                                  Reals weight) {
  const Threshold chosen = choose_threshold(score, label, {ThresholdRule::Kind::specificity, 0.9}, weight);
  if (!chosen.defined()) return NAN;
  return operating_point(score, label, chosen.value, weight).sensitivity().value;
}

void tell_operating_point(Session& session, const Predictions& p, const std::vector<double>& score,
                          const std::vector<std::uint8_t>& label, const EvalCommand& o) {
  const double value = sensitivity_at_specificity(score, label, {});
  Interval interval{NAN, NAN};
  std::vector<std::string> patient = p.patient;
  if (o.resamples > 0 && std::isfinite(value) && !patient.empty())
    interval =
        bootstrap(patient, [&](Reals weight) { return sensitivity_at_specificity(score, label, weight); },
                  {o.resamples, 0.95, session.common().seed});
  session.say(cat("sensitivity at 90 % specificity: ",
                  std::isfinite(value) ? fixed(value, 4) : std::string("not defined"),
                  std::isfinite(interval.low)
                      ? cat(" (95 % interval ", fixed(interval.low, 4), " to ", fixed(interval.high, 4), ")")
                      : std::string()));
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  session.metric(
      "sensitivity_at_90_specificity",
      Json{{"value", number(value)}, {"low", number(interval.low)}, {"high", number(interval.high)}});
}

void write_picture(Session& session, const EvalCommand& o, const std::string& name, const Image& picture) {
  write_png(o.out + "/" + name, picture);
  session.output(fs::path(name).stem().string(), o.out + "/" + name);
}

// Error over epochs, from metrics.csv of the run that the checkpoint lies in.
void draw_errors(Session& session, const EvalCommand& o) {
  const fs::path table_path = fs::absolute(o.checkpoint).parent_path().parent_path() / "metrics.csv";
  const fs::path beside = fs::absolute(o.checkpoint).parent_path() / "metrics.csv";
  std::error_code error;
  const fs::path path = fs::exists(beside, error) ? beside : table_path;
  if (!fs::exists(path, error))
    return session.log("no errors.png: the checkpoint lies in no run with metrics.csv");
  const CsvTable table = read_csv(path.string());
  const int epoch_at = table.find("epoch");
  std::vector<Curve> curves;
  for (const char* column : {"train_loss", "val_loss"}) {
    const int at = table.find(column);
    if (at < 0 || epoch_at < 0) continue;
    Curve curve{column, {}, {}};
    for (const auto& row : table.rows) {
      curve.x.push_back(std::strtod(row[static_cast<std::size_t>(epoch_at)].c_str(), nullptr));
      const std::string& text = row[static_cast<std::size_t>(at)];
      curve.y.push_back(text.empty() ? NAN : std::strtod(text.c_str(), nullptr));
    }
    curves.push_back(std::move(curve));
  }
  write_picture(session, o, "errors.png", curve_picture(curves, {"error over epochs", "epoch", "loss"}));
}

void draw(Session& session, const EvalCommand& o, const ClassificationEvaluator& evaluator) {
  const Predictions& p = evaluator.predictions();
  make_folders("nodule test-model", o.out);
  write_picture(session, o, "cfm.png", confusion_picture(confusion_of(p), p.classes));
  draw_errors(session, o);
}

void draw_curves(Session& session, const EvalCommand& o, const std::vector<double>& score,
                 const std::vector<std::uint8_t>& label, const std::string& event) {
  const Ranking ranking(score, label);
  const RocCurve roc = ranking.roc();
  const PrecisionRecallCurve pr = ranking.precision_recall();
  write_picture(
      session, o, "roc.png",
      curve_picture(
          {{event + ": AUC " + fixed(ranking.auc(), 4), roc.false_positive_rate, roc.true_positive_rate}},
          {"receiver operating characteristic", "1 - specificity", "sensitivity", true, true}));
  write_picture(session, o, "precision_recall.png",
                curve_picture({{event + ": average precision " + fixed(ranking.average_precision(), 4),
                                pr.recall, pr.precision}},
                              {"precision and recall", "recall", "precision", true}));
}

void test_model(Session& session, EvalCommand o) {
  o.report_cams = 0;
  o.open = [](const Task& task, EvalCommand& e) {
    as_classifier(task, e.checkpoint);
    return task.open(e.data, e.dataset);
  };
  o.evaluated = [&session, &o](const Evaluator& evaluator) {
    const auto* classifier = dynamic_cast<const ClassificationEvaluator*>(&evaluator);
    if (classifier == nullptr) return;  // not of a classifier's task
    const Predictions& p = classifier->predictions();
    if (!o.out.empty() && !p.multi_label()) draw(session, o, *classifier);
    if (p.multi_label() || p.classes.size() != 2) return;
    std::vector<double> score;
    std::vector<std::uint8_t> label;
    for (std::size_t i = 0; i < p.target.size(); ++i) {
      score.push_back(p.probability[2 * i + 1]);
      label.push_back(p.target[i] == 1);
    }
    tell_operating_point(session, p, score, label, o);
    const auto positives = std::count(label.begin(), label.end(), 1);
    if (!o.out.empty() && positives > 0 && positives < std::ssize(label))
      draw_curves(session, o, score, label, p.classes[1]);
  };
  evaluate_checkpoint(session, o);
}

}  // namespace

void add_test_model(Program& program, CLI::App* group) {
  const auto shared = std::make_shared<EvalCommand>();
  EvalCommand& o = *shared;
  CLI::App* app = program.add(
      group, "test-model", "Confusion matrix, table, AUC with interval by patient, curves and pictures",
      [shared](Session& s) { test_model(s, *shared); },
      "gadolin nodule test-model codes --checkpoint runs/nodule/checkpoints/best.gdck --out "
      "runs/nodule/test");
  app->add_option("codes", o.data, "Folder of features; with film.gdck labelled pictures")->required();
  app->add_option("--checkpoint", o.checkpoint, "Of nodule train-model")->required();
  app->add_option("--out", o.out,
                  "Folder for metrics.json, predictions.csv, report/, cfm.png, errors.png, roc.png and "
                  "precision_recall.png");
  app->add_option("--split", o.split, "train, val, test or all")->capture_default_str();
  app->add_option(
         "--batch-size", o.batch_size,
         "Rows that are computed together; with batch statistics answers depend on it (the original: 25)")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--workers", o.workers, "Threads that read; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option("--resamples", o.resamples, "Of the bootstrap by patient")
      ->check(between(0, 1000000))
      ->capture_default_str();
}

}  // namespace gadolin::nodule
