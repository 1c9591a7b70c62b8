// Metrics against scikit-learn (tools/fixtures/metrics.py) to 1e-12, and their edges: ties, one class only,
// NaN, nothing.
#include "tasks/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tasks/metric_summary.h"
#include "tensor/check.h"

using namespace gadolin;
using nlohmann::json;

namespace {

using Reals1 = std::vector<double>;
using Labels1 = std::vector<std::uint8_t>;
using Ints = std::vector<std::int64_t>;

const json& metrics_numbers() {
  static const json all = [] {
    std::ifstream file(std::string(GADOLIN_TEST_DATA) + "/metrics.json");
    return json::parse(file);
  }();
  return all;
}

void expect_agrees(const Reals1& found, const Reals1& wanted, const char* what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 1e-12) << what << " " << i;
}

double value_of(const std::vector<MetricValue>& values, const std::string& name) {
  for (const MetricValue& v : values) {
    if (v.name == name) return v.value;
  }
  ADD_FAILURE() << "no metric " << name;
  return -1;
}

template <class E, class F> void expect_error(const char* text, F f) {
  try {
    f();
    ADD_FAILURE() << "no error: " << text;
  } catch (const E& e) {
    EXPECT_STREQ(e.what(), text);
  }
}

TEST(Metrics, BinaryRankingsAgreeWithScikitLearn) {
  for (const json& c : metrics_numbers()["binary"]) {
    const Reals1 score = c["score"], weight = c["weight"];
    const Labels1 label = c["label"];
    const Ranking ranking(score, label);
    EXPECT_NEAR(ranking.auc(), c["auc"].get<double>(), 1e-12);
    EXPECT_NEAR(ranking.average_precision(), c["average_precision"].get<double>(), 1e-12);
    EXPECT_NEAR(ranking.auc(weight), c["weighted_auc"].get<double>(), 1e-12);
    EXPECT_NEAR(ranking.average_precision(weight), c["weighted_average_precision"].get<double>(), 1e-12);
    const RocCurve roc = ranking.roc();
    expect_agrees(roc.false_positive_rate, c["fpr"], "fpr");
    expect_agrees(roc.true_positive_rate, c["tpr"], "tpr");
    EXPECT_TRUE(std::isinf(roc.threshold[0]));
    expect_agrees(Reals1(roc.threshold.begin() + 1, roc.threshold.end()), c["threshold"], "threshold");
    const PrecisionRecallCurve curve = ranking.precision_recall();
    expect_agrees(curve.precision, c["precision"], "precision");
    expect_agrees(curve.recall, c["recall"], "recall");
    expect_agrees(curve.threshold, c["cuts"], "cuts");
  }
}

