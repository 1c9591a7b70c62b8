// Metrics made of counts, log loss, and the bootstrap.
#include "course/todo.h"
#include "tasks/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "tensor/check.h"
#include "tensor/random.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

using detail::no_value;

// Value at quantile q of sorted values, by linear interpolation.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const std::size_t below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int64_t classes) : classes_(classes) {
  require<ValueError>(classes > 0 && classes <= 65536, "confusion_matrix: ", classes,
                      " classes, 1 to 65536 are possible");
  counts_.assign(static_cast<std::size_t>(classes * classes), 0);
}

void ConfusionMatrix::add(std::int64_t target, std::int64_t predicted, double weight) {
  require<DataError>(target >= 0 && target < classes_, "confusion_matrix: target ", target,
                     " is outside [0, ", classes_, "); class labels start at 0");
  require<DataError>(predicted >= 0 && predicted < classes_, "confusion_matrix: predicted class ", predicted,
                     " is outside [0, ", classes_, ")");
  counts_[static_cast<std::size_t>(target * classes_ + predicted)] += weight;
}

double ConfusionMatrix::at(std::int64_t target, std::int64_t predicted) const {
  return counts_.at(static_cast<std::size_t>(target * classes_ + predicted));
}
double ConfusionMatrix::of_target(std::int64_t k) const {
  double sum = 0;
  for (std::int64_t p = 0; p < classes_; ++p) sum += at(k, p);
  return sum;
}
double ConfusionMatrix::of_predicted(std::int64_t k) const {
  double sum = 0;
  for (std::int64_t t = 0; t < classes_; ++t) sum += at(t, k);
  return sum;
}
double ConfusionMatrix::total() const {
  double sum = 0;
  for (const double count : counts_) sum += count;
  return sum;
}

std::vector<ClassScore> class_scores(const ConfusionMatrix& m) {
  std::vector<ClassScore> scores;
  for (std::int64_t k = 0; k < m.classes(); ++k) {
    const double hits = m.at(k, k), occurs = m.of_target(k), predicted = m.of_predicted(k);
    const auto ratio = [](double a, double b) { return b > 0 ? a / b : 0; };
    scores.push_back(
        {ratio(hits, predicted), ratio(hits, occurs), ratio(2 * hits, occurs + predicted), occurs});
  }
  return scores;
}

double accuracy(const ConfusionMatrix& m) {
  double hits = 0;
  for (std::int64_t k = 0; k < m.classes(); ++k) hits += m.at(k, k);
  return m.total() > 0 ? hits / m.total() : no_value;
}

double balanced_accuracy(const ConfusionMatrix& m) {
  double sum = 0;
  int classes = 0;
  for (const ClassScore& score : class_scores(m)) {
    if (!(score.support > 0)) continue;
    sum += score.recall;
    ++classes;
  }
  return classes > 0 ? sum / classes : no_value;
}

double macro_f1(const ConfusionMatrix& m) {
  const std::vector<ClassScore> scores = class_scores(m);
  double sum = 0;
  int classes = 0;
  for (std::int64_t k = 0; k < m.classes(); ++k) {
    if (!(m.of_target(k) + m.of_predicted(k) > 0)) continue;
    sum += scores[static_cast<std::size_t>(k)].f1;
    ++classes;
  }
  return classes > 0 ? sum / classes : no_value;
}

double log_loss(Reals probability, std::span<const std::int64_t> target, std::int64_t classes, Reals weight) {
  require<ShapeError>(classes > 0 && probability.size() == target.size() * static_cast<std::size_t>(classes),
                      "log_loss: ", probability.size(), " probabilities for ", target.size(), " samples of ",
                      classes, " classes");
  require<ShapeError>(weight.empty() || weight.size() == target.size(), "log_loss: ", weight.size(),
                      " weights for ", target.size(), " samples");
  constexpr double eps = std::numeric_limits<double>::epsilon();
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    require<DataError>(target[i] >= 0 && target[i] < classes, "log_loss: target ", target[i], " at index ", i,
                       " is outside [0, ", classes, "); class labels start at 0");
    const double p = probability[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(target[i])];
    require<NumericError>(!std::isnan(p), "log_loss: the probability of sample ", i, " is NaN");
    const double w = weight.empty() ? 1 : weight[i];
    sum -= w * std::log(std::clamp(p, eps, 1 - eps));
    total += w;
  }
  return total > 0 ? sum / total : no_value;
}

