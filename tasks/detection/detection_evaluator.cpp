#include "tasks/detection/detection_evaluator.h"

#include <cmath>
#include <limits>

#include "io/csv.h"
#include "io/text.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/diagnosis.h"
#include "tasks/detection/operating_score.h"
#include "tasks/detection/voc_metrics.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

FrocOptions froc_options(const BootstrapOptions& bootstrap) {
  FrocOptions options;
  options.bootstrap = bootstrap;
  return options;
}

constexpr std::size_t most_points = 500;  // of the curve in metrics.json

std::string rate_name(double rate) { return "sensitivity_at_" + exact_text(rate); }

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace

DetectionEvaluator::DetectionEvaluator(const DetectionSet& set, std::vector<std::string> classes,
                                       double score)
    : set_(set), classes_(std::move(classes)), score_(score) {}

std::vector<Metric> DetectionEvaluator::metrics() const {
  std::vector<Metric> all;
  for (const char* name : coco_metric_names) all.push_back({name});
  all.insert(all.end(), {{"mAP"}, {"weighted_mAP"}, {"mean_sensitivity"}});
  for (const double rate : FrocOptions{}.rates) all.push_back({rate_name(rate)});
  all.push_back({"picture_auc"});
  return all;
}

double DetectionEvaluator::loss() const { return std::numeric_limits<double>::quiet_NaN(); }

void DetectionEvaluator::add_picture(std::int64_t index, std::vector<Detection> found) {
  const SampleInfo& info = set_.info(index);
  const MarkedPicture& picture = set_.picture(index);
  pictures_.push_back({info.name, picture.id, info.patient, picture.boxes, std::move(found)});
  indices_.push_back(index);
}

void DetectionEvaluator::add(const Batch& batch, const Outputs& outputs) {
  auto found = detections_of(outputs);
  const std::size_t before = pictures_.size();
  for (std::size_t n = 0; n < batch.indices.size(); ++n) add_picture(batch.indices[n], std::move(found[n]));
  check_detections(std::span(pictures_).subspan(before), static_cast<int>(classes_.size()));
}

void DetectionEvaluator::gather(Communicator& communicator) {
  if (communicator.alone()) return;
  std::vector<std::int64_t> counts;
  std::vector<double> numbers;
  for (const DetectedPicture& picture : pictures_) {
    counts.push_back(std::ssize(picture.found));
    for (const Detection& d : picture.found)
      numbers.insert(numbers.end(),
                     {d.box.x1, d.box.y1, d.box.x2, d.box.y2, static_cast<double>(d.box.label), d.score});
  }
  const std::vector<std::int64_t> indices = gather_values(communicator, indices_);
  counts = gather_values(communicator, counts);
  numbers = gather_values(communicator, numbers);
  pictures_.clear();
  indices_.clear();
  const double* n = numbers.data();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::vector<Detection> found;
    for (std::int64_t k = 0; k < counts[i]; ++k, n += 6)
      found.push_back({{n[0], n[1], n[2], n[3], static_cast<int>(n[4])}, n[5]});
    add_picture(indices[i], std::move(found));
  }
}

std::vector<MetricValue> DetectionEvaluator::all(const std::vector<DetectedPicture>& pictures,
                                                 const BootstrapOptions& bootstrap) const {
  const int classes = static_cast<int>(classes_.size());
  const CocoMetrics coco = coco_metrics(pictures, classes);
  const FrocMetrics free = froc(pictures, classes, froc_options(bootstrap));
  std::vector<MetricValue> list;
  for (std::size_t k = 0; k < coco.values.size(); ++k)
    list.push_back({coco_metric_names[k], coco.values[k], {NAN, NAN}});
  const VocMetrics voc = voc_metrics(pictures, classes);
  list.push_back({"mAP", voc.map, {NAN, NAN}});
  list.push_back({"weighted_mAP", voc.weighted_map, {NAN, NAN}});
  const auto add = [&](const std::string& name, const Share& share) {
    list.push_back({name, share.value, share.interval});
  };
  add("mean_sensitivity", free.mean_sensitivity);
  for (const SensitivityAt& at : free.over_all) add(rate_name(at.rate), at.sensitivity);
  add("picture_auc", free.picture_auc);
  return list;
}

std::vector<double> DetectionEvaluator::values(Reals weight) const {
  std::vector<DetectedPicture> drawn;
  if (!weight.empty()) {
    for (std::size_t i = 0; i < pictures_.size(); ++i)
      for (double left = weight[i]; left >= 0.5; --left) drawn.push_back(pictures_[i]);
  }
  std::vector<double> numbers;
  for (const MetricValue& m : all(weight.empty() ? pictures_ : drawn, {.resamples = 0}))
    numbers.push_back(m.value);
  return numbers;
}

std::vector<MetricValue> DetectionEvaluator::finish(const BootstrapOptions& options) const {
  return all(pictures_, options);
}

std::vector<std::string> DetectionEvaluator::patients() const {
  std::vector<std::string> all;
  for (const DetectedPicture& picture : pictures_) all.push_back(picture.patient);
  return all;
}

std::map<std::string, std::string> DetectionEvaluator::facts() const {
  const auto chosen = choose_operating_score(
      froc(pictures_, static_cast<int>(classes_.size()), froc_options({.resamples = 0})));
  if (!chosen) return {};
  return {{"score_threshold", operating_score_to_json(*chosen)}};
}