TEST(Metrics, ClassesAgreeWithScikitLearn) {
  for (const json& c : metrics_numbers()["multi_class"]) {
    Predictions p;
    const std::int64_t classes = c["classes"];
    for (std::int64_t k = 0; k < classes; ++k) p.classes.push_back("c" + std::to_string(k));
    p.probability = c["probability"].get<Reals1>();
    p.target = c["target"].get<Ints>();
    EXPECT_EQ(top_class(p.probability, classes), c["predicted"].get<Ints>());
    const ConfusionMatrix matrix = confusion_of(p);
    for (std::int64_t t = 0; t < classes; ++t) {
      for (std::int64_t q = 0; q < classes; ++q) {
        EXPECT_EQ(matrix.at(t, q), c["confusion"][static_cast<std::size_t>(t * classes + q)].get<double>());
      }
    }
    const std::vector<ClassScore> scores = class_scores(matrix);
    for (std::size_t k = 0; k < scores.size(); ++k) {
      EXPECT_NEAR(scores[k].precision, c["precision"][k].get<double>(), 1e-12);
      EXPECT_NEAR(scores[k].recall, c["recall"][k].get<double>(), 1e-12);
      EXPECT_NEAR(scores[k].f1, c["f1"][k].get<double>(), 1e-12);
      EXPECT_EQ(scores[k].support, c["support"][k].get<double>());
    }
    const std::vector<MetricValue> values = summarize(p, {.resamples = 0});
    for (const char* name :
         {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc", "average_precision"}) {
      // With two classes only the second one is ranked; its AUC equals that of the first unless scores were
      // rounded.
      if (classes == 2 && (name == std::string("roc_auc") || name == std::string("average_precision")))
        continue;
      EXPECT_NEAR(value_of(values, name), c[name].get<double>(), 1e-12) << name;
    }
    if (classes > 2) {
      EXPECT_NEAR(value_of(values, "roc_auc_micro"), c["roc_auc_micro"].get<double>(), 1e-12);
    }
  }
}

TEST(Metrics, LabelsAgreeWithScikitLearn) {
  for (const json& c : metrics_numbers()["multi_label"]) {
    Predictions p;
    for (std::int64_t k = 0; k < c["classes"].get<std::int64_t>(); ++k)
      p.classes.push_back("l" + std::to_string(k));
    p.probability = c["probability"].get<Reals1>();
    p.labels = c["labels"].get<Labels1>();
    const std::vector<MetricValue> values = summarize(p, {.resamples = 0});
    for (const char* name : {"roc_auc", "roc_auc_micro", "average_precision", "log_loss"}) {
      EXPECT_NEAR(value_of(values, name), c[name].get<double>(), 1e-12) << name;
    }
    EXPECT_NEAR(value_of(values, "roc_auc/l2"), ranking_of(p, 2).auc(), 0);
    EXPECT_TRUE(std::isnan(values[0].interval.low));
  }
}

// Every pair counted, no sorting: the definition of the AUC.
TEST(Metrics, AucIsTheShareOfPairsInOrder) {
  const Reals1 score{0.1, 0.4, 0.4, 0.4, 0.8, 0.8, 0.9, 0.2};
  const Labels1 label{0, 1, 0, 0, 1, 0, 1, 1};
  double right = 0, pairs = 0;
  for (std::size_t i = 0; i < score.size(); ++i) {
    for (std::size_t j = 0; j < score.size(); ++j) {
      if (label[i] != 1 || label[j] != 0) continue;
      ++pairs;
      right += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
    }
  }
  EXPECT_DOUBLE_EQ(Ranking(score, label).auc(), right / pairs);
}

TEST(Metrics, OneClassOnlyIsUndefinedAndSaysSo) {
  const Reals1 score{0.1, 0.2};
  EXPECT_TRUE(std::isnan(Ranking(score, Labels1{1, 1}).auc()));
  EXPECT_TRUE(std::isnan(Ranking(score, Labels1{0, 0}).auc()));
  EXPECT_TRUE(std::isnan(Ranking(score, Labels1{0, 0}).average_precision()));
  EXPECT_EQ(Ranking(score, Labels1{1, 1}).average_precision(), 1);
  EXPECT_TRUE(std::isnan(Ranking(score, Labels1{unknown_label, unknown_label}).auc()));
  const Ranking none{Reals1{}, Labels1{}};
  EXPECT_TRUE(std::isnan(none.auc()));
  EXPECT_EQ(none.roc().threshold.size(), 1u);
  EXPECT_EQ(none.precision_recall().precision, Reals1{1});
  EXPECT_TRUE(std::isnan(accuracy(ConfusionMatrix(3))));
  EXPECT_TRUE(std::isnan(balanced_accuracy(ConfusionMatrix(3))));
  EXPECT_TRUE(std::isnan(macro_f1(ConfusionMatrix(3))));
  EXPECT_EQ(Ranking(Reals1{0.5, 0.5, 0.5}, Labels1{1, 0, 1}).auc(), 0.5);
}

TEST(Metrics, UnknownLabelsAreLeftOut) {
  const Ranking all(Reals1{0.1, 0.9, 0.5, 0.3}, Labels1{0, 1, unknown_label, 1});
  const Ranking known(Reals1{0.1, 0.9, 0.3}, Labels1{0, 1, 1});
  EXPECT_EQ(all.auc(), known.auc());
  const Reals1 weight{1, 2, 100, 1};
  EXPECT_EQ(all.auc(weight), known.auc(Reals1{1, 2, 1}));
}

TEST(Metrics, ErrorsNameTheSample) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Labels1 two{0, 1};
  expect_error<NumericError>("ranking: score of sample 1 is NaN", [&] { Ranking(Reals1{0.5, nan}, two); });
  expect_error<DataError>("ranking: label 7 at index 0; 0, 1, or 255 for unknown", [&] {
    Ranking(Reals1{0.5, 0.5}, Labels1{7, 1});
  });
  expect_error<ShapeError>("ranking: 1 scores for 2 labels", [&] { Ranking(Reals1{0.5}, two); });
  expect_error<NumericError>("top_class: a score of sample 1 is NaN", [&] {
    top_class(Reals1{0, 1, nan, 0}, 2);
  });
  expect_error<ShapeError>("top_class: 3 scores are no whole rows of 2 classes", [] {
    top_class(Reals1{0, 1, 2}, 2);
  });
  expect_error<DataError>("confusion_matrix: target 3 is outside [0, 3); class labels start at 0",
                          [] { ConfusionMatrix(3).add(3, 0); });
  expect_error<DataError>("confusion_matrix: predicted class -1 is outside [0, 3)",
                          [] { ConfusionMatrix(3).add(0, -1); });
  expect_error<ValueError>("confusion_matrix: 0 classes, 1 to 65536 are possible",
                           [] { ConfusionMatrix m(0); });
  expect_error<NumericError>("log_loss: the probability of sample 0 is NaN", [&] {
    log_loss(Reals1{nan, 0}, Ints{0}, 2);
  });
  expect_error<DataError>("log_loss: target 2 at index 0 is outside [0, 2); class labels start at 0", [] {
    log_loss(Reals1{0.5, 0.5}, Ints{2}, 2);
  });
  expect_error<ShapeError>("log_loss: 3 probabilities for 1 samples of 2 classes", [] {
    log_loss(Reals1{0.5, 0.5, 0}, Ints{1}, 2);
  });
  expect_error<ShapeError>("log_loss: 2 weights for 1 samples", [] {
    log_loss(Reals1{0.5, 0.5}, Ints{1}, 2, Reals1{1, 1});
  });
  expect_error<ValueError>(
      "bootstrap: 0 resamples at confidence 0.95; at least one, and a confidence between 0 and 1", [] {
        bootstrap(std::vector<std::string>{"a", "b"}, [](Reals) { return 0.0; }, {.resamples = 0});
      });
  expect_error<ShapeError>("summarize: 1 probabilities for 1 samples of 2 classes", [] {
    summarize({{"a", "b"}, {0.5}, {0}, {}, {}});
  });
  expect_error<ShapeError>("summarize: 1 patients for 2 samples", [] {
    summarize({{"a"}, {0.5, 0.5}, {0, 0}, {}, {"p"}});
  });
  expect_error<ShapeError>("summarize: 3 labels for 1 samples of 2 classes", [] {
    summarize({{"a", "b"}, {0.5, 0.5}, {}, {0, 1, 1}, {}});
  });
}

