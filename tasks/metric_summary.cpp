// Which metrics suit which kind of prediction.
#include "tasks/metric_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/check.h"

namespace gadolin {
namespace {

using Function = std::function<double(Reals weight)>;
using detail::no_value;

std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }

void check_sizes(const Predictions& p) {
  const std::size_t n = count(p.size()), k = p.classes.size();
  require<ShapeError>(k > 0 && p.probability.size() == n * k, "summarize: ", p.probability.size(),
                      " probabilities for ", n, " samples of ", k, " classes");
  require<ShapeError>(p.labels.empty() || p.labels.size() == n * k, "summarize: ", p.labels.size(),
                      " labels for ", n, " samples of ", k, " classes");
  require<ShapeError>(p.patient.empty() || p.patient.size() == n, "summarize: ", p.patient.size(),
                      " patients for ", n, " samples");
}

bool is_positive(const Predictions& p, std::size_t i, std::size_t k) {
  return p.target[i] == static_cast<std::int64_t>(k);
}

// All cells [N, K] as one long list of yes/no questions.
Ranking micro_ranking(const Predictions& p) {
  if (p.multi_label()) return Ranking(p.probability, p.labels);
  std::vector<std::uint8_t> label(p.probability.size());
  for (std::size_t i = 0; i < label.size(); ++i) {
    label[i] = is_positive(p, i / p.classes.size(), i % p.classes.size()) ? 1 : 0;
  }
  return Ranking(p.probability, label);
}

Function micro_auc(const Predictions& p) {
  return [ranking = micro_ranking(p), k = p.classes.size()](Reals weight) {
    if (weight.empty()) return ranking.auc();
    std::vector<double> cells;
    cells.reserve(weight.size() * k);
    for (const double w : weight) cells.insert(cells.end(), k, w);
    return ranking.auc(cells);
  };
}

// Mean over classes where it is defined.
template <class F>
Function macro(const std::vector<Ranking>& rankings, F f) {
  return [&rankings, f](Reals weight) {
    double sum = 0;
    int defined = 0;
    for (const Ranking& ranking : rankings) {
      const double value = f(ranking, weight);
      if (std::isnan(value)) continue;
      sum += value;
      ++defined;
    }
    return defined > 0 ? sum / defined : no_value;
  };
}

// Mean binary cross-entropy over known cells.
Function label_log_loss(const Predictions& p) {
  return [&p](Reals weight) {
    constexpr double eps = std::numeric_limits<double>::epsilon();
    double sum = 0, total = 0;
    for (std::size_t i = 0; i < p.labels.size(); ++i) {
      if (p.labels[i] == unknown_label) continue;
      const double w = weight.empty() ? 1 : weight[i / p.classes.size()];
      const double q = p.labels[i] == 1 ? p.probability[i] : 1 - p.probability[i];
      sum -= w * std::log(std::clamp(q, eps, 1 - eps));
      total += w;
    }
    return total > 0 ? sum / total : no_value;
  };
}

const auto auc_of = [](const Ranking& r, Reals w) { return r.auc(w); };
const auto precision_of = [](const Ranking& r, Reals w) { return r.average_precision(w); };

}  // namespace

std::int64_t Predictions::size() const {
  if (!multi_label()) return static_cast<std::int64_t>(target.size());
  return classes.empty() ? 0 : static_cast<std::int64_t>(labels.size() / classes.size());
}

ConfusionMatrix confusion_of(const Predictions& p) {
  check_sizes(p);
  const std::vector<std::int64_t> predicted =
      top_class(p.probability, static_cast<std::int64_t>(p.classes.size()));
  ConfusionMatrix m(static_cast<std::int64_t>(p.classes.size()));
  for (std::size_t i = 0; i < p.target.size(); ++i) m.add(p.target[i], predicted[i]);
  return m;
}

Ranking ranking_of(const Predictions& p, std::int64_t k) {
  check_sizes(p);
  const std::size_t n = count(p.size()), classes = p.classes.size(), column = count(k);
  std::vector<double> score(n);
  std::vector<std::uint8_t> label(n);
  for (std::size_t i = 0; i < n; ++i) {
    score[i] = p.probability[i * classes + column];
    label[i] = p.multi_label() ? p.labels[i * classes + column] : is_positive(p, i, column) ? 1 : 0;
  }
  return Ranking(score, label);
}

