// ROC and precision-recall curves and their areas, from one sorted list.
#include "course/todo.h"
#include <algorithm>
#include <cmath>
#include <limits>

#include "tasks/metrics.h"
#include "tensor/check.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

using detail::no_value;

double weight_of(Reals weight, std::int64_t index) {
  return weight.empty() ? 1 : weight[static_cast<std::size_t>(index)];
}

}  // namespace

Ranking::Ranking(Reals score, std::span<const std::uint8_t> label) {
  require<ShapeError>(score.size() == label.size(), "ranking: ", score.size(), " scores for ", label.size(),
                      " labels");
  for (std::size_t i = 0; i < score.size(); ++i) {
    if (label[i] == unknown_label) continue;
    require<DataError>(label[i] <= 1, "ranking: label ", static_cast<int>(label[i]), " at index ", i,
                       "; 0, 1, or 255 for unknown");
    require<NumericError>(!std::isnan(score[i]), "ranking: score of sample ", i, " is NaN");
    order_.push_back({score[i], static_cast<std::int64_t>(i), label[i] == 1});
  }
  std::sort(order_.begin(), order_.end(), [](const Sample& a, const Sample& b) {
    return a.score != b.score ? a.score > b.score : a.index < b.index;
  });
}

// Mann-Whitney: the share of (positive, negative) pairs in the right order. All sums are of whole numbers, so
// exact.
double Ranking::auc(Reals weight) const {
  course::todo("5.2a", "Ranking::auc");
}

double Ranking::average_precision(Reals weight) const {
  course::todo("5.2a", "Ranking::average_precision");
}

double Ranking::sensitivity_at(double specificity, Reals weight) const {
  double all[2] = {0, 0}, called[2] = {0, 0}, best = 0;  // negatives, positives
  for (const Sample& s : order_) all[s.positive ? 1 : 0] += weight_of(weight, s.index);
  if (!(all[0] > 0 && all[1] > 0)) return no_value;
  for (std::size_t i = 0; i < order_.size();) {
    const double score = order_[i].score;
    for (; i < order_.size() && order_[i].score == score; ++i)
      called[order_[i].positive ? 1 : 0] += weight_of(weight, order_[i].index);
    if ((all[0] - called[0]) / all[0] < specificity) break;
    best = called[1] / all[1];
  }
  return best;
}

Ranking::Counts Ranking::counts() const {
  Counts c;
  double positives = 0, negatives = 0;
  for (std::size_t i = 0; i < order_.size();) {
    const double score = order_[i].score;
    for (; i < order_.size() && order_[i].score == score; ++i)
      (order_[i].positive ? positives : negatives) += 1;
    c.score.push_back(score);
    c.positive.push_back(positives);
    c.negative.push_back(negatives);
  }
  return c;
}

RocCurve Ranking::roc() const {
  const Counts c = counts();
  const std::size_t n = c.score.size();
  const double positives = n > 0 ? c.positive.back() : 0, negatives = n > 0 ? c.negative.back() : 0;
  const auto rate = [](double count, double all) { return all > 0 ? count / all : no_value; };
  RocCurve curve{{std::numeric_limits<double>::infinity()}, {rate(0, negatives)}, {rate(0, positives)}};
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0 && i + 1 < n) {
      const bool straight = c.positive[i] - c.positive[i - 1] == c.positive[i + 1] - c.positive[i] &&
                            c.negative[i] - c.negative[i - 1] == c.negative[i + 1] - c.negative[i];
      if (straight) continue;
    }
    curve.threshold.push_back(c.score[i]);
    curve.false_positive_rate.push_back(rate(c.negative[i], negatives));
    curve.true_positive_rate.push_back(rate(c.positive[i], positives));
  }
  return curve;
}

PrecisionRecallCurve Ranking::precision_recall() const {
  const Counts c = counts();
  const double positives = c.score.empty() ? 0 : c.positive.back();
  PrecisionRecallCurve curve;
  for (std::size_t i = c.score.size(); i-- > 0;) {
    curve.threshold.push_back(c.score[i]);
    curve.precision.push_back(c.positive[i] / (c.positive[i] + c.negative[i]));
    curve.recall.push_back(positives > 0 ? c.positive[i] / positives : no_value);
  }
  curve.precision.push_back(1);
  curve.recall.push_back(0);
  return curve;
}

}  // namespace gadolin
