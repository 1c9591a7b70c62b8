// Sums over bins of equal width.
#include "course/todo.h"
#include "tasks/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/check.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

using detail::no_value;

double edge(int i, int bins) { return static_cast<double>(i) / bins; }

// The bin whose (low, high] holds p; the edges are the very numbers that table() shows.
int bin_of(double p, int bins) {
  course::todo("5.3a", "bin_of");
}

void check_weights(Reals weight, std::size_t samples) {
  require<ShapeError>(weight.empty() || weight.size() == samples, "calibration: ", weight.size(),
                      " weights for ", samples, " samples");
  for (std::size_t i = 0; i < weight.size(); ++i) {
    require<ValueError>(weight[i] >= 0 && std::isfinite(weight[i]), "calibration: weight ", weight[i],
                        " of sample ", i, " is not 0 or more");
  }
}

}  // namespace

Calibration::Calibration(Reals confidence, std::span<const std::uint8_t> right, int bins) : bins_(bins) {
  require<ShapeError>(confidence.size() == right.size(), "calibration: ", confidence.size(),
                      " confidences for ", right.size(), " samples");
  require<ValueError>(bins >= 1 && bins <= 10000, "calibration: ", bins, " bins, 1 to 10000 are possible");
  statements_.reserve(right.size());
  for (std::size_t i = 0; i < right.size(); ++i) {
    if (right[i] == unknown_label) {
      statements_.push_back({0, -1, 0});
      continue;
    }
    require<DataError>(right[i] <= 1, "calibration: value ", static_cast<int>(right[i]), " at index ", i,
                       "; 0, 1, or 255 for unknown");
    require<NumericError>(!std::isnan(confidence[i]), "calibration: the confidence of sample ", i, " is NaN");
    require<DataError>(confidence[i] >= 0 && confidence[i] <= 1 + 1e-6, "calibration: confidence ",
                       confidence[i], " of sample ", i,
                       " is outside [0, 1]; probabilities are needed, not logits");
    const double p = std::min(confidence[i], 1.0);
    statements_.push_back({p, bin_of(p, bins), right[i]});
  }
}

std::vector<ReliabilityBin> Calibration::table(Reals weight) const {
  check_weights(weight, statements_.size());
  std::vector<ReliabilityBin> rows;
  for (int i = 0; i < bins_; ++i) rows.push_back({edge(i, bins_), edge(i + 1, bins_), 0, 0, 0});
  for (std::size_t i = 0; i < statements_.size(); ++i) {
    const Statement& s = statements_[i];
    if (s.bin < 0) continue;
    const double w = weight.empty() ? 1 : weight[i];
    ReliabilityBin& row = rows[static_cast<std::size_t>(s.bin)];
    row.weight += w;
    row.confidence += w * s.confidence;
    row.share += w * s.right;
  }
  for (ReliabilityBin& row : rows) {
    row.confidence = row.weight > 0 ? row.confidence / row.weight : no_value;
    row.share = row.weight > 0 ? row.share / row.weight : no_value;
  }
  return rows;
}

double Calibration::expected_error(Reals weight) const {
  course::todo("5.3a", "Calibration::expected_error");
}

double Calibration::maximum_error(Reals weight) const {
  double most = no_value;
  for (const ReliabilityBin& row : table(weight)) {
    if (row.weight > 0) most = std::fmax(most, std::abs(row.share - row.confidence));
  }
  return most;
}

double Calibration::brier(Reals weight) const {
  course::todo("5.3a", "Calibration::brier");
}

Calibration top_label_calibration(const Predictions& p, int bins) {
  require<ValueError>(!p.multi_label(),
                      "calibration: several labels a sample have no top label; calibrate each label");
  const std::size_t k = p.classes.size();
  require<ShapeError>(k > 0 && p.probability.size() == p.target.size() * k,
                      "calibration: ", p.probability.size(), " probabilities for ", p.target.size(),
                      " samples of ", k, " classes");
  const std::vector<std::int64_t> top = top_class(p.probability, static_cast<std::int64_t>(k));
  std::vector<double> confidence;
  std::vector<std::uint8_t> right;
  for (std::size_t i = 0; i < top.size(); ++i) {
    confidence.push_back(p.probability[i * k + static_cast<std::size_t>(top[i])]);
    right.push_back(top[i] == p.target[i] ? 1 : 0);
  }
  return Calibration(confidence, right, bins);
}

Calibration label_calibration(const Predictions& p, std::int64_t label, int bins) {
  const std::size_t k = p.classes.size(), column = static_cast<std::size_t>(label),
                    n = static_cast<std::size_t>(p.size());
  require<ValueError>(column < k, "calibration: label ", label, " of ", k);
  require<ShapeError>(p.probability.size() == n * k, "calibration: ", p.probability.size(),
                      " probabilities for ", n, " samples of ", k, " classes");
  std::vector<double> confidence;
  std::vector<std::uint8_t> right;
  for (std::size_t i = 0; i < n; ++i) {
    confidence.push_back(p.probability[i * k + column]);
    right.push_back(p.multi_label() ? p.labels[i * k + column] : p.target[i] == label ? 1 : 0);
  }
  return Calibration(confidence, right, bins);
}

double brier_score(Reals probability, std::span<const std::int64_t> target, std::int64_t classes,
                   Reals weight) {
  const std::size_t k = static_cast<std::size_t>(classes);
  require<ShapeError>(classes > 0 && probability.size() == target.size() * k,
                      "brier_score: ", probability.size(), " probabilities for ", target.size(),
                      " samples of ", classes, " classes");
  require<ShapeError>(weight.empty() || weight.size() == target.size(), "brier_score: ", weight.size(),
                      " weights for ", target.size(), " samples");
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    require<DataError>(target[i] >= 0 && target[i] < classes, "brier_score: target ", target[i], " at index ",
                       i, " is outside [0, ", classes, "); class labels start at 0");
    double squares = 0;
    for (std::size_t c = 0; c < k; ++c) {
      const double p = probability[i * k + c];
      require<NumericError>(!std::isnan(p), "brier_score: a probability of sample ", i, " is NaN");
      const double off = p - (target[i] == static_cast<std::int64_t>(c) ? 1 : 0);
      squares += off * off;
    }
    const double w = weight.empty() ? 1 : weight[i];
    sum += w * squares;
    total += w;
  }
  return total > 0 ? sum / total : no_value;
}

}  // namespace gadolin
