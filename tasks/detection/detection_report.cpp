#include "tasks/detection/detection_report.h"

#include <cmath>
#include <limits>

#include "io/text.h"
#include "tasks/detection/coco_metrics.h"
#include "tasks/detection/draw.h"
#include "tasks/report_gallery.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

double real(const Json& json) {
  return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
}
Share reported_share(const Json& value, const Json& low, const Json& high) {
  return {real(value), {real(low), real(high)}};
}
Share reported_share(const Json& json) {
  return reported_share(json.at("value"), json.at("low"), json.at("high"));
}

void add_classes(const Json& metrics, report::RunReport& page) {
  report::Table table{"Average precision by class",
                      {"class", "objects", "AP (IoU 0.5 to 0.95)", "AP50 (IoU 0.5)"},
                      {},
                      "With 95 % intervals by patient."};
  for (const Json& one : metrics.at("per_class")) {
    const auto name = one.at("class").get<std::string>();
    const auto truths = one.at("truths").get<std::int64_t>();
    const Share ap = reported_share(one.at("AP"), one.at("AP_low"), one.at("AP_high")),
                ap50 = reported_share(one.at("AP50"), one.at("AP50_low"), one.at("AP50_high"));
    table.rows.push_back({name, cat(truths), detection_share_text(ap), detection_share_text(ap50)});
    const auto add = [&](const Json& precision, const char* area, const Share& of,
                         std::vector<report::RankCurve>& curves) {
      if (precision.empty()) return;
      report::RankCurve curve{
          name, {}, {}, {area, of.value, of.interval.low, of.interval.high}, static_cast<double>(truths)};
      for (std::size_t k = 0; k < precision.size(); ++k) {
        curve.x.push_back(static_cast<double>(k) / static_cast<double>(precision.size() - 1));
        curve.y.push_back(real(precision[k]));
      }
      curves.push_back(std::move(curve));
    };
    add(one.at("precision_at_50"), "AP50", ap50, page.precision_recall);
    add(one.at("precision"), "AP", ap, page.precision_recall_mean);
  }
  page.tables.push_back(std::move(table));
}

void add_froc(const Json& metrics, report::RunReport& page) {
  report::Curve curve{"FROC", "false alarms a picture, over all pictures", "sensitivity", {}, false};
  report::Series line{"all classes, with its 95 % interval by patient", {}, {}};
  bool band = true;
  for (const Json& point : metrics.at("froc_band")) {
    line.x.push_back(real(point.at(0)));
    line.y.push_back(real(point.at(1)));
    line.low.push_back(real(point.at(2)));
    line.high.push_back(real(point.at(3)));
    band = band && std::isfinite(line.low.back()) && std::isfinite(line.high.back());
  }
  if (!band) {
    line.name = "all classes";
    line.low.clear();
    line.high.clear();
  }
  if (!line.y.empty() && std::isfinite(line.y[0])) {
    curve.series.push_back(std::move(line));
    page.evaluation.push_back(std::move(curve));
  }
  const Json& alarms = metrics.at("false_alarms");
  const auto lesions = alarms.at("lesions").get<std::int64_t>(),
             pictures = alarms.at("pictures").get<std::int64_t>(),
             normals = alarms.at("normals").get<std::int64_t>();
  report::Table rates{"Sensitivity by false alarms",
                      {"false alarms a picture", cat("over all ", pictures, " pictures"),
                       cat("on the ", normals, " without objects, over these")},
                      {},
                      cat("Of ", lesions, " objects, at an overlap of 0.2; 95 % intervals by patient.")};
  for (const Json& at : alarms.at("sensitivity_at"))
    rates.rows.push_back({exact_text(real(at.at("rate"))),
                          detection_share_text(reported_share(at.at("over_all"))),
                          detection_share_text(reported_share(at.at("over_normals")), "no such picture")});
  page.tables.push_back(std::move(rates));
  const auto of = [](double value, std::int64_t count) {
    return std::isnan(value) ? std::string("not defined: no such picture")
                             : cat(fixed(value, 3), " (", count, ")");
  };
  page.tables.push_back(
      {cat("From the score ", exact_text(real(alarms.at("threshold"))), " on"),
       {"", ""},
       {{"false alarms a picture, over all", of(real(alarms.at("per_picture")), pictures)},
        {"false alarms a picture without objects", of(real(alarms.at("per_normal")), normals)},
        {"pictures without objects that are silent",
         detection_share_text(reported_share(alarms.at("specificity")), "no such picture")},
        {"patients of whom an object is found",
         detection_share_text(reported_share(alarms.at("case_sensitivity")))}},
       "In brackets the pictures that are divided by, or the interval."});
}

void add_pictures(const std::string& folder, const Json& metrics, report::RunReport& page) {
  if (!metrics.contains("drawn")) return;
  const Json& drawn = metrics.at("drawn");
  const std::string note =
      cat("Detections from the score ", fixed(real(drawn.at("from")), 3), " on; ", drawn_legend, ".");
  for (const Json& group : drawn.at("groups")) {
    add_gallery({group.at("title").get<std::string>(), note, {}}, group.at("pictures"),
                folder + "/report/pictures", page);
  }
}

}  // namespace

void report_detection(const std::string& folder, const Json& metrics, report::RunReport& page) {
  page.kind = "Detection";
  try {
    for (const auto& [name, m] : metrics.at("metrics").items())
      page.metrics.push_back({name, real(m.at("value")), real(m.at("low")), real(m.at("high"))});
    add_classes(metrics, page);
    add_froc(metrics, page);
    const Json& normals = metrics.at("normals");
    page.data.push_back({"pictures", std::to_string(metrics.at("pictures").get<std::int64_t>())});
    page.data.push_back({"objects", std::to_string(metrics.at("truths").get<std::int64_t>())});
    page.data.push_back(
        {"pictures without objects, of them silent",
         cat(normals.at("pictures").get<std::int64_t>(), ", ", normals.at("silent").get<std::int64_t>())});
    for (const Json& note : metrics.at("notes")) page.notes.push_back(note.get<std::string>());
    add_pictures(folder, metrics, page);
  } catch (const Json::exception& error) {
    fail<FormatError>("report: ", folder, "/metrics.json is none of a detector: ", error.what(),
                      "; evaluate again");
  }
}

}  // namespace gadolin
