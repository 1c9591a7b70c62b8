// gadolin mammography evaluate: the original's flags and lines on the one evaluation.
#include <chrono>
#include <filesystem>
#include <map>

#include "apps/mammography/anchor_file.h"
#include "apps/mammography/commands.h"
#include "apps/mammography/marked_data.h"
#include "apps/mammography/precisions.h"
#include "apps/mammography/reading.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/evaluate.h"
#include "io/atomic_file.h"
#include "tasks/detection/froc.h"
#include "tasks/inputs.h"
#include "tasks/net_options.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

struct EvaluateFlags {
  MarkedData data;
  std::string split = "auto", splits, out, save_path, save, backbone, config, views = "identity",
              group_method = "ratio", hit = "iou";
  double score_threshold = 0.05, iou_threshold = 0.5, froc_iou = 0.2;
  int max_detections = 100;
  EvaluationOptions how{.batch_size = 1, .workers = 1};
  bool convert_model = false, no_resize = false, weighted_average = false;
  std::optional<int> min_side, max_side;
};

// The checkpoint says how pictures come to the net; flags may repeat it, not contradict it.
void check_against(const DetectionTask& task, const EvaluateFlags& f, const std::string& model) {
  const std::string what = "mammography evaluate: " + model + " ";
  require<UsageError>(f.backbone.empty() || task.model().starts_with("retinanet_" + f.backbone + "_fpn"),
                      what, "is of ", task.model(), ", not of the backbone ", f.backbone,
                      "; leave --backbone out");
  const std::string steps = task.pipeline().text();
  const std::size_t at = steps.find("fit:");
  int least = 0, most = 0;
  if (at != std::string::npos) std::sscanf(steps.c_str() + at, "fit:%d:%d", &least, &most);
  require<UsageError>((!f.min_side || *f.min_side == least) && (!f.max_side || *f.max_side == most) &&
                          (!f.no_resize || at == std::string::npos),
                      what, "sees pictures by ", steps,
                      "; leave --image-min-side, --image-max-side and --no-resize out");
  if (f.config.empty()) return;
  const Json settings = settings_to_json(task.settings());
  for (const std::string& option : anchor_options(f.config)) {
    NetOptions one;
    add_net_option(one, option);
    DetectorSettings asked = task.settings();
    const std::string name = one.begin()->first;
    const Json now = settings_to_json(take_settings(one));
    require<UsageError>(now.at(name) == settings.at(name), what, "has ", name, " ", settings.at(name).dump(),
                        ", not those of ", f.config, "; leave --config out");
  }
}

FrocOptions froc_options_of(const EvaluateFlags& f, double threshold, std::uint64_t seed) {
  FrocOptions how;
  how.hit = f.hit == "centre" ? FrocOptions::Hit::centre : FrocOptions::Hit::iou;
  how.iou = f.froc_iou;
  how.threshold = threshold;
  how.bootstrap.resamples = f.how.resamples;
  how.bootstrap.seed = seed;
  return how;
}