TEST(Metrics, LogLossOfCertaintyIsFinite) {
  EXPECT_NEAR(log_loss(Reals1{0, 1}, Ints{0}, 2), -std::log(std::numeric_limits<double>::epsilon()), 1e-12);
  EXPECT_NEAR(log_loss(Reals1{0, 1}, Ints{1}, 2), 0, 1e-15);
}

// Mean of 0/1 values of independent patients: the interval must be near the normal one, and the draw whole
// patients.
TEST(Bootstrap, IntervalOfAShareIsTheBinomialOne) {
  std::vector<std::string> patient;
  Reals1 value;
  for (int i = 0; i < 400; ++i) {
    patient.push_back("p" + std::to_string(i));
    value.push_back(i % 4 == 0 ? 0 : 1);
  }
  const auto mean = [&](Reals weight) {
    double sum = 0, total = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      sum += weight[i] * value[i];
      total += weight[i];
    }
    return sum / total;
  };
  const Interval interval = bootstrap(patient, mean, {.resamples = 4000});
  const double half = 1.96 * std::sqrt(0.75 * 0.25 / 400);
  EXPECT_NEAR(interval.low, 0.75 - half, 0.006);
  EXPECT_NEAR(interval.high, 0.75 + half, 0.006);

  // The same values as 20 patients of 20 equal images each: the interval of 20 samples, much wider.
  for (std::size_t i = 0; i < patient.size(); ++i) {
    patient[i] = "p" + std::to_string(i / 20);
    value[i] = i / 20 % 4 == 0 ? 0 : 1;
  }
  const Interval wide = bootstrap(patient, mean, {.resamples = 4000});
  EXPECT_NEAR(wide.high - wide.low, 2 * 1.96 * std::sqrt(0.75 * 0.25 / 20), 0.06);
}

TEST(Bootstrap, RepeatsAndDoesNotDependOnTheOrderOfSamples) {
  std::vector<std::string> patient{"a", "a", "b", "c", "d", "e"}, turned(patient.rbegin(), patient.rend());
  Reals1 value{1, 2, 3, 4, 5, 7}, turned_value(value.rbegin(), value.rend());
  const auto mean_of = [](const Reals1& v) {
    return [&v](Reals weight) {
      double sum = 0, total = 0;
      for (std::size_t i = 0; i < v.size(); ++i) {
        sum += weight[i] * v[i];
        total += weight[i];
      }
      return sum / total;
    };
  };
  const Interval one = bootstrap(patient, mean_of(value)), two = bootstrap(patient, mean_of(value));
  const Interval other = bootstrap(turned, mean_of(turned_value)),
                 seeded = bootstrap(patient, mean_of(value), {.seed = 1});
  EXPECT_EQ(one.low, two.low);
  EXPECT_EQ(one.high, other.high);
  EXPECT_TRUE(one.low != seeded.low || one.high != seeded.high);
  EXPECT_LT(one.low, one.high);
}