std::vector<std::int64_t> top_class(Reals score, std::int64_t classes) {
  require<ShapeError>(classes > 0 && score.size() % static_cast<std::size_t>(classes) == 0,
                      "top_class: ", score.size(), " scores are no whole rows of ", classes, " classes");
  std::vector<std::int64_t> top;
  for (std::size_t row = 0; row < score.size(); row += static_cast<std::size_t>(classes)) {
    std::size_t best = row;
    for (std::size_t i = row; i < row + static_cast<std::size_t>(classes); ++i) {
      require<NumericError>(!std::isnan(score[i]), "top_class: a score of sample ", top.size(), " is NaN");
      if (score[i] > score[best]) best = i;
    }
    top.push_back(static_cast<std::int64_t>(best - row));
  }
  return top;
}

namespace {

// How often each sample is drawn; a function of seed and number.
class Resamples {
 public:
  Resamples(std::span<const std::string> patient, const BootstrapOptions& options)
      : samples_(patient.size()), seed_(options.seed) {
    require<ValueError>(options.resamples >= 1 && options.confidence > 0 && options.confidence < 1,
                        "bootstrap: ", options.resamples, " resamples at confidence ", options.confidence,
                        "; at least one, and a confidence between 0 and 1");
    course::todo("5.2b", "Resamples");
  }
  std::size_t patients() const { return groups_.size(); }
  std::vector<double> weight(int number) const {
    constexpr std::uint64_t purpose = 0x626f6f74;  // "boot"
    RandomStream random(seed_, stream_id(purpose, static_cast<std::uint64_t>(number)));
    course::todo("5.2b", "Resamples::weight");
  }

 private:
  std::size_t samples_;
  std::uint64_t seed_;
  std::vector<std::vector<std::size_t>> groups_;
};

// Of what the resamples gave and the samples as they are.
Interval percentile_interval(std::vector<double> values, double whole, const BootstrapOptions& options) {
  course::todo("5.2b", "percentile_interval");
}

}  // namespace

Interval bootstrap(std::span<const std::string> patient, const std::function<double(Reals)>& metric,
                   const BootstrapOptions& options) {
  const Resamples resamples(patient, options);
  if (resamples.patients() < 2) return {no_value, no_value};
  std::vector<double> values;
  for (int r = 0; r < options.resamples; ++r) values.push_back(metric(resamples.weight(r)));
  return percentile_interval(std::move(values), metric(std::vector<double>(patient.size(), 1.0)), options);
}

std::vector<Interval> bootstrap_all(std::span<const std::string> patient,
                                    const std::function<std::vector<double>(Reals)>& metrics,
                                    const BootstrapOptions& options) {
  const Resamples resamples(patient, options);
  const std::vector<double> whole = metrics(std::vector<double>(patient.size(), 1.0));
  std::vector<Interval> intervals(whole.size(), {no_value, no_value});
  if (resamples.patients() < 2) return intervals;
  std::vector<std::vector<double>> values(whole.size(),
                                          std::vector<double>(static_cast<std::size_t>(options.resamples)));
#pragma omp parallel for schedule(dynamic, 8)
  for (int r = 0; r < options.resamples; ++r) {
    const std::vector<double> got = metrics(resamples.weight(r));
    for (std::size_t m = 0; m < values.size(); ++m) values[m][static_cast<std::size_t>(r)] = got[m];
  }
  for (std::size_t m = 0; m < whole.size(); ++m)
    intervals[m] = percentile_interval(std::move(values[m]), whole[m], options);
  return intervals;
}

std::vector<double> hits_in_top(Reals score, std::span<const std::int64_t> target, std::int64_t classes,
                                int k) {
  std::vector<double> hits;
  for (std::size_t i = 0; i < target.size(); ++i) {
    const double* row = score.data() + static_cast<std::int64_t>(i) * classes;
    std::int64_t above = 0;
    for (std::int64_t c = 0; c < classes; ++c)
      above += row[c] > row[target[i]] || (row[c] == row[target[i]] && c < target[i]);
    hits.push_back(above < k ? 1 : 0);
  }
  return hits;
}

}  // namespace gadolin
