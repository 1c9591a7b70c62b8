// A classifier's page of the report, from what an evaluation left in a folder: metrics.json and
// predictions.csv.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "io/atomic_file.h"
#include "io/text.h"
#include "tasks/calibration.h"
#include "tasks/classification_evaluator.h"
#include "tasks/classification_examples.h"
#include "tasks/predictions_file.h"
#include "tasks/subgroups.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using report::RunReport;
constexpr std::size_t examples_shown = 12;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

// Names in a row, the first few of many.
std::string joined(const Json& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 12; ++i)
    text += (i ? ", " : "") + names[i].get<std::string>();
  return names.size() > 12 ? cat(text, " and ", names.size() - 12, " more") : text;
}
double number(const Json& json) { return json.is_number() ? json.get<double>() : no_number; }

std::string with_interval(double value, double low, double high) {
  if (std::isnan(value)) return "not defined";
  if (std::isnan(low) || std::isnan(high)) return fixed(value, 3);
  return fixed(value, 3) + " (" + fixed(low, 3) + " to " + fixed(high, 3) + ")";
}
std::string with_interval(const Share& s) { return with_interval(s.value, s.interval.low, s.interval.high); }
std::string with_interval(const Json& s) {
  return with_interval(number(s["value"]), number(s["low"]), number(s["high"]));
}

// One class of a two-class problem says all: the other is its mirror image.
std::vector<std::size_t> shown_classes(const PredictionsFile& t) {
  std::vector<std::size_t> all;
  const bool two = t.said.classes.size() == 2 && !t.said.multi_label();
  for (std::size_t k = two ? 1 : 0; k < t.said.classes.size(); ++k) all.push_back(k);
  return all;
}

OperatingPoint counts_of(const PredictionsFile& t, std::size_t k) {
  OperatingPoint point{no_number};
  for (std::size_t i = 0; i < t.path.size(); ++i) {
    const bool called = t.called[i][k];
    (t.is(i, k) ? called ? point.true_positive : point.false_negative
     : called   ? point.false_positive
                : point.true_negative) += 1;
  }
  return point;
}

// Of class k, or of all.
std::size_t patients_in(const PredictionsFile& t, std::size_t k = std::string::npos) {
  std::set<std::string> patients;
  for (std::size_t i = 0; t.has_patients() && i < t.path.size(); ++i)
    if (k == std::string::npos || t.is(i, k)) patients.insert(t.said.patient[i]);
  return patients.size();
}

report::Value area_of(const Json& metrics, const std::string& name, const std::string& cls, bool two,
                      double value) {
  for (const std::string& key : {name + "/" + cls, two ? name : std::string()}) {
    if (metrics.contains(key))
      return {name, value, number(metrics[key]["low"]), number(metrics[key]["high"])};
  }
  return {name, value, no_number, no_number};
}

report::RankCurve reliability(const std::string& name, const Calibration& calibration) {
  const double error = calibration.expected_error();
  report::RankCurve curve{name, {}, {}, {"expected_error", error, no_number, no_number}};
  for (const ReliabilityBin& bin : calibration.table()) {
    if (!(bin.weight > 0)) continue;
    const Interval interval = wilson_interval(bin.share * bin.weight, bin.weight);
    curve.x.push_back(bin.confidence);
    curve.y.push_back(bin.share);
    curve.low.push_back(interval.low);
    curve.high.push_back(interval.high);
  }
  return curve;
}