void say_froc(Session& session, const DetectionEvaluator& evaluator, std::size_t classes,
              const FrocOptions& how) {
  const FrocMetrics m = froc(evaluator.pictures(), static_cast<int>(classes), how);
  const auto text = [](const Share& s) {
    if (std::isnan(s.value)) return std::string("not defined");
    return fixed(s.value, 3) + (std::isnan(s.interval.low) ? ""
                                                           : cat(" (", fixed(s.interval.low, 3), " to ",
                                                                 fixed(s.interval.high, 3), ")"));
  };
  session.say(cat(m.lesions, " lesions in ", m.pictures, " films, ", m.normals, " of them normal; a hit is ",
                  how.hit == FrocOptions::Hit::centre ? "a centre inside the lesion"
                                                      : cat("an overlap of ", exact_text(how.iou))));
  TextRows rows{{"false alarms a film", "sensitivity, all films", "sensitivity, normal films"}};
  for (std::size_t i = 0; i < m.over_all.size(); ++i)
    rows.push_back({exact_text(m.over_all[i].rate), text(m.over_all[i].sensitivity),
                    text(m.over_normals[i].sensitivity)});
  session.say(format_table(rows));
  const std::string at = " at score " + exact_text(how.threshold);
  TextRows shares{{"AUC of films", text(m.picture_auc)}};
  if (m.breasts > 0) shares.push_back({breasts_text(m, "films"), text(m.breast_auc)});
  shares.insert(shares.end(), {{"AUC of patients", text(m.patient_auc)},
                               {"cases found" + at, text(m.case_sensitivity)},
                               {"normal films without a detection" + at, text(m.specificity)}});
  session.say(format_table(shares, false));
  if (m.breasts > 0) session.metric("breast_auc", m.breast_auc.value);
  for (const SensitivityAt& s : m.over_all)
    session.metric("sensitivity_at_" + exact_text(s.rate), s.sensitivity.value);
  session.metric("case_sensitivity", m.case_sensitivity.value);
  session.metric("specificity", m.specificity.value);
}

// What is drawn of an evaluation: truth and detections of every film.
void save_films(const EvaluateFlags& f, const DetectionEvaluator& evaluator, const DetectionSet& set,
                double score) {
  std::map<std::string, std::int64_t> place;
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    place[set.info(i).name] = i;
    names.push_back(set.info(i).name);
  }
  const std::vector<std::string> stems = distinct_stems(names);
  for (const DetectedPicture& picture : evaluator.pictures()) {
    const std::int64_t i = place.at(picture.name);
    draw_film(f.save_path, stems[static_cast<std::size_t>(i)], set.image(i), picture.truth,
              scoring(picture.found, score), set.classes());
  }
}

// Of coco: the two files that the original leaves.
void write_coco_files(Session& session, const EvaluateFlags& f, const DetectionEvaluator& evaluator,
                      const DetectionSet& set, const std::string& part) {
  const std::string results = f.out + "/" + part + "_bbox_results.json",
                    ids = f.out + "/" + part + "_processed_image_ids.json";
  write_coco_results(results, set, evaluator.pictures());
  Json list = Json::array();
  for (const DetectedPicture& picture : evaluator.pictures()) list.push_back(picture.id);
  write_file_atomically(ids, list.dump());
  session.output("results", results);
  session.output("image_ids", ids);
}

void evaluate(Session& session, EvaluateFlags f) {
  require<UsageError>(f.hit == "iou" || f.hit == "centre", "--hit ", f.hit, " is unknown; use iou or centre");
  const std::string model = take_model(f.data, "evaluate");
  if (!f.save_path.empty()) check_output_folder("mammography evaluate: --save-path", f.save_path);
  if (f.convert_model)
    session.log("mammography evaluate: --convert-model changes nothing: every checkpoint can be evaluated");
  if (f.group_method != "ratio")
    session.log(
        "mammography evaluate: --group-method changes nothing: films give the same boxes in any batch");
  EvalCommand c;
  c.data = f.data.paths[0];
  c.checkpoint = model;
  c.out = f.out;
  c.split = "all";
  c.splits = f.splits;
  static_cast<EvaluationOptions&>(c) = f.how;
  c.views = f.views;
  c.save = f.save;
  if (!f.save.empty()) c.thresholds = "f1";
  std::unique_ptr<DetectionSet> looked_at;
  ShownFrom from;
  std::vector<std::string> classes;
  std::string split;
  c.open = [&](const Task& task, EvalCommand& o) -> std::unique_ptr<Dataset> {
    const DetectionTask& detector = as_detector(task, model);
    check_against(detector, f, model);
    from = shown_from(detector, {}, f.score_threshold);
    classes = detector.classes();
    MarkedData data = f.data;
    data.skip_wrong = data.skip_wrong || f.how.bad_samples == "skip";
    auto set = open_marked(session, data, classes);
    if (!o.splits.empty()) read_splits(o.splits, *set);
    o.splits.clear();
    o.split = f.split;
    auto part = part_of(*set, o.split);
    split = o.split;
    std::string all = "all";
    looked_at = part_of(*part, all);
    return part;
  };
  const auto began = std::chrono::steady_clock::now();
  c.evaluated = [&](const Evaluator& any) {
    const auto& evaluator = dynamic_cast<const DetectionEvaluator&>(any);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    say_precisions(
        session, evaluator, classes,
        {.iou = f.iou_threshold, .score_threshold = f.score_threshold, .max_detections = f.max_detections},
        f.weighted_average);
    session.say(cat("time for ", evaluator.pictures().size(), " films: ", fixed(seconds, 2), " s, ",
                    fixed(seconds / static_cast<double>(evaluator.pictures().size()), 4), " s each"));
    session.say("boxes are shown from " + from.text);
    say_froc(session, evaluator, classes.size(), froc_options_of(f, from.score, session.common().seed));
    if (!f.save_path.empty()) save_films(f, evaluator, *looked_at, from.score);
    if (f.data.form == "coco" && !f.out.empty()) {
      make_folders("mammography evaluate", f.out);
      write_coco_files(session, f, evaluator, *looked_at, split);
    }
  };
  evaluate_checkpoint(session, c);
}

}  // namespace