TEST(Bootstrap, UndefinedDrawsAreLeftOutUnlessTheyAreTheRule) {
  const std::vector<std::string> patient{"a", "b", "c", "d", "e", "f", "g", "h"};
  const Ranking some(Reals1{1, 2, 3, 4, 5, 6, 7, 8}, Labels1{0, 1, 0, 1, 0, 1, 0, 1});
  const Interval good = bootstrap(patient, [&](Reals w) { return some.auc(w); });
  EXPECT_GE(good.low, 0);
  EXPECT_LE(good.high, 1);
  const Interval none = bootstrap(patient, [](Reals) { return std::numeric_limits<double>::quiet_NaN(); });
  EXPECT_TRUE(std::isnan(none.low));
  EXPECT_TRUE(std::isnan(bootstrap(std::vector<std::string>{"a", "a"}, [](Reals) { return 1.0; }).high));
}

TEST(Summary, IntervalsHoldTheirValue) {
  Predictions p;
  p.classes = {"PA", "AP"};
  for (int i = 0; i < 60; ++i) {
    const double q = 0.5 + 0.4 * std::sin(i * 1.3);
    p.probability.insert(p.probability.end(), {1 - q, q});
    p.target.push_back(std::sin(i * 1.3) + 0.5 * std::cos(i * 7.1) > 0 ? 1 : 0);
    p.patient.push_back("p" + std::to_string(i / 2));
  }
  const std::vector<MetricValue> values = summarize(p);
  ASSERT_EQ(values.size(), 6u);
  for (const MetricValue& v : values) {
    EXPECT_LT(v.interval.low, v.interval.high) << v.name;
    EXPECT_LE(v.interval.low, v.value) << v.name;
    EXPECT_GE(v.interval.high, v.value) << v.name;
  }
}

// Published by the R package yardstick for its two_class_example; counted pair by pair.
TEST(Metrics, TwoClassExample) {
  std::ifstream file(std::string(GADOLIN_TEST_DATA) +
                     "/../../../shared/data/metrics-reference/roc/two_class_example.csv");
  if (!file) GTEST_SKIP() << "the reference data set is not on this machine";
  Reals1 score;
  Labels1 label;
  ConfusionMatrix matrix(2);
  std::string line, cell;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::vector<std::string> c;
    while (std::getline(cells, cell, ',')) c.push_back(cell);
    const std::size_t at = c.size() - 4;
    const bool event = c[at].find("Class1") != std::string::npos;
    label.push_back(event ? 1 : 0);
    score.push_back(std::stod(c[at + 1]));
    matrix.add(event ? 1 : 0, c[at + 3].find("Class1") != std::string::npos ? 1 : 0);
  }
  ASSERT_EQ(score.size(), 500u);
  EXPECT_NEAR(Ranking(score, label).auc(), 0.939313857390, 1e-12);
  EXPECT_EQ(matrix.at(1, 1), 227);
  EXPECT_EQ(matrix.at(1, 0), 31);
  EXPECT_EQ(matrix.at(0, 1), 50);
  EXPECT_EQ(matrix.at(0, 0), 192);
  EXPECT_NEAR(accuracy(matrix), 0.838, 1e-12);
}

TEST(Metrics, HitsAmongTheLikeliestClasses) {
  const std::vector<double> score{0.1, 0.6, 0.3, 0.4, 0.4, 0.2, 0.2, 0.2, 0.6};
  const std::vector<std::int64_t> target{2, 1, 0};
  EXPECT_EQ(hits_in_top(score, target, 3, 1),
            (std::vector<double>{0, 0, 0}));  // of two equal ones the first is ahead
  EXPECT_EQ(hits_in_top(score, target, 3, 2), (std::vector<double>{1, 1, 1}));
  const std::vector<std::int64_t> last{0, 2, 1};
  EXPECT_EQ(hits_in_top(score, last, 3, 2), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(hits_in_top(score, last, 3, 3), (std::vector<double>{1, 1, 1}));
}

}  // namespace
