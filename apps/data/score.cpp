// gadolin data score: the numbers of a file of detections, without a net.
#include <cmath>
#include <memory>

#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "tasks/detection/coco_metrics.h"
#include "tasks/detection/diagnosis.h"
#include "tasks/detection/froc.h"
#include "tasks/detection/voc_metrics.h"
#include "tensor/check.h"

namespace gadolin {

void add_data_score(Program& program, CLI::App* group);

namespace {

struct DataScoreOptions {
  std::string annotations, detections, patient_until;
  bool voc = false, froc = false;
  int max_dets = 100;
  double iou = 0.5, froc_iou = 0.2;
};

Json number_or_null(double value) { return std::isnan(value) ? Json() : Json(value); }

// A share with its interval: "0.667 (0.250 to 1.000)".
std::string share_text(const Share& s) {
  if (std::isnan(s.value)) return "not defined";
  return fixed(s.value, 3) + (std::isnan(s.interval.low) ? ""
                                                         : cat(" (", fixed(s.interval.low, 3), " to ",
                                                               fixed(s.interval.high, 3), ")"));
}

double score_coco(Session& session, const DataScoreOptions& o, const DetectionSet& set,
                  std::span<const DetectedPicture> pictures) {
  const CocoMetrics m =
      coco_metrics(pictures, set.num_classes(),
                   {.max_detections = {std::min(1, o.max_dets), std::min(10, o.max_dets), o.max_dets}});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < m.values.size(); ++i) {
    rows.push_back({coco_metric_names[i], detection_value_text(m.values[i])});
    session.metric(coco_metric_names[i], number_or_null(m.values[i]));
  }
  rows.push_back({"pictures", std::to_string(m.pictures)});
  rows.push_back({"truths", std::to_string(m.truths)});
  rows.push_back({"detections", std::to_string(m.detections)});
  rows.push_back({"pictures without truth", std::to_string(m.normals)});
  rows.push_back({"of them without a detection", std::to_string(m.silent_normals)});
  rows.push_back({"detections on them", std::to_string(m.normal_alarms)});
  session.say(format_table(rows, false));
  for (const std::string& note : m.notes) session.say("note: " + note);
  session.metric("pictures_without_truth", m.normals);
  session.metric("detections_on_them", m.normal_alarms);
  return m.values[0];
}

double score_voc(Session& session, const DataScoreOptions& o, const DetectionSet& set,
                 std::span<const DetectedPicture> pictures) {
  VocOptions how;
  how.iou = o.iou;
  how.max_detections = o.max_dets;
  const VocMetrics m = voc_metrics(pictures, set.num_classes(), how);
  how.form = ApForm::eleven_points;
  const VocMetrics eleven = voc_metrics(pictures, set.num_classes(), how);
  std::vector<std::vector<std::string>> rows{{"class", "instances", "AP", "AP, 11 points"}};
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    rows.push_back({set.classes()[c], std::to_string(m.classes[c].instances),
                    detection_value_text(m.classes[c].ap), detection_value_text(eleven.classes[c].ap)});
  }
  rows.push_back({"mAP", "", detection_value_text(m.map), detection_value_text(eleven.map)});
  rows.push_back({"mAP by instances", "", detection_value_text(m.weighted_map),
                  detection_value_text(eleven.weighted_map)});
  session.say(format_table(rows));
  session.metric("mAP", number_or_null(m.map));
  session.metric("weighted_mAP", number_or_null(m.weighted_map));
  session.metric("mAP_11", number_or_null(eleven.map));
  return m.map;
}

void score_froc(Session& session, const DataScoreOptions& o, const DetectionSet& set,
                std::span<const DetectedPicture> pictures) {
  FrocOptions how;
  how.iou = o.froc_iou;
  how.bootstrap.seed = session.common().seed;
  const FrocMetrics m = froc(pictures, set.num_classes(), how);
  session.say(cat(m.lesions, " lesions in ", m.pictures, " pictures, ", m.normals,
                  " of them normal; false alarms over all ", m.pictures, " and, of normal pictures, over ",
                  m.normals));
  std::vector<std::vector<std::string>> rows{
      {"false alarms a picture", "sensitivity, all", "sensitivity, normals"}};
  for (std::size_t i = 0; i < m.over_all.size(); ++i) {
    rows.push_back({exact_text(m.over_all[i].rate), share_text(m.over_all[i].sensitivity),
                    share_text(m.over_normals[i].sensitivity)});
    session.metric("sensitivity_at_" + exact_text(m.over_all[i].rate),
                   number_or_null(m.over_all[i].sensitivity.value));
  }
  rows.push_back({"mean", share_text(m.mean_sensitivity), share_text(m.mean_sensitivity_normals)});
  session.say(format_table(rows));
  std::vector<std::vector<std::string>> shares{{"AUC of pictures", share_text(m.picture_auc)}};
  if (m.breasts > 0) {
    shares.push_back({breasts_text(m, "pictures"), share_text(m.breast_auc)});
    session.metric("breast_auc", number_or_null(m.breast_auc.value));
  }
  shares.insert(shares.end(), {{"AUC of patients", share_text(m.patient_auc)},
                               {cat("cases found at ", how.threshold), share_text(m.case_sensitivity)},
                               {"normal pictures without a detection", share_text(m.specificity)}});
  session.say(format_table(shares, false));
  session.metric("mean_sensitivity", number_or_null(m.mean_sensitivity.value));
  session.metric("picture_auc", number_or_null(m.picture_auc.value));
  session.metric("specificity", number_or_null(m.specificity.value));
}

void score(Session& session, const DataScoreOptions& o) {
  DatasetOptions options;
  options.as_written = true;
  options.patient_until = o.patient_until;
  const auto set = open_coco(o.annotations, options);
  std::vector<DetectedPicture> pictures = pictures_of(*set);
  read_coco_results(o.detections, *set, pictures);
  const double ap = o.voc ? score_voc(session, o, *set, pictures) : score_coco(session, o, *set, pictures);
  if (o.froc) score_froc(session, o, *set, pictures);
  if (ap >= 0.005) return;
  const DetectionDiagnosis d = diagnose_detections(pictures, set->classes());
  if (d.cause == DetectionDiagnosis::Cause::none) return;
  session.say("why nothing is found: " + d.text);
  session.metric("diagnosis", d.text);
}

}  // namespace

void add_data_score(Program& program, CLI::App* group) {
  const auto o = std::make_shared<DataScoreOptions>();
  CLI::App* app = program.add(
      group, "score", "The numbers of a file of detections, without a net", [o](Session& s) { score(s, *o); },
      "gadolin data score --annotations instances_val.json --detections results.json");
  app->add_option("--annotations", o->annotations, "COCO's JSON with images, annotations and categories")
      ->required();
  app->add_option("--detections", o->detections, "List of image_id, category_id, bbox and score")->required();
  app->add_flag("--voc", o->voc, "Average precision of Pascal VOC instead of COCO's twelve numbers");
  app->add_option("--iou", o->iou, "Of --voc: overlap of a hit")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--max-dets", o->max_dets, "Detections of a picture that count")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_flag("--froc", o->froc, "Also FROC, AUC of pictures and patients, and silent normal pictures");
  app->add_option("--froc-iou", o->froc_iou, "Overlap that hits a lesion")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--patient-until", o->patient_until,
                  "The name of a picture's file up to one of these characters is its patient");
}

}  // namespace gadolin
