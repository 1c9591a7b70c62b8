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
Json froc_share_json(const Share& s) {
  return {{"value", number_json(s.value)},
          {"low", number_json(s.interval.low)},
          {"high", number_json(s.interval.high)}};
}

}  // namespace

DetectionEvaluator::DetectionEvaluator(const DetectionSet& set, std::vector<std::string> classes,
                                       double score)
    : set_(set), classes_(std::move(classes)), score_(score) {
  for (std::int64_t i = 0; i < set.size() && !breasts_; ++i) breasts_ = !breast_of(set, i).empty();
}

void DetectionEvaluator::set_max_detections(int most) {
  require<UsageError>(most >= 1, "detection: ", most,
                      " detections a picture count for nothing; use 1 or more");
  most_ = most;
  measured_.reset();
}

std::vector<Metric> DetectionEvaluator::metrics() const {
  std::vector<Metric> all;
  for (const char* name : coco_metric_names) all.push_back({name});
  all.insert(all.end(), {{"mAP"}, {"weighted_mAP"}, {"mean_sensitivity"}});
  for (const double rate : FrocOptions{}.rates) all.push_back({rate_name(rate)});
  all.push_back({"picture_auc"});
  if (breasts_) all.push_back({"breast_auc"});
  return all;
}

double DetectionEvaluator::loss() const { return std::numeric_limits<double>::quiet_NaN(); }

void DetectionEvaluator::add_picture(std::int64_t index, std::vector<Detection> found) {
  const SampleInfo& info = set_.info(index);
  const MarkedPicture& picture = set_.picture(index);
  pictures_.push_back(
      {info.name, picture.id, info.patient, picture.boxes, std::move(found), breast_of(set_, index)});
  indices_.push_back(index);
  measured_.reset();
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
  measured_.reset();
  const double* n = numbers.data();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::vector<Detection> found;
    for (std::int64_t k = 0; k < counts[i]; ++k, n += 6)
      found.push_back({{n[0], n[1], n[2], n[3], static_cast<int>(n[4])}, n[5]});
    add_picture(indices[i], std::move(found));
  }
}

std::vector<std::string> DetectionEvaluator::patients() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < pictures_.size(); ++i)  // a name cannot be mistaken for a picture
    all.push_back(pictures_[i].patient.empty() ? cat("picture ", i) : "patient " + pictures_[i].patient);
  return all;
}

std::shared_ptr<const DetectionEvaluator::Measured> DetectionEvaluator::measure(
    const BootstrapOptions& options) const {
  const int classes = static_cast<int>(classes_.size());
  CocoMatches coco(pictures_, classes, {.max_detections = {std::min(1, most_), std::min(10, most_), most_}});
  std::vector<Interval> intervals(12 + 2 * classes_.size(), {detail::no_value, detail::no_value});
  if (options.resamples > 0)
    intervals = bootstrap_all(
        patients(), [&](Reals weight) { return coco.values(weight); }, options);
  FrocMetrics free = froc(pictures_, classes, froc_options(options));
  return std::make_shared<const Measured>(
      Measured{std::move(coco), std::move(free), voc_metrics(pictures_, classes), std::move(intervals)});
}

const DetectionEvaluator::Measured& DetectionEvaluator::measured() const {
  if (!measured_) measured_ = measure({.resamples = 0});
  return *measured_;
}

std::vector<double> DetectionEvaluator::values(Reals weight) const {
  std::vector<double> all = measured().coco.values(weight);
  all.resize(12);
  std::vector<DetectedPicture> drawn;
  for (std::size_t i = 0; i < weight.size(); ++i)
    for (double left = weight[i]; left >= 0.5; --left) {
      drawn.push_back(pictures_[i]);
      // A patient who is drawn again is another one.
      if (std::string& breast = drawn.back().breast; !breast.empty()) breast += cat(" ", left);
    }
  const int classes = static_cast<int>(classes_.size());
  const VocMetrics voc = weight.empty() ? measured().voc : voc_metrics(drawn, classes);
  const FrocMetrics free =
      weight.empty() ? measured().froc : froc(drawn, classes, froc_options({.resamples = 0}));
  all.push_back(voc.map);
  all.push_back(voc.weighted_map);
  all.push_back(free.mean_sensitivity.value);
  for (const SensitivityAt& at : free.over_all) all.push_back(at.sensitivity.value);
  all.push_back(free.picture_auc.value);
  if (breasts_) all.push_back(free.breast_auc.value);
  return all;
}

