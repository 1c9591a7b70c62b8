// gadolin eval.
#include "apps/program/ranges.h"
#include "apps/run/box_options.h"
#include "apps/run/evaluate.h"
#include "apps/train/commands.h"

namespace gadolin {

void add_eval_command(Program& program) {
  const auto o = std::make_shared<EvalCommand>();
  const auto checkpoints = std::make_shared<std::vector<std::string>>();
  CLI::App* app = program.add(
      "eval", "Metrics with intervals, predictions of every sample, the HTML report",
      [o, checkpoints](Session& s) {
        EvalCommand run = *o;
        run.checkpoint = checkpoints->front();
        run.more.assign(checkpoints->begin() + 1, checkpoints->end());
        evaluate_checkpoint(s, run);
      },
      "gadolin eval runs/view/split.csv --checkpoint runs/view/checkpoints/best.gdck --out runs/view");
  app->add_option("data", o->data, "Labelled set, as for train")->required();
  app->add_option("--checkpoint", *checkpoints, "Several, separated by commas or repeated, are an ensemble")
      ->required()
      ->delimiter(',');
  app->add_option(
         "--views", o->views,
         "Of each picture, whose answers are averaged: identity, hflip, vflip, both, all, or ten-crop")
      ->capture_default_str();
  app->add_flag("--temperature", o->temperature, "Fit a temperature on these samples (--split val)");
  app->add_option("--thresholds", o->thresholds,
                  "Choose thresholds on these samples: youden, f1, sensitivity:0.9 or specificity:0.9");
  app->add_option("--save", o->save, "Checkpoint to write with what was fitted");
  app->add_option("--out", o->out, "Folder for metrics.json, predictions.csv, confusion.csv and report/");
  app->add_option(
         "--report-cams", o->report_cams,
         "Grad-CAM overlays in the report, of as many surest mistakes and surest right answers; 0: none")
      ->check(between(0, 12))
      ->capture_default_str();
  app->add_option("--report-pictures", o->report_pictures,
                  "Drawn pictures in the report of a detector: as many most missed, false and best ones")
      ->check(between(0, 100))
      ->capture_default_str();
  app->add_option("--max-dets", o->max_detections,
                  "Of a detector: detections of a class that count in a picture; 0: 100")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_option("--split", o->split, "train, val, test or all")->capture_default_str();
  app->add_option("--splits", o->splits,
                  "Take the splits from this table, such as split.csv of a run on IDX files");
  app->add_option("--label-column", o->dataset.label_column, "Column of the labels in a manifest")
      ->capture_default_str();
  app->add_option("--label-key", o->dataset.label_key, "Feature of the labels in TFRecords")
      ->capture_default_str();
  app->add_option("--image-key", o->dataset.image_key, "Feature of the pictures in TFRecords")
      ->capture_default_str();
  app->add_option("--none-label", o->dataset.none_label,
                  "Label that stands for no finding in a multi-label set");
  add_box_options(app, o->dataset, o->skip_wrong);
  app->add_flag("--allow-outside", o->dataset.allow_outside, "A manifest may name files outside its folder");
  add_evaluation_options(app, *o);
}

}  // namespace gadolin
