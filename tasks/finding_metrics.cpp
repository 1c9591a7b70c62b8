#include "tasks/finding_metrics.h"

#include <algorithm>
#include <cmath>

#include "io/text.h"
#include "tasks/delong.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::no_value;

// Score and label of class k.
struct LabelColumn {
  std::vector<double> score;
  std::vector<std::uint8_t> label;
};
LabelColumn label_column(const Predictions& p, std::size_t k) {
  LabelColumn c;
  const std::size_t classes = p.classes.size();
  for (std::size_t i = k; i < p.probability.size(); i += classes) {
    c.score.push_back(p.probability[i]);
    c.label.push_back(p.labels[i]);
  }
  return c;
}

// What does not depend on the draw of patients.
struct PreparedFindings {
  std::vector<LabelColumn> columns;
  std::vector<Ranking> rankings;
  std::vector<double> threshold;  // NaN: none
  std::vector<bool> apart;

  PreparedFindings(const Predictions& p, const std::vector<Threshold>& thresholds) {
    require<ValueError>(p.multi_label() || p.size() == 0,
                        "findings: one class a sample has none; use summarize");
    for (std::size_t k = 0; k < p.classes.size(); ++k) {
      columns.push_back(label_column(p, k));
      rankings.emplace_back(columns[k].score, columns[k].label);
      threshold.push_back(no_value);
      for (const Threshold& t : thresholds)
        if (t.label == p.classes[k] && t.defined()) threshold[k] = t.value;
      apart.push_back(std::find(p.apart.begin(), p.apart.end(), p.classes[k]) != p.apart.end());
    }
  }
  double f1(std::size_t k, Reals weight) const {
    if (std::isnan(threshold[k]) || std::isnan(rankings[k].auc(weight))) return no_value;
    return operating_point(columns[k].score, columns[k].label, threshold[k], weight).f1();
  }
  // Of each label both measures.
  std::vector<double> each(double specificity, Reals weight) const {
    std::vector<double> all;
    for (std::size_t k = 0; k < columns.size(); ++k) {
      all.push_back(f1(k, weight));
      all.push_back(rankings[k].sensitivity_at(specificity, weight));
    }
    return all;
  }
  // The means before them; `whole`: of all samples.
  std::vector<double> with_means(const std::vector<double>& drawn, const std::vector<double>& whole) const {
    std::vector<double> all;
    for (std::size_t measure = 0; measure < 2; ++measure) {
      double sum = 0, counted = 0;
      for (std::size_t k = 0; k < columns.size(); ++k) {
        const double here = whole[2 * k + measure], now = drawn[2 * k + measure];
        if (apart[k] || std::isnan(here)) continue;
        sum += std::isnan(now) ? here : now;
        counted += 1;
      }
      all.push_back(counted > 0 ? sum / counted : no_value);
    }
    all.insert(all.end(), drawn.begin(), drawn.end());
    return all;
  }
};

Json finite_or_null(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

}  // namespace

std::vector<Metric> FindingMetrics::names(const std::vector<std::string>& classes) const {
  const std::string reached = "sensitivity_at_" + exact_text(specificity);
  std::vector<Metric> all{{"f1"}, {reached}};
  for (const std::string& name : classes) {
    all.push_back({"f1/" + name});
    all.push_back({reached + "/" + name});
  }
  return all;
}

std::vector<double> FindingMetrics::values(const Predictions& p, const std::vector<Threshold>& thresholds,
                                           Reals weight) const {
  const PreparedFindings prepared(p, thresholds);
  const std::vector<double> whole = prepared.each(specificity, {});
  return prepared.with_means(weight.empty() ? whole : prepared.each(specificity, weight), whole);
}

std::vector<MetricValue> FindingMetrics::summarize(const Predictions& p,
                                                   const std::vector<Threshold>& thresholds,
                                                   const BootstrapOptions& options) const {
  const PreparedFindings prepared(p, thresholds);
  const std::vector<double> whole = prepared.each(specificity, {}),
                            values = prepared.with_means(whole, whole);
  std::vector<Interval> intervals(values.size(), {no_value, no_value});
  std::vector<std::string> patient = p.patient;
  for (std::size_t i = 0; patient.size() < static_cast<std::size_t>(p.size()); ++i)
    patient.push_back(std::to_string(i));
  if (options.resamples > 0)
    intervals = bootstrap_all(
        patient, [&](Reals w) { return prepared.with_means(prepared.each(specificity, w), whole); }, options);
  const std::vector<Metric> all = names(p.classes);
  std::vector<MetricValue> result;
  for (std::size_t m = 0; m < values.size(); ++m) result.push_back({all[m].name, values[m], intervals[m]});
  return result;
}

Json delong_json(const Predictions& p) {
  Json all = Json::object();
  for (std::size_t k = 0; k < p.classes.size(); ++k) {
    const LabelColumn c = label_column(p, k);
    const DelongArea area = delong_area(c.score, c.label, p.patient);
    all[p.classes[k]] = {{"auc", finite_or_null(area.auc)},
                         {"deviation", finite_or_null(area.deviation)},
                         {"low", finite_or_null(area.interval.low)},
                         {"high", finite_or_null(area.interval.high)}};
  }
  return all;
}

}  // namespace gadolin