std::vector<MetricValue> DetectionEvaluator::finish(const BootstrapOptions& options) const {
  measured_ = measure(options);
  const FrocMetrics& free = measured_->froc;
  std::vector<MetricValue> list;
  for (std::size_t k = 0; k < coco_metric_names.size(); ++k)
    list.push_back({coco_metric_names[k], measured_->coco.metrics().values[k], measured_->intervals[k]});
  list.push_back({"mAP", measured_->voc.map, {detail::no_value, detail::no_value}});
  list.push_back({"weighted_mAP", measured_->voc.weighted_map, {detail::no_value, detail::no_value}});
  list.push_back({"mean_sensitivity", free.mean_sensitivity.value, free.mean_sensitivity.interval});
  for (const SensitivityAt& at : free.over_all)
    list.push_back({rate_name(at.rate), at.sensitivity.value, at.sensitivity.interval});
  list.push_back({"picture_auc", free.picture_auc.value, free.picture_auc.interval});
  if (breasts_) list.push_back({"breast_auc", free.breast_auc.value, free.breast_auc.interval});
  return list;
}

std::string DetectionEvaluator::undefined(const std::string& metric) const {
  if (metric == "picture_auc") return "not defined: pictures of one kind";
  if (metric == "breast_auc") return "not defined: breasts of one kind";
  const char size = metric.back();
  const bool of_size = metric.starts_with("A") && (size == 's' || size == 'm' || size == 'l');
  return of_size ? "not defined: no truth of this size" : "not defined: no truth";
}

double DetectionEvaluator::drawn_from() const {
  for (const SensitivityAt& at : measured().froc.over_all)
    if (at.rate == 1 && std::isfinite(at.threshold)) return at.threshold;
  return 0.5;
}

std::vector<std::string> DetectionEvaluator::notes() const {
  std::vector<std::string> all = measured().coco.metrics().notes;
  if (measured().coco.metrics().values[1] == 0) {  // AP at 0.5; NaN has no truth, which its note says
    DiagnosisOptions options;
    options.score_threshold = score_;
    if (std::string why = diagnose_detections(pictures_, classes_, options).text; !why.empty())
      all.push_back(std::move(why));
  }
  return all;
}

Json DetectionEvaluator::class_json(std::size_t label) const {
  const CocoMetrics& coco = measured().coco.metrics();
  const Interval ap = measured().intervals[12 + label],
                 ap50 = measured().intervals[12 + classes_.size() + label];
  Json json{{"class", classes_[label]},
            {"truths", coco.class_truths[label]},
            {"AP", number_json(coco.class_ap[label])},
            {"AP_low", number_json(ap.low)},
            {"AP_high", number_json(ap.high)},
            {"AP50", number_json(coco.class_ap50[label])},
            {"AP50_low", number_json(ap50.low)},
            {"AP50_high", number_json(ap50.high)}};
  const PrecisionCurve curve = measured().coco.precision_of(static_cast<int>(label));
  const auto rounded = [](const std::vector<double>& values) {
    Json list = Json::array();
    for (const double v : values) list.push_back(std::round(v * 1e4) / 1e4);
    return list;
  };
  json["precision_at_50"] = rounded(curve.at50);
  json["precision"] = rounded(curve.mean);
  return json;
}

std::map<std::string, std::string> DetectionEvaluator::facts() const {
  const auto chosen = choose_operating_score(measured().froc);
  if (!chosen) return {};
  return {{"score_threshold", operating_score_to_json(*chosen)}};
}

