// Choosing and measuring thresholds: one walk down the sorted scores.
#include "tasks/thresholds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::no_value;
constexpr double infinity = std::numeric_limits<double>::infinity();

struct ScoredSample {
  double score, weight;
  bool positive;
};

std::vector<ScoredSample> samples_of(Reals score, std::span<const std::uint8_t> label, Reals weight) {
  require<ShapeError>(score.size() == label.size(), "threshold: ", score.size(), " scores for ", label.size(),
                      " labels");
  require<ShapeError>(weight.empty() || weight.size() == label.size(), "threshold: ", weight.size(),
                      " weights for ", label.size(), " samples");
  std::vector<ScoredSample> samples;
  for (std::size_t i = 0; i < label.size(); ++i) {
    if (label[i] == unknown_label) continue;
    const double w = weight.empty() ? 1 : weight[i];
    require<DataError>(label[i] <= 1, "threshold: label ", static_cast<int>(label[i]), " at index ", i,
                       "; 0, 1, or 255 for unknown");
    require<NumericError>(!std::isnan(score[i]), "threshold: the score of sample ", i, " is NaN");
    require<ValueError>(w >= 0 && std::isfinite(w), "threshold: weight ", w, " of sample ", i,
                        " is not 0 or more");
    if (w > 0) samples.push_back({score[i], w, label[i] == 1});
  }
  return samples;
}

// Samples called positive at a threshold, and how many there are.
struct Called {
  double threshold, hits, alarms, positives, negatives;
};

// Whether `a` is better than `b` or as good. Products instead of quotients: for counts they are exact, so
// that ties are ties.
bool as_good(ThresholdRule::Kind kind, const Called& a, const Called& b) {
  if (kind == ThresholdRule::Kind::youden) {
    return (a.hits - b.hits) * a.negatives >= (a.alarms - b.alarms) * a.positives;
  }
  return a.hits * (b.hits + b.alarms + b.positives) >= b.hits * (a.hits + a.alarms + a.positives);
}

const char* why_undefined(ThresholdRule::Kind kind, double positives, double negatives) {
  using Kind = ThresholdRule::Kind;
  if (!(positives + negatives > 0)) return "no sample";
  if (!(positives > 0) && kind != Kind::specificity) return "no positive sample";
  if (!(negatives > 0) && (kind == Kind::specificity || kind == Kind::youden)) return "no negative sample";
  return "";
}

Share share_of(double part, double whole, double confidence) {
  if (!(whole > 0)) return {no_value, {no_value, no_value}};
  return {part / whole, wilson_interval(part, whole, confidence)};
}

}  // namespace

Threshold choose_threshold(Reals score, std::span<const std::uint8_t> label, const ThresholdRule& rule,
                           Reals weight) {
  using Kind = ThresholdRule::Kind;
  const bool has_share = rule.kind == Kind::sensitivity || rule.kind == Kind::specificity;
  require<ValueError>(!has_share || (rule.at > 0 && rule.at <= 1), "threshold: ", text_of(rule),
                      " is not above 0 and at most 1");
  std::vector<ScoredSample> samples = samples_of(score, label, weight);
  std::sort(samples.begin(), samples.end(),
            [](const ScoredSample& a, const ScoredSample& b) { return a.score > b.score; });
  Threshold chosen{"", rule, no_value, ""};
  for (const ScoredSample& s : samples) (s.positive ? chosen.positives : chosen.negatives) += s.weight;
  const double positives = chosen.positives, negatives = chosen.negatives;
  chosen.undefined = why_undefined(rule.kind, positives, negatives);
  if (!chosen.defined()) return chosen;

  Called now{infinity, 0, 0, positives, negatives}, best = now;
  for (std::size_t i = 0; i < samples.size();) {
    now.threshold = samples[i].score;
    for (; i < samples.size() && samples[i].score == now.threshold; ++i)
      (samples[i].positive ? now.hits : now.alarms) += samples[i].weight;
    if (rule.kind == Kind::sensitivity) {
      best = now;
      if (now.hits / positives >= rule.at) break;
    } else if (rule.kind == Kind::specificity) {
      if ((negatives - now.alarms) / negatives < rule.at) break;
      best = now;
    } else if (as_good(rule.kind, now, best)) {
      best = now;
    }
  }
  if (rule.kind == Kind::youden && best.hits * negatives <= best.alarms * positives) {
    chosen.undefined = "no threshold is better than chance";
  } else {
    chosen.value = best.threshold;
  }
  return chosen;
}

std::vector<Threshold> choose_thresholds(const Predictions& p, const ThresholdRule& rule, Reals weight) {
  const std::size_t n = static_cast<std::size_t>(p.size()), k = p.classes.size();
  require<ShapeError>(k > 0 && p.probability.size() == n * k, "threshold: ", p.probability.size(),
                      " probabilities for ", n, " samples of ", k, " classes");
  std::vector<Threshold> chosen;
  for (std::size_t c = !p.multi_label() && k == 2 ? 1 : 0; c < k; ++c) {
    std::vector<double> score;
    std::vector<std::uint8_t> label;
    for (std::size_t i = 0; i < n; ++i) {
      score.push_back(p.probability[i * k + c]);
      label.push_back(p.multi_label()                               ? p.labels[i * k + c]
                      : p.target[i] == static_cast<std::int64_t>(c) ? 1
                                                                    : 0);
    }
    chosen.push_back(choose_threshold(score, label, rule, weight));
    chosen.back().label = p.classes[c];
  }
  return chosen;
}

OperatingPoint operating_point(Reals score, std::span<const std::uint8_t> label, double threshold,
                               Reals weight) {
  require<ValueError>(!std::isnan(threshold), "threshold: it is NaN, so nothing can be measured at it");
  OperatingPoint point{threshold};
  for (const ScoredSample& s : samples_of(score, label, weight)) {
    const bool called = s.score >= threshold;
    (s.positive ? called ? point.true_positive : point.false_negative
     : called   ? point.false_positive
                : point.true_negative) += s.weight;
  }
  return point;
}

Share OperatingPoint::sensitivity(double confidence) const {
  return share_of(true_positive, true_positive + false_negative, confidence);
}
Share OperatingPoint::specificity(double confidence) const {
  return share_of(true_negative, true_negative + false_positive, confidence);
}
Share OperatingPoint::ppv(double confidence) const {
  return share_of(true_positive, true_positive + false_positive, confidence);
}
Share OperatingPoint::npv(double confidence) const {
  return share_of(true_negative, true_negative + false_negative, confidence);
}
double OperatingPoint::f1() const {
  const double whole = 2 * true_positive + false_positive + false_negative;
  return whole > 0 ? 2 * true_positive / whole : 0;
}

}  // namespace gadolin
