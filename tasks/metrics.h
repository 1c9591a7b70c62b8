// Quality of predictions: counts (accuracy, F1, confusion), rankings (ROC, average precision), losses, and
// how sure each number is. Plain vectors in double precision; agrees with scikit-learn where both are
// defined.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace gadolin {

using Reals = std::span<const double>;  // numbers that somebody else holds

namespace detail {
inline constexpr double no_value =
    std::numeric_limits<double>::quiet_NaN();  // NaN, of a metric that is not defined
}

// How often class t was taken for class p. Counts are doubles, so that resampled samples may be weighted.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::int64_t classes);  // all counts 0
  // Throws DataError when a class is outside [0, classes).
  void add(std::int64_t target, std::int64_t predicted, double weight = 1);
  std::int64_t classes() const { return classes_; }              // number of them
  double at(std::int64_t target, std::int64_t predicted) const;  // count of one pair
  double of_target(std::int64_t k) const;                        // row sum
  double of_predicted(std::int64_t k) const;                     // column sum
  double total() const;                                          // of all counts

 private:
  std::int64_t classes_;
  std::vector<double> counts_;  // [classes, classes], row = target
};

// A class that was never predicted has precision 0, one that never occurs has recall 0.
struct ClassScore {
  double precision, recall, f1, support;  // support: samples of the class
};
std::vector<ClassScore> class_scores(const ConfusionMatrix& m);  // a score a class
double accuracy(const ConfusionMatrix& m);                       // NaN without samples
double balanced_accuracy(const ConfusionMatrix& m);              // mean recall over the classes that occur
double macro_f1(const ConfusionMatrix& m);  // mean F1 over the classes that occur or were predicted

// Of a multi-label target: this sample says nothing about this label.
inline constexpr std::uint8_t unknown_label = 255;

// Points of the curve, one a threshold.
struct RocCurve {
  std::vector<double> threshold, false_positive_rate, true_positive_rate;  // thresholds fall
};
// Thresholds rise; the last point is (recall 0, precision 1) and has no threshold.
struct PrecisionRecallCurve {
  std::vector<double> threshold, precision, recall;  // see above
};

// Samples sorted by score, once; everything that depends on the order only is then linear, also with weights.
// Samples with equal scores enter together, so a tie between a positive and a negative counts half in the
// AUC.
class Ranking {
 public:
  // score [N], label [N]: 0, 1 or unknown_label. Throws NumericError, naming the sample, for a NaN score and
  // DataError for any other label.
  Ranking(Reals score, std::span<const std::uint8_t> label);
  // weight [N] or empty. NaN when there is no positive or no negative.
  double auc(Reals weight = {}) const;
  // Sum of (R_n - R_{n-1}) P_n. NaN when there is no positive.
  double average_precision(Reals weight = {}) const;
  // The largest sensitivity of a threshold with at least this specificity, as in scikit-learn's roc_curve;
  // 0 where only "nothing is positive" is so specific. NaN when there is no positive or no negative.
  double sensitivity_at(double specificity, Reals weight = {}) const;
  // From (0, 0) at threshold infinity to (1, 1); points on a straight line between others are left out.
  RocCurve roc() const;
  PrecisionRecallCurve precision_recall() const;  // without the points that no threshold separates

 private:
  struct Counts {
    std::vector<double> score, positive, negative;
  };  // running sums, one entry a distinct score, falling
  Counts counts() const;
  struct Sample {
    double score;
    std::int64_t index;
    bool positive;
  };
  std::vector<Sample> order_;  // falling scores
};

// Mean of -log(probability of the target), probabilities [N, classes] clipped to [2.2e-16, 1 - 2.2e-16].
double log_loss(Reals probability, std::span<const std::int64_t> target, std::int64_t classes,
                Reals weight = {});

// Class with the highest score of each row [N, classes]; the first one of equals. Throws NumericError for
// NaN.
std::vector<std::int64_t> top_class(Reals score, std::int64_t classes);
// 1 for each row whose target is among the k classes with the highest scores, else 0; of equal scores the
// first class counts as higher, as in top_class.
std::vector<double> hits_in_top(Reals score, std::span<const std::int64_t> target, std::int64_t classes,
                                int k);

// From low to high, both possible values.
struct Interval {
  double low, high;  // NaN: not known
};
// How many resamples, and of which confidence.
struct BootstrapOptions {
  int resamples = 1000;      // of all patients, drawn with replacement
  double confidence = 0.95;  // share of the resamples inside
  std::uint64_t seed = 0;    // of the draws
};

// Percentile bootstrap that resamples patients, not images: images of one patient are not independent (Efron
// 1979; Field and Welsh 2007). `metric` gets a weight for each sample: how often its patient is in the
// resample. Resamples for which it is NaN are left out; the interval is NaN when they are more than half, or
// when there is a single patient. The value with a weight of 1 for all is always inside: an average precision
// grows when a positive is drawn twice, so that a mean of many can lie above all percentiles. Independent of
// the order of samples for a given seed.
Interval bootstrap(std::span<const std::string> patient, const std::function<double(Reals weight)>& metric,
                   const BootstrapOptions& options = {});
// The same for several metrics that are computed together: `metrics` gives all of them, always as many, and
// is called by several threads at once. An interval each; resamples are those of bootstrap().
std::vector<Interval> bootstrap_all(std::span<const std::string> patient,
                                    const std::function<std::vector<double>(Reals weight)>& metrics,
                                    const BootstrapOptions& options = {});

}  // namespace gadolin
