#include "tasks/classification_operation.h"

#include <algorithm>
#include <cmath>

#include "io/text.h"
#include "tasks/calibration.h"
#include "tasks/classification.h"
#include "tasks/classification_evaluator.h"
#include "tasks/temperature.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }
Json share_json(const Share& s) {
  return {{"value", number(s.value)}, {"low", number(s.interval.low)}, {"high", number(s.interval.high)}};
}
std::string share_text(const Share& s) {
  if (std::isnan(s.value)) return "not defined";
  if (std::isnan(s.interval.low)) return fixed(s.value, 4);
  return fixed(s.value, 4) + " (" + fixed(s.interval.low, 4) + " to " + fixed(s.interval.high, 4) + ")";
}

// The place of a threshold's label; the thresholds may come from a checkpoint.
std::size_t place_of(const Threshold& t, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), t.label);
  require<CheckpointError, 30>(found != classes.end(), "thresholds: ", t.label, " is no class of the net");
  return static_cast<std::size_t>(found - classes.begin());
}

OperatingPoint point_of(const Predictions& p, const Threshold& t) {
  const std::size_t k = place_of(t, p.classes), classes = p.classes.size();
  const auto n = static_cast<std::size_t>(p.size());
  std::vector<double> score(n);
  std::vector<std::uint8_t> label(n);
  for (std::size_t i = 0; i < n; ++i) {
    score[i] = p.probability[i * classes + k];
    label[i] = p.multi_label() ? p.labels[i * classes + k] : p.target[i] == static_cast<std::int64_t>(k);
  }
  return operating_point(score, label, t.value);
}

Json calibration_json(const std::string& name, const Calibration& c) {
  Json json{{"of", name},
            {"expected_error", number(c.expected_error())},
            {"maximum_error", number(c.maximum_error())},
            {"brier", number(c.brier())}};
  for (const ReliabilityBin& bin : c.table()) {
    json["bins"].push_back({{"low", bin.low},
                            {"high", bin.high},
                            {"samples", bin.weight},
                            {"confidence", number(bin.confidence)},
                            {"share", number(bin.share)}});
  }
  return json;
}

}  // namespace

Json operation_json(const Predictions& p, const std::vector<Threshold>& thresholds) {
  Json json = Json::object();
  if (p.size() > 0) {
    if (p.multi_label()) {
      for (std::size_t k = 0; k < p.classes.size(); ++k)
        json["calibration"].push_back(
            calibration_json(p.classes[k], label_calibration(p, static_cast<std::int64_t>(k))));
    } else {
      json["calibration"].push_back(calibration_json("the likeliest class", top_label_calibration(p)));
    }
  }
  for (const Threshold& t : thresholds) {
    Json point{{"label", t.label}, {"rule", text_of(t.rule)}};
    if (!t.defined()) {
      point["undefined"] = t.undefined;
    } else {
      const OperatingPoint o = point_of(p, t);
      point["threshold"] = std::isfinite(t.value) ? Json(t.value) : Json("inf");
      point["sensitivity"] = share_json(o.sensitivity());
      point["specificity"] = share_json(o.specificity());
      point["ppv"] = share_json(o.ppv());
      point["npv"] = share_json(o.npv());
      point["f1"] = number(o.f1());
    }
    json["operating_points"].push_back(point);
  }
  return json;
}

TextRows operating_table(const Predictions& p, const std::vector<Threshold>& thresholds) {
  TextRows rows{{"positive from", "threshold", "rule", "sensitivity", "specificity", "ppv", "npv"}};
  for (const Threshold& t : thresholds) {
    if (!t.defined()) {
      rows.push_back({t.label, "not defined: " + t.undefined, text_of(t.rule), "", "", "", ""});
      continue;
    }
    const OperatingPoint o = point_of(p, t);
    rows.push_back({t.label, exact_text(t.value), text_of(t.rule), share_text(o.sensitivity()),
                    share_text(o.specificity()), share_text(o.ppv()), share_text(o.npv())});
  }
  return rows;
}

std::vector<std::size_t> positive_at(const std::vector<double>& probability,
                                     const std::vector<std::string>& classes,
                                     const std::vector<Threshold>& thresholds) {
  std::vector<std::size_t> places;
  for (const Threshold& t : thresholds) {
    const std::size_t k = place_of(t, classes);
    if (t.defined() && probability.at(k) >= t.value) places.push_back(k);
  }
  std::sort(places.begin(), places.end());
  return places;
}

Operation validation_operation(const ClassificationEvaluator& evaluator) {
  Operation found;
  Predictions p = evaluator.predictions();
  const Temperature t =
      fit_label_temperature(evaluator.logits(), p.labels, static_cast<std::int64_t>(p.classes.size()));
  found.temperature = t.value;  // 1 where none is best
  p.probability = sigmoid_at(evaluator.logits(), t.value);
  found.thresholds = choose_thresholds(p, threshold_rule("f1"));
  return found;
}

Operation fit_operation(const ClassificationEvaluator& evaluator, bool temperature, const std::string& rule) {
  Operation found;
  Predictions p = evaluator.predictions();
  const auto classes = static_cast<std::int64_t>(p.classes.size());
  if (temperature) {
    const Temperature t = p.multi_label() ? fit_label_temperature(evaluator.logits(), p.labels, classes)
                                          : fit_temperature(evaluator.logits(), p.target, classes);
    require<DataError>(t.undefined.empty(), "eval: there is no best temperature: ", t.undefined,
                       "; use more samples");
    found.temperature = t.value;
    p.probability = p.multi_label() ? sigmoid_at(evaluator.logits(), t.value)
                                    : softmax_at(evaluator.logits(), classes, t.value);
  }
  if (!rule.empty()) found.thresholds = choose_thresholds(p, threshold_rule(rule));
  return found;
}

}  // namespace gadolin