namespace {

// The metrics of a set of predictions as functions of the weights of its samples. Refers to the predictions
// and to itself: it stays where it was made.
struct Summary {
  std::vector<std::int64_t> predicted;
  std::vector<Ranking> rankings;
  std::vector<std::pair<std::string, Function>> metrics;

  explicit Summary(const Predictions& p) {
    check_sizes(p);
    const auto classes = static_cast<std::int64_t>(p.classes.size());
    for (std::int64_t k = (!p.multi_label() && classes == 2 ? 1 : 0); k < classes; ++k)
      rankings.push_back(ranking_of(p, k));
    if (!p.multi_label()) {
      predicted = top_class(p.probability, classes);
      const auto counted = [&](double (*f)(const ConfusionMatrix&)) {
        return [&p, this, classes, f](Reals weight) {
          ConfusionMatrix m(classes);
          for (std::size_t i = 0; i < predicted.size(); ++i)
            m.add(p.target[i], predicted[i], weight.empty() ? 1 : weight[i]);
          return f(m);
        };
      };
      metrics = {{"accuracy", counted(accuracy)},
                 {"balanced_accuracy", counted(balanced_accuracy)},
                 {"macro_f1", counted(macro_f1)}};
    }
    metrics.emplace_back("roc_auc", macro(rankings, auc_of));
    metrics.emplace_back("average_precision", macro(rankings, precision_of));
    if (p.multi_label() || classes > 2) metrics.emplace_back("roc_auc_micro", micro_auc(p));
    if (p.multi_label())
      metrics.emplace_back("log_loss", label_log_loss(p));
    else
      metrics.emplace_back("log_loss",
                           [&p, classes](Reals w) { return log_loss(p.probability, p.target, classes, w); });
    for (std::size_t k = 0; p.multi_label() && k < p.classes.size(); ++k) {
      metrics.emplace_back("roc_auc/" + p.classes[k], [this, k](Reals w) { return rankings[k].auc(w); });
      metrics.emplace_back("average_precision/" + p.classes[k],
                           [this, k](Reals w) { return rankings[k].average_precision(w); });
    }
  }
  Summary(const Summary&) = delete;
  Summary& operator=(const Summary&) = delete;
};

}  // namespace

std::vector<Metric> summary_metrics(const std::vector<std::string>& classes, bool multi_label) {
  std::vector<Metric> all;
  if (!multi_label) all = {{"accuracy"}, {"balanced_accuracy"}, {"macro_f1"}};
  all.push_back({"roc_auc"});
  all.push_back({"average_precision"});
  if (multi_label || classes.size() > 2) all.push_back({"roc_auc_micro"});
  all.push_back({"log_loss", false});
  for (std::size_t k = 0; multi_label && k < classes.size(); ++k) {
    all.push_back({"roc_auc/" + classes[k]});
    all.push_back({"average_precision/" + classes[k]});
  }
  return all;
}

std::vector<double> summary_values(const Predictions& p, Reals weight) {
  const Summary summary(p);
  std::vector<double> values;
  for (const auto& [name, metric] : summary.metrics) values.push_back(metric(weight));
  return values;
}

std::vector<MetricValue> summarize(const Predictions& p, const BootstrapOptions& options) {
  const Summary summary(p);
  std::vector<std::string> patient = p.patient;
  for (std::size_t i = 0; patient.size() < count(p.size()); ++i) patient.push_back(std::to_string(i));
  std::vector<MetricValue> values;
  for (const auto& [name, metric] : summary.metrics) {
    const Interval interval =
        options.resamples > 0 ? bootstrap(patient, metric, options) : Interval{no_value, no_value};
    values.push_back({name, metric({}), interval});
  }
  return values;
}

double top_accuracy(const Predictions& p, int k, Reals weight) {
  const std::vector<double> hits =
      hits_in_top(p.probability, p.target, static_cast<std::int64_t>(p.classes.size()), k);
  double sum = 0, all = 0;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const double w = weight.empty() ? 1 : weight[i];
    sum += w * hits[i];
    all += w;
  }
  return sum / all;
}

}  // namespace gadolin
