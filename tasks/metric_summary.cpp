// Which metrics suit which kind of prediction.
#include "tasks/metric_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tasks/intervals.h"
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

// A metric of each class by itself; NaN where it has none.
using PerClass = std::function<std::vector<double>(Reals weight)>;

// Mean over the classes for which the whole set defines it. In a draw of patients without a rare class that
// one counts with its value of the whole set: the interval is then of a mean over the same classes as the
// value.
Function macro(PerClass of) {
  return [of = std::move(of), whole = std::vector<double>()](Reals weight) mutable {
    if (whole.empty()) whole = of({});
    const std::vector<double> drawn = weight.empty() ? whole : of(weight);
    double sum = 0;
    int counted = 0;
    bool any = false;
    for (std::size_t k = 0; k < whole.size(); ++k) {
      if (std::isnan(whole[k])) continue;
      any = any || !std::isnan(drawn[k]);
      sum += std::isnan(drawn[k]) ? whole[k] : drawn[k];
      ++counted;
    }
    return any ? sum / counted : no_value;
  };
}

PerClass ranked(const std::vector<Ranking>& rankings, const std::vector<bool>& apart,
                double (*of)(const Ranking&, Reals)) {
  return [&rankings, &apart, of](Reals weight) {
    std::vector<double> values;
    for (std::size_t k = 0; k < rankings.size(); ++k)
      values.push_back(apart[k] ? no_value : of(rankings[k], weight));
    return values;
  };
}

bool is_apart(const Predictions& p, std::size_t k) {
  return std::find(p.apart.begin(), p.apart.end(), p.classes[k]) != p.apart.end();
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

double auc_of(const Ranking& r, Reals weight) { return r.auc(weight); }
double precision_of(const Ranking& r, Reals weight) { return r.average_precision(weight); }

// As balanced_accuracy and macro_f1 count classes (tasks/metrics.h).
double recall_of(const ConfusionMatrix& m, std::int64_t k, const ClassScore& score) {
  return m.of_target(k) > 0 ? score.recall : no_value;
}
double f1_of(const ConfusionMatrix& m, std::int64_t k, const ClassScore& score) {
  return m.of_target(k) + m.of_predicted(k) > 0 ? score.f1 : no_value;
}

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

// Who can be right or wrong in a metric: every patient, those of a class, or the fewer of those with and
// without it. None for a metric without a best value.
enum class Trials { none, patients, of_class, of_either_side };

// A metric as a function of the weights of samples, over the classes from `from` to `to`.
struct Measured {
  std::string name;
  Function value;
  Trials trials = Trials::none;
  std::size_t from = 0, to = 0;
};

// The metrics of a set of predictions. Refers to the predictions and to itself: it stays where it was made.
struct Summary {
  std::vector<std::int64_t> predicted;
  std::vector<Ranking> rankings;
  std::vector<bool> apart;  // of the rankings
  std::vector<Measured> metrics;

  explicit Summary(const Predictions& p) {
    check_sizes(p);
    const std::size_t classes = p.classes.size(), first = !p.multi_label() && classes == 2 ? 1 : 0;
    for (std::size_t k = first; k < classes; ++k) {
      rankings.push_back(ranking_of(p, static_cast<std::int64_t>(k)));
      apart.push_back(is_apart(p, k));
    }
    if (!p.multi_label()) {
      predicted = top_class(p.probability, static_cast<std::int64_t>(classes));
      metrics.push_back(
          {"accuracy", [&p, this](Reals w) { return accuracy(counts(p, w)); }, Trials::patients});
      metrics.push_back({"balanced_accuracy", macro(scored(p, recall_of)), Trials::of_class, 0, classes});
      metrics.push_back({"macro_f1", macro(scored(p, f1_of)), Trials::of_class, 0, classes});
    }
    metrics.push_back(
        {"roc_auc", macro(ranked(rankings, apart, auc_of)), Trials::of_either_side, first, classes});
    metrics.push_back({"average_precision", macro(ranked(rankings, apart, precision_of)), Trials::of_class,
                       first, classes});
    if (p.multi_label() || classes > 2) metrics.push_back({"roc_auc_micro", micro_auc(p), Trials::patients});
    if (p.multi_label())
      metrics.push_back({"log_loss", label_log_loss(p)});
    else
      metrics.push_back({"log_loss", [&p, classes](Reals w) {
                           return log_loss(p.probability, p.target, static_cast<std::int64_t>(classes), w);
                         }});
    for (std::size_t k = 0; p.multi_label() && k < classes; ++k) {
      metrics.push_back({"roc_auc/" + p.classes[k], [this, k](Reals w) { return rankings[k].auc(w); },
                         Trials::of_either_side, k, k + 1});
      metrics.push_back({"average_precision/" + p.classes[k],
                         [this, k](Reals w) { return rankings[k].average_precision(w); }, Trials::of_class, k,
                         k + 1});
    }
  }
  Summary(const Summary&) = delete;
  Summary& operator=(const Summary&) = delete;

 private:
  ConfusionMatrix counts(const Predictions& p, Reals weight) const {
    ConfusionMatrix m(static_cast<std::int64_t>(p.classes.size()));
    for (std::size_t i = 0; i < predicted.size(); ++i)
      m.add(p.target[i], predicted[i], weight.empty() ? 1 : weight[i]);
    return m;
  }
  PerClass scored(const Predictions& p,
                  double (*of)(const ConfusionMatrix&, std::int64_t, const ClassScore&)) const {
    return [&p, this, of](Reals weight) {
      const ConfusionMatrix m = counts(p, weight);
      const std::vector<ClassScore> scores = class_scores(m);
      std::vector<double> values;
      for (std::int64_t k = 0; k < m.classes(); ++k) values.push_back(of(m, k, scores[count(k)]));
      return values;
    };
  }
};

// Patients with class k, and those without it.
std::pair<std::int64_t, std::int64_t> sides_of(const Predictions& p, std::span<const std::string> patient,
                                               std::size_t k) {
  std::set<std::string_view> with, without;
  for (std::size_t i = 0; i < patient.size(); ++i) {
    const std::uint8_t label = p.multi_label()        ? p.labels[i * p.classes.size() + k]
                               : is_positive(p, i, k) ? 1
                                                      : 0;
    if (label != unknown_label) (label == 1 ? with : without).insert(patient[i]);
  }
  return {std::ssize(with), std::ssize(without)};
}

// Where all are right, or all wrong, every draw of patients is the same and says nothing: Clopper and
// Pearson's interval with patients as trials, each right or wrong as a whole, and its mean over classes.
Interval interval_at_end(const Predictions& p, std::span<const std::string> patient, const Measured& metric,
                         double value, double confidence) {
  const auto of = [&](std::int64_t trials) {
    return clopper_pearson_interval(value == 1 ? trials : 0, trials, confidence);
  };
  if (metric.trials == Trials::patients)
    return of(std::ssize(std::set<std::string_view>(patient.begin(), patient.end())));
  Interval mean{0, 0};
  double classes = 0;
  for (std::size_t k = metric.from; k < metric.to; ++k) {
    if (metric.to - metric.from > 1 && is_apart(p, k)) continue;
    const auto sides = sides_of(p, patient, k);
    const std::int64_t trials =
        metric.trials == Trials::of_class ? sides.first : std::min(sides.first, sides.second);
    if (trials == 0) continue;
    const Interval one = of(trials);
    mean = {mean.low + one.low, mean.high + one.high};
    ++classes;
  }
  return classes > 0 ? Interval{mean.low / classes, mean.high / classes} : Interval{no_value, no_value};
}

}  // namespace