Json DetectionEvaluator::details() const {
  const CocoMetrics& coco = measured().coco.metrics();
  const FrocMetrics& free = measured().froc;
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
  json["per_class"] = Json::array();
  for (std::size_t k = 0; k < classes_.size(); ++k) json["per_class"].push_back(class_json(k));
  // A point a distinct score would be millions for a large set; the last one is always there.
  Json curve = Json::array(), band = Json::array(), rates = Json::array();
  const std::size_t points = free.curve.size(), step = points / most_points + 1;
  for (std::size_t k = 0; k < points; ++k) {
    const FrocPoint& p = free.curve[k];
    if (k % step != 0 && k + 1 != points) continue;
    curve.push_back({p.threshold, number_json(p.sensitivity), number_json(p.false_per_picture)});
  }
  json["froc"] = std::move(curve);
  for (const SensitivityAt& at : free.band) {
    const Interval& i = at.sensitivity.interval;
    band.push_back({at.rate, number_json(at.sensitivity.value), number_json(i.low), number_json(i.high)});
  }
  json["froc_band"] = std::move(band);
  for (std::size_t k = 0; k < free.over_all.size(); ++k)
    rates.push_back({{"rate", free.over_all[k].rate},
                     {"over_all", froc_share_json(free.over_all[k].sensitivity)},
                     {"over_normals", froc_share_json(free.over_normals[k].sensitivity)}});
  json["false_alarms"] = {{"lesions", free.lesions},
                          {"pictures", free.pictures},
                          {"normals", free.normals},
                          {"sensitivity_at", std::move(rates)},
                          {"threshold", FrocOptions{}.threshold},
                          {"per_picture", number_json(free.alarms_per_picture)},
                          {"per_normal", number_json(free.alarms_per_normal)},
                          {"breasts", free.breasts},
                          {"specificity", froc_share_json(free.specificity)},
                          {"case_sensitivity", froc_share_json(free.case_sensitivity)}};
  json["notes"] = notes();
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
  const CocoMetrics& coco = measured().coco.metrics();
  const FrocMetrics& free = measured().froc;
  const auto& intervals = measured().intervals;
  TextRows per_class{{"class", "objects", "AP", "AP50"}};
  for (std::size_t k = 0; k < classes_.size(); ++k)
    per_class.push_back({classes_[k], cat(coco.class_truths[k]),
                         detection_share_text({coco.class_ap[k], intervals[12 + k]}),
                         detection_share_text({coco.class_ap50[k], intervals[12 + classes_.size() + k]})});
  TextRows rates{{"false alarms a picture", cat("sensitivity, over all ", free.pictures, " pictures"),
                  cat("over ", free.normals, " without objects")}};
  for (std::size_t k = 0; k < free.over_all.size(); ++k)
    rates.push_back({exact_text(free.over_all[k].rate), detection_share_text(free.over_all[k].sensitivity),
                     detection_share_text(free.over_normals[k].sensitivity, "no such picture")});
  const std::string threshold = exact_text(FrocOptions{}.threshold);
  const auto alarms = [](double value, std::int64_t of) {
    return std::isnan(value) ? std::string("not defined: no such picture")
                             : cat(fixed(value, 3), " (", of, ")");
  };
  TextRows counts{
      {"from the score " + threshold + " on", ""},
      {"false alarms a picture, over all", alarms(free.alarms_per_picture, free.pictures)},
      {"false alarms a picture without objects", alarms(free.alarms_per_normal, free.normals)},
      {"pictures without objects that are silent", detection_share_text(free.specificity, "no such picture")},
      {"patients of whom an object is found", detection_share_text(free.case_sensitivity)}};
  std::vector<TextRows> tables{per_class, rates, counts};
  for (const std::string& note : notes()) tables.push_back({{note}});
  return tables;
}

}  // namespace gadolin
