// gadolin chestxray test: a net on films that it has not seen, finding by finding.
#include <optional>

#include "apps/chestxray/commands.h"
#include "apps/chestxray/comparison.h"
#include "apps/chestxray/films.h"
#include "apps/chestxray/seed_checkpoint.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/evaluate.h"
#include "tasks/classification_evaluator.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

struct TestFlags {
  std::string data, ckpt, out, split = "test", splits, tta = "none", against;
  EvaluationOptions how;
  double specificity = 0.9;
  int report_cams = 4;
  bool allow_outside = false;
};

void test(Session& session, const TestFlags& f) {
  std::optional<OtherNet> other;
  if (!f.against.empty()) other.emplace(f.against);
  const OpenedCheckpoint checkpoint(f.ckpt, session);
  EvalCommand o;
  o.data = f.data;
  o.checkpoint = checkpoint.path();
  o.out = f.out;
  o.split = f.split;
  o.splits = f.splits;
  o.views = views_of_tta(f.tta);
  static_cast<EvaluationOptions&>(o) = f.how;
  o.report_cams = f.report_cams;
  o.dataset.allow_outside = f.allow_outside;
  o.open = [&](const Task& task, EvalCommand& settled) {
    as_findings(task, "chestxray test", f.ckpt);
    return task.open(settled.data, settled.dataset);
  };
  o.prepare = [&](Evaluator& any) {
    auto& evaluator = dynamic_cast<ClassificationEvaluator&>(any);
    evaluator.measure_findings({f.specificity});
    evaluator.name_rows("Image Index");
    if (other) other->check(evaluator);
  };
  if (other)
    o.evaluated = [&](const Evaluator& any) {
      other->compare(session, dynamic_cast<const ClassificationEvaluator&>(any), f.out);
    };
  evaluate_checkpoint(session, o);
}

}  // namespace

void add_test(Program& program, CLI::App* group) {
  const auto f = std::make_shared<TestFlags>();
  CLI::App* app = program.add(
      group, "test", "AUC, average precision, F1 and calibration of every finding, with intervals by patient",
      [f](Session& s) { test(s, *f); },
      "gadolin chestxray test nih/manifest.csv --ckpt runs/chest/checkpoints/best.gdck --out "
      "runs/chest/test");
  app->add_option("data", f->data, "Manifest of chestxray prepare, or split.csv of a run")->required();
  app->add_option("--ckpt,--checkpoint", f->ckpt,
                  "A checkpoint, the folder of a run, or a .pth of the original program")
      ->required();
  app->add_option("--out", f->out, "Folder for metrics.json, predictions.csv, samples.csv and report/");
  app->add_option("--split", f->split, "train, val, test or all")->capture_default_str();
  app->add_option("--splits", f->splits, "Take the splits from this table");
  app->add_option("--tta", f->tta, "Views whose probabilities are averaged: none, hflip or ten-crop")
      ->check(one_of({"none", "hflip", "ten-crop"}))
      ->capture_default_str();
  app->add_option("--specificity", f->specificity, "At which the sensitivity of each finding is told")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--against", f->against, "predictions.csv of another net on these films: DeLong's test");
  app->add_option("--report-cams", f->report_cams, "Grad-CAM overlays in the report; 0: none")
      ->check(between(0, 12))
      ->capture_default_str();
  app->add_flag("--allow-outside", f->allow_outside, "The manifest may name files outside its folder");
  add_evaluation_options(app, f->how, "--batch-size,--bs");
}

}  // namespace gadolin::chestxray