// Curves, and a row a class of what they come to.
void add_rankings(RunReport& run, const PredictionsFile& t, const Json& metrics) {
  const bool multi = t.said.multi_label(), two = !multi && t.said.classes.size() == 2;
  report::Table table{
      multi ? "By finding" : "By class",
      {multi ? "finding" : "class", "samples", "ROC AUC", "average precision", "F1", "calibration error"},
      {}};
  if (t.has_patients()) table.columns.insert(table.columns.begin() + 2, "patients");
  const auto drawn = shown_classes(t);
  for (std::size_t k = 0; k < t.said.classes.size(); ++k) {
    const std::string& name = t.said.classes[k];
    const auto cls = static_cast<std::int64_t>(k);
    const Ranking ranking = ranking_of(t.said, cls);
    const Calibration calibration = label_calibration(t.said, cls);
    const auto roc_area = area_of(metrics, "roc_auc", name, two && k == 1, ranking.auc());
    const auto precision =
        area_of(metrics, "average_precision", name, two && k == 1, ranking.average_precision());
    const OperatingPoint point = counts_of(t, k);
    const double positives = point.true_positive + point.false_negative;
    table.rows.push_back({name, fixed(positives, 0),
                          with_interval(roc_area.value, roc_area.low, roc_area.high),
                          with_interval(precision.value, precision.low, precision.high), fixed(point.f1(), 3),
                          fixed(calibration.expected_error(), 3)});
    if (t.has_patients())
      table.rows.back().insert(table.rows.back().begin() + 2, std::to_string(patients_in(t, k)));
    if (std::isnan(ranking.auc()) || std::find(drawn.begin(), drawn.end(), k) == drawn.end()) continue;
    const RocCurve roc = ranking.roc();
    run.roc.push_back({name, roc.false_positive_rate, roc.true_positive_rate, roc_area, positives});
    const PrecisionRecallCurve pr = ranking.precision_recall();
    run.precision_recall.push_back({name, pr.recall, pr.precision, precision, positives});
    if (multi) run.calibration.push_back(reliability(name, calibration));
  }
  if (!multi && t.path.size() > 0)
    run.calibration.push_back(reliability("the likeliest class", top_label_calibration(t.said)));
  run.tables.push_back(table);
}

// The thresholds that were chosen for the checkpoint, or else what the predictions come to.
void add_operating_points(RunReport& run, const PredictionsFile& t, const Json& metrics) {
  report::Table table{
      "Operating points", {"positive for", "threshold", "sensitivity", "specificity", "PPV", "NPV"}, {}};
  if (metrics.contains("operating_points")) {
    for (const Json& o : metrics["operating_points"]) {
      if (o.contains("undefined")) {
        table.rows.push_back(
            {o["label"], "not defined: " + o["undefined"].get<std::string>(), "", "", "", ""});
        continue;
      }
      const std::string value = o["threshold"].is_number() ? fixed(o["threshold"].get<double>(), 4) : "never";
      table.rows.push_back({o["label"], cat(value, ", chosen by ", o["rule"].get<std::string>()),
                            with_interval(o["sensitivity"]), with_interval(o["specificity"]),
                            with_interval(o["ppv"]), with_interval(o["npv"])});
    }
  } else {
    const bool half = t.said.multi_label() || t.said.classes.size() == 2;
    for (const std::size_t k : shown_classes(t)) {
      const OperatingPoint o = counts_of(t, k);
      table.rows.push_back({t.said.classes[k], half ? "0.5, none was chosen" : "the likeliest class",
                            with_interval(o.sensitivity()), with_interval(o.specificity()),
                            with_interval(o.ppv()), with_interval(o.npv())});
    }
  }
  table.note = "95 % intervals are Wilson's, with every sample as a trial of its own";
  table.note += patients_in(t) < t.path.size() && t.has_patients()
                    ? ": as some patients have several samples, they are somewhat too narrow."
                    : ".";
  if (!table.rows.empty()) run.tables.push_back(table);
}

std::string picture_of(const std::string& path) {
  try {
    return thumbnail(read_image(path));
  } catch (const Error&) {
    return "";  // the report says that the picture could not be read
  }
}

std::string overlay_bytes(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/report/cams/" + std::filesystem::path(name).filename().string();
  return std::filesystem::is_regular_file(path) ? read_file(path, 1 << 24) : "";
}