std::string DetectionEvaluator::diagnosis(const CocoMetrics& coco) const {
  if (!(coco.values[1] == 0)) return "";  // AP at 0.5; NaN has no truth, which its note says
  DiagnosisOptions options;
  options.score_threshold = score_;
  return diagnose_detections(pictures_, classes_, options).text;
}

Json DetectionEvaluator::details() const {
  const int classes = static_cast<int>(classes_.size());
  const CocoMetrics coco = coco_metrics(pictures_, classes);
  const FrocMetrics free = froc(pictures_, classes, froc_options({.resamples = 0}));
  Json json{{"classes", classes_},
            {"pictures", coco.pictures},
            {"truths", coco.truths},
            {"detections", coco.detections},
            {"normals",
             {{"pictures", coco.normals},
              {"silent", coco.silent_normals},
              {"alarms", coco.normal_alarms},
              {"alarms_per_picture",
               number_json(static_cast<double>(coco.normal_alarms) / static_cast<double>(coco.normals))}}}};
  for (std::size_t k = 0; k < classes_.size(); ++k)
    json["per_class"].push_back({{"class", classes_[k]},
                                 {"AP", number_json(coco.class_ap[k])},
                                 {"AP50", number_json(coco.class_ap50[k])}});
  // A point a distinct score would be millions for a large set; the last one is always there.
  Json curve = Json::array();
  const std::size_t points = free.curve.size(), step = points / most_points + 1;
  for (std::size_t k = 0; k < points; ++k) {
    const FrocPoint& p = free.curve[k];
    if (k % step != 0 && k + 1 != points) continue;
    curve.push_back({p.threshold, number_json(p.sensitivity), number_json(p.false_per_picture)});
  }
  json["froc"] = std::move(curve);
  json["notes"] = coco.notes;
  if (const std::string why = diagnosis(coco); !why.empty()) json["notes"].push_back(why);
  return json;
}

std::vector<std::pair<std::string, std::string>> DetectionEvaluator::files() const {
  CsvTable table{"detections.csv", {"path", "x1", "y1", "x2", "y2", "class", "score"}, {}, {}};
  for (std::size_t i = 0; i < pictures_.size(); ++i) {
    for (const Detection& d : pictures_[i].found)
      table.rows.push_back({pictures_[i].name, exact_text(d.box.x1), exact_text(d.box.y1),
                            exact_text(d.box.x2), exact_text(d.box.y2),
                            classes_[static_cast<std::size_t>(d.box.label)], exact_text(d.score)});
  }
  return {{"detections.csv", to_csv(table)}};
}

std::vector<TextRows> DetectionEvaluator::tables() const {
  const CocoMetrics coco = coco_metrics(pictures_, static_cast<int>(classes_.size()));
  TextRows per_class{{"class", "AP", "AP50"}};
  for (std::size_t k = 0; k < classes_.size(); ++k)
    per_class.push_back(
        {classes_[k], detection_value_text(coco.class_ap[k]), detection_value_text(coco.class_ap50[k])});
  std::vector<TextRows> tables{per_class};
  for (const std::string& note : coco.notes) tables.push_back({{note}});
  if (const std::string why = diagnosis(coco); !why.empty()) tables.push_back({{why}});
  return tables;
}

void report_detection(const std::string& folder, const Json& metrics, report::RunReport& page) {
  const auto number = [](const Json& json) {
    return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
  };
  page.kind = "Detection";
  try {
    for (const auto& [name, m] : metrics.at("metrics").items())
      page.metrics.push_back({name, number(m.at("value")), number(m.at("low")), number(m.at("high"))});
    report::Table table{
        "Average precision by class", {"class", "AP", "AP50"}, {}, "IoU 0.5 to 0.95, and 0.5"};
    for (const Json& one : metrics.at("per_class"))
      table.rows.push_back({one.at("class").get<std::string>(), detection_value_text(number(one.at("AP"))),
                            detection_value_text(number(one.at("AP50")))});
    page.tables.push_back(std::move(table));
    report::Curve curve{"FROC", "false alarms a picture", "sensitivity", {{"all classes", {}, {}}}, false};
    for (const Json& point : metrics.at("froc")) {
      curve.series[0].x.push_back(number(point.at(2)));
      curve.series[0].y.push_back(number(point.at(1)));
    }
    if (!curve.series[0].x.empty()) page.curves.push_back(std::move(curve));
    const Json& normals = metrics.at("normals");
    page.data.push_back({"pictures", std::to_string(metrics.at("pictures").get<std::int64_t>())});
    page.data.push_back({"objects", std::to_string(metrics.at("truths").get<std::int64_t>())});
    page.data.push_back(
        {"pictures without objects, of them silent",
         cat(normals.at("pictures").get<std::int64_t>(), ", ", normals.at("silent").get<std::int64_t>())});
    for (const Json& note : metrics.at("notes")) page.notes.push_back(note.get<std::string>());
  } catch (const Json::exception& error) {
    fail<FormatError>("report: ", folder, "/metrics.json is none of a detector: ", error.what(),
                      "; evaluate again");
  }
}

}  // namespace gadolin