std::vector<LeftOutOfMeans> left_out_of_means(const Predictions& p) {
  check_sizes(p);
  std::vector<LeftOutOfMeans> all;
  const std::size_t classes = p.classes.size();
  for (std::size_t k = 0; k < classes; ++k) {
    bool there[2] = {false, false};
    for (std::size_t i = 0; i < count(p.size()); ++i) {
      const std::uint8_t label = p.multi_label() ? p.labels[i * classes + k] : is_positive(p, i, k) ? 1 : 0;
      if (label != unknown_label) there[label] = true;
    }
    if (is_apart(p, k))
      all.push_back({p.classes[k], "counts in no mean"});
    else if (!there[1] || !there[0])
      all.push_back({p.classes[k], there[1] ? "no negative sample" : "no positive sample"});
  }
  return all;
}

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
  for (const Measured& metric : summary.metrics) values.push_back(metric.value(weight));
  return values;
}

std::vector<MetricValue> summarize(const Predictions& p, const BootstrapOptions& options) {
  const Summary summary(p);
  std::vector<std::string> patient = p.patient;
  for (std::size_t i = 0; patient.size() < count(p.size()); ++i) patient.push_back(std::to_string(i));
  std::vector<MetricValue> values;
  for (const Measured& metric : summary.metrics) {
    const double value = metric.value({});
    Interval interval{no_value, no_value};
    if (options.resamples > 0) interval = bootstrap(patient, metric.value, options);
    if (metric.trials != Trials::none && (value == 0 || value == 1) && interval.low == interval.high)
      interval = interval_at_end(p, patient, metric, value, options.confidence);
    values.push_back({metric.name, value, interval});
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
