// Values and intervals of a summary: of the same classes, with the value inside, and no points at 0 and 1.
#include "tasks/metric_summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tasks/intervals.h"
#include "tensor/random.h"

using namespace gadolin;

namespace {

const MetricValue& metric_of(const std::vector<MetricValue>& values, const std::string& name) {
  for (const MetricValue& v : values)
    if (v.name == name) return v;
  throw std::runtime_error(name);
}

bool holds(const Interval& interval, double value) { return interval.low <= value && value <= interval.high; }

// Ten labels in half of the patients, always ranked first, and ten that one patient has and that are ranked
// last. Few draws hold all of the latter; a mean over the labels of a draw would say 0.6.
TEST(Summary, AMeanOverLabelsAndItsIntervalAreOfTheSameLabels) {
  constexpr int patients = 40, labels = 20;
  Predictions p;
  for (int k = 0; k < labels; ++k) p.classes.push_back("label " + std::to_string(k));
  for (int i = 0; i < patients; ++i) {
    for (int k = 0; k < labels; ++k) {
      const bool rare = k >= labels / 2, there = rare ? i == k : i % 2 == 0;
      p.labels.push_back(there ? 1 : 0);
      p.probability.push_back((rare ? !there : there) ? 0.9 : 0.1);
    }
    p.patient.push_back("p" + std::to_string(i));
  }
  const std::vector<MetricValue> values = summarize(p);
  for (const char* name : {"average_precision", "roc_auc"}) {
    const MetricValue& mean = metric_of(values, name);
    EXPECT_TRUE(holds(mean.interval, mean.value)) << name;
    EXPECT_TRUE(mean.interval.high < 0.55) << name << " " << mean.interval.high;
    EXPECT_TRUE(mean.interval.low > 0.45) << name << " " << mean.interval.low;
  }
}

// The same of classes: nine of ten are never taken for another one, the tenth, of one patient, always is.
TEST(Summary, AMeanOverClassesAndItsIntervalAreOfTheSameClasses) {
  Predictions p;
  for (int k = 0; k < 4; ++k) p.classes.push_back("class " + std::to_string(k));
  const auto add = [&](int target, int predicted) {
    p.target.push_back(target);
    for (int k = 0; k < 4; ++k) p.probability.push_back(k == predicted ? 0.7 : 0.1);
    p.patient.push_back("p" + std::to_string(p.target.size()));
  };
  for (int i = 0; i < 30; ++i) add(0, 0);
  for (int k = 1; k < 4; ++k) add(k, 0);
  const std::vector<MetricValue> values = summarize(p);
  const MetricValue& recall = metric_of(values, "balanced_accuracy");
  EXPECT_EQ(recall.value, 0.25);
  EXPECT_EQ(recall.interval.low, 0.25);  // it is 1/4 in each draw, and not 1 in those of class 0 alone
  EXPECT_EQ(recall.interval.high, 0.25);
  EXPECT_TRUE(metric_of(values, "macro_f1").interval.high < 0.3);
}

// Answers by chance to many labels: positives that are drawn twice make all average precisions larger.
TEST(Summary, AnIntervalHoldsItsValueAlsoWhereDrawsAreBiased) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    constexpr std::size_t patients = 63, labels = 40;
    RandomStream random(seed, 1);
    Predictions p;
    for (std::size_t k = 0; k < labels; ++k) p.classes.push_back("label " + std::to_string(k));
    for (std::size_t i = 0; i < 2 * patients; ++i) {
      for (std::size_t k = 0; k < labels; ++k) {
        p.labels.push_back(random.below(33) == 0 ? 1 : 0);
        p.probability.push_back(static_cast<double>(random.below(1000)) / 1000);
      }
      p.patient.push_back("p" + std::to_string(i % patients));
    }
    for (const MetricValue& v : summarize(p, {.resamples = 200}))
      EXPECT_TRUE(std::isnan(v.value) || std::isnan(v.interval.low) || holds(v.interval, v.value))
          << seed << " " << v.name << " " << v.value << " in " << v.interval.low << " to " << v.interval.high;
  }
}

// All right or all wrong: the interval by patients, not a point.
TEST(Summary, AtTheEndTheIntervalIsClopperAndPearsonsByPatients) {
  for (const bool right : {true, false}) {
    Predictions p;
    p.classes = {"PA", "AP"};
    for (int i = 0; i < 126; ++i) {
      const bool second = i % 3 == 0;
      p.target.push_back(second ? 1 : 0);
      const double q = second == right ? 0.9 : 0.1;
      p.probability.insert(p.probability.end(), {1 - q, q});
      p.patient.push_back("p" + std::to_string(i / 3));  // 42, each with both classes
    }
    const std::vector<MetricValue> values = summarize(p);
    const Interval expected = clopper_pearson_interval(right ? 42 : 0, 42);
    for (const char* name : {"accuracy", "balanced_accuracy", "macro_f1", "roc_auc"}) {
      const MetricValue& v = metric_of(values, name);
      EXPECT_EQ(v.value, right ? 1 : 0) << name;
      EXPECT_NEAR(v.interval.low, expected.low, 1e-12) << name;
      EXPECT_NEAR(v.interval.high, expected.high, 1e-12) << name;
    }
    if (!right) continue;
    EXPECT_NEAR(metric_of(values, "average_precision").interval.low, expected.low, 1e-12);
  }
}

TEST(Summary, AtTheEndTrialsOfAClassAreItsPatients) {
  Predictions p;
  p.classes = {"a", "b"};
  for (int i = 0; i < 126; ++i) {  // label a: 6 patients of 126; label b: 120
    p.labels.insert(p.labels.end(), {std::uint8_t{i < 6}, std::uint8_t{i >= 6}});
    p.probability.insert(p.probability.end(), {i < 6 ? 0.9 : 0.1, i < 6 ? 0.1 : 0.9});
  }
  const std::vector<MetricValue> values = summarize(p);
  const auto low = [](std::int64_t n) { return clopper_pearson_interval(n, n).low; };
  EXPECT_NEAR(metric_of(values, "average_precision/a").interval.low, low(6), 1e-12);
  EXPECT_NEAR(metric_of(values, "average_precision/b").interval.low, low(120), 1e-12);
  EXPECT_NEAR(metric_of(values, "average_precision").interval.low, (low(6) + low(120)) / 2, 1e-12);
  EXPECT_NEAR(metric_of(values, "roc_auc/b").interval.low, low(6), 1e-12);  // as many are without it
  EXPECT_NEAR(metric_of(values, "roc_auc_micro").interval.low, low(126), 1e-12);
  EXPECT_EQ(metric_of(values, "roc_auc").interval.high, 1);
  EXPECT_TRUE(metric_of(values, "log_loss").interval.high < 0.2);
  EXPECT_TRUE(std::isnan(metric_of(summarize(p, {.resamples = 0}), "roc_auc").interval.low));
}

}  // namespace