void add_evaluate(Program& program, CLI::App* group) {
  const auto f = std::make_shared<EvaluateFlags>();
  CLI::App* app = program.add(
      group, "evaluate", "Average precision, FROC and AUC of a detector on films with boxes",
      [f](Session& s) { evaluate(s, *f); },
      "gadolin mammography evaluate csv films/boxes.csv runs/mammo/checkpoints/best.gdck --out "
      "runs/mammo/test");
  add_marked_data(app, f->data, true);
  app->add_option("--split", f->split, "train, val, test or all; auto: test where there is one, else val")
      ->capture_default_str();
  app->add_option("--splits", f->splits, "Take the splits from this table, such as split.csv of a run");
  app->add_option("--out", f->out, "Folder for metrics.json, detections.csv and report/");
  app->add_option("--save-path", f->save_path, "Folder for the films with truth and detections drawn");
  app->add_option("--save", f->save,
                  "Checkpoint to write with the score chosen on these films (--split val)");
  app->add_option("--score-threshold", f->score_threshold, "Of average precision: a detection has more")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--iou-threshold", f->iou_threshold, "Of average precision: overlap of a hit")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--max-detections", f->max_detections, "Of average precision: detections of a film")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--hit", f->hit, "Of FROC: iou, or centre, the detection's centre inside the lesion")
      ->capture_default_str();
  app->add_option("--froc-iou", f->froc_iou, "Of FROC: overlap that hits a lesion")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--views", f->views,
                  "Of each film, whose boxes are fused: identity, hflip, vflip, both, or all")
      ->capture_default_str();
  app->add_flag("--weighted-average", f->weighted_average, "Also the mAP weighted by instances");
  app->add_option("--backbone", f->backbone, "Must be that of the checkpoint");
  app->add_option("--image-min-side", f->min_side, "Must be that of the checkpoint")
      ->check(between(1, 16384));
  app->add_option("--image-max-side", f->max_side, "Must be that of the checkpoint")
      ->check(between(1, 16384));
  app->add_flag("--no-resize", f->no_resize, "Must be as in the checkpoint");
  app->add_option("--config", f->config, "Anchors; must be those of the checkpoint");
  app->add_flag("--convert-model", f->convert_model, "Changes nothing: every checkpoint can be evaluated");
  app->add_option("--group-method", f->group_method, "Changes nothing: a film gives the same boxes anywhere")
      ->capture_default_str();
  add_evaluation_options(app, f->how);
}

}  // namespace gadolin::mammography