// With the overlays that eval made of some of them (metrics.json names them by line of predictions.csv and
// class).
void add_examples(RunReport& run, const PredictionsFile& t, const std::string& folder, const Json& metrics) {
  const TellingSamples telling = telling_samples(t.said, examples_shown);
  const auto take = [&](const std::vector<TellingSample>& samples, std::vector<report::Example>& into) {
    for (const TellingSample& s : samples) {
      const std::string& path = t.path[s.sample];
      report::Example example{std::filesystem::path(path).filename().string(), t.truth[s.sample],
                              t.said.classes[s.cls], s.probability, picture_of(path)};
      if (example.truth.empty()) example.truth = "none";
      for (const Json& cam : metrics.value("cams", Json::array())) {
        if (cam.value("sample", std::size_t{0}) == s.sample && cam.value("class", "") == example.predicted)
          example.cam = overlay_bytes(folder, cam.value("picture", ""));
      }
      into.push_back(std::move(example));
    }
  };
  take(telling.worst, run.worst);
  take(telling.best, run.best);
}

void add_facts(RunReport& run, const Json& metrics) {
  const auto fact = [](std::vector<report::Fact>& facts, const char* name, const std::string& value) {
    if (!value.empty()) facts.push_back({name, value});
  };
  std::string checkpoints;
  for (const Json& c : metrics.value("checkpoints", Json::array())) {
    checkpoints += cat(checkpoints.empty() ? "" : "; ", c.value("file", ""),
                       c.contains("step") ? ", step " + c["step"].get<std::string>() : "");
  }
  fact(run.model, "checkpoint", checkpoints);
  fact(run.model, "evaluated by", metrics.value("program", std::string()));
  const std::string split = metrics.value("split", std::string());
  const std::int64_t patients = metrics.value("patients", std::int64_t{0});
  fact(run.data, "evaluated on",
       cat(metrics.value("samples", 0), " samples", patients > 0 ? cat(" of ", patients, " patients") : "",
           split.empty() || split == "all" ? "" : ", split " + split));
  if (metrics.contains("classes")) fact(run.data, "classes", joined(metrics["classes"]));
}

// A split that is not the official one is the first thing that a reader sees.
void add_division(RunReport& run, const Json& metrics) {
  const Json division = metrics.value("division", Json::object());
  const std::string text = division.value("text", std::string());
  if (text.empty()) return;
  if (division.value("kind", std::string()) == "official")
    run.data.push_back({"split", text});
  else
    run.notes.insert(run.notes.begin(), text);
}

}  // namespace

void report_classification(const std::string& folder, const Json& metrics, RunReport& run) {
  run.kind = "Classification";
  const Json values = metrics.value("metrics", Json::object());
  // Those of single classes stand in a table.
  for (const auto& [name, m] : values.items()) {
    if (name.find('/') == std::string::npos)
      run.metrics.push_back({name, number(m["value"]), number(m["low"]), number(m["high"])});
  }
  add_facts(run, metrics);
  add_division(run, metrics);
  const std::vector<Subgroup> groups = subgroups_from(metrics.value("subgroups", Json::array()));
  run.bars = subgroup_bars(groups);
  for (report::Table& table : subgroup_tables(groups)) run.tables.push_back(std::move(table));
  const auto classes = metrics.value("classes", std::vector<std::string>{});
  if (metrics.contains("confusion")) {
    run.confusion.classes = classes;
    for (const Json& row : metrics["confusion"]) {
      for (const Json& cell : row) run.confusion.counts.push_back(number(cell));
    }
  }
  if (metrics.contains("bad_samples")) {
    run.notes.push_back(cat(static_cast<std::int64_t>(metrics["bad_samples"].size()),
                            " samples could not be read and are missing here"));
  }
  const bool named = std::filesystem::exists(folder + "/samples.csv");
  const std::string samples = folder + (named ? "/samples.csv" : "/predictions.csv");
  if (!std::filesystem::exists(samples)) return;
  const PredictionsFile t = read_predictions(samples, classes, metrics.value("multi_label", false));
  add_rankings(run, t, values);
  add_operating_points(run, t, metrics);
  add_examples(run, t, folder, metrics);
}

}  // namespace gadolin
