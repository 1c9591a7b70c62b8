// DeLong's interval and comparison, McNemar's test, sensitivity at a specificity and F1 at another set's
// threshold, against exact fractions, statsmodels and scikit-learn (tools/fixtures/findings.py).
#include "tasks/delong.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tasks/mcnemar.h"
#include "tasks/metrics.h"
#include "tasks/thresholds.h"
#include "tensor/check.h"
#include "tests/layers/numbers.h"
#include "tests/scratch.h"

using namespace gadolin;
using nlohmann::json;
using test::message_of;

namespace {

using Scores = std::vector<double>;
using Labels = std::vector<std::uint8_t>;
using Names = std::vector<std::string>;

const json& finding_numbers() {
  static const json all = stored_numbers("findings.json");
  return all;
}

TEST(Delong, AreasVariancesAndComparisonAreThoseOfThePaper) {
  for (const json& c : finding_numbers()["areas"]) {
    const Scores first = c["first"], second = c["second"];
    const Labels label = c["label"];
    const DelongArea a = delong_area(first, label), b = delong_area(second, label);
    EXPECT_NEAR(a.auc, c["auc"][0].get<double>(), 1e-12);
    EXPECT_NEAR(a.auc, Ranking(first, label).auc(), 1e-12);
    EXPECT_NEAR(a.deviation * a.deviation, c["variance"][0].get<double>(), 1e-12);
    EXPECT_NEAR(b.deviation * b.deviation, c["variance"][1].get<double>(), 1e-12);
    EXPECT_NEAR(a.interval.low, c["interval"][0].get<double>(), 1e-12);
    EXPECT_NEAR(a.interval.high, c["interval"][1].get<double>(), 1e-12);
    const DelongComparison d = delong_comparison(first, second, label);
    const double variance =
        c["variance"][0].get<double>() + c["variance"][1].get<double>() - 2 * c["covariance"].get<double>();
    EXPECT_NEAR(d.deviation * d.deviation, variance, 1e-12);
    EXPECT_NEAR(d.difference, c["auc"][0].get<double>() - c["auc"][1].get<double>(), 1e-12);
    EXPECT_NEAR(d.z, c["z"].get<double>(), 1e-11);
    EXPECT_NEAR(d.p, c["p"].get<double>(), 1e-12);
  }
}

TEST(Delong, PatientsWithSeveralFilmsAreClusters) {
  for (const json& c : finding_numbers()["areas"]) {
    const Scores first = c["first"];
    const Labels label = c["label"];
    const Names patient = c["patient"];
    const DelongArea a = delong_area(first, label, patient);
    EXPECT_NEAR(a.deviation * a.deviation, std::max(0.0, c["clustered"].get<double>()), 1e-12);
    // A patient a film is the paper's own.
    Names own;
    for (std::size_t i = 0; i < label.size(); ++i) own.push_back(cat("p", i));
    EXPECT_NEAR(delong_area(first, label, own).deviation, delong_area(first, label).deviation, 1e-12);
  }
  // Every film twice: as many patients as before, and so the same certainty.
  const json& c = finding_numbers()["areas"][0];
  Scores score = c["first"];
  Labels label = c["label"];
  const double once = delong_area(score, label).deviation;
  Names patient;
  for (std::size_t i = 0; i < label.size(); ++i) patient.push_back(cat("p", i));
  for (std::size_t i = 0, n = patient.size(); i < n; ++i) {
    score.push_back(score[i]);
    label.push_back(label[i]);
    patient.push_back(patient[i]);
  }
  EXPECT_NEAR(delong_area(score, label, patient).deviation, once, 1e-12);
  EXPECT_LT(delong_area(score, label).deviation, 0.75 * once);
}

TEST(Delong, Edges) {
  const Scores score{0.1, 0.4, 0.35, 0.8};
  EXPECT_TRUE(std::isnan(delong_area(score, Labels{1, 1, 1, 1}).auc));
  EXPECT_TRUE(std::isnan(delong_area(score, Labels{0, 0, 0, 0}).auc));
  const DelongArea alone = delong_area(score, Labels{0, 0, 0, 1});
  EXPECT_EQ(alone.auc, 1);
  EXPECT_TRUE(std::isnan(alone.deviation) && std::isnan(alone.interval.low));
  const DelongArea perfect = delong_area(score, Labels{0, 1, 0, 1});
  EXPECT_EQ(perfect.auc, 1);
  EXPECT_EQ(perfect.deviation, 0);
  EXPECT_EQ(perfect.interval.low, 1);
  // The same order is no difference; without any deviation a difference has no p.
  const DelongComparison same = delong_comparison(score, Scores{1, 4, 3.5, 8}, Labels{0, 1, 1, 0});
  EXPECT_EQ(same.difference, 0);
  EXPECT_EQ(same.p, 1);
  const DelongComparison apart = delong_comparison(score, Scores{1, 1, 1, 1}, Labels{0, 1, 0, 1});
  EXPECT_EQ(apart.difference, 0.5);
  EXPECT_TRUE(std::isnan(apart.p));
  // What is unknown is not there.
  const json& c = finding_numbers()["areas"][1];
  Scores more = c["first"];
  Labels labels = c["label"];
  const DelongArea before = delong_area(more, labels);
  more.push_back(NAN);
  labels.push_back(unknown_label);
  const DelongArea after = delong_area(more, labels);
  EXPECT_EQ(before.auc, after.auc);
  EXPECT_EQ(before.deviation, after.deviation);
}

TEST(Delong, Messages) {
  const Scores two{0.1, 0.2};
  EXPECT_EQ(message_of<ShapeError>([&] { delong_area(two, Labels{1}); }), "delong: 2 scores for 1 labels");
  EXPECT_EQ(message_of<ShapeError>([&] {
              delong_area(two, Labels{1, 0}, Names{"a"});
            }),
            "delong: 1 patients for 2 samples");
  EXPECT_EQ(message_of<ValueError>([&] {
              delong_area(two, Labels{1, 0}, {}, 1);
            }),
            "delong: confidence 1 is not between 0 and 1");
  EXPECT_EQ(message_of<DataError>([&] {
              delong_area(two, Labels{1, 7});
            }),
            "delong: label 7 at index 1; 0, 1, or 255 for unknown");
  EXPECT_EQ(message_of<NumericError>([] {
              delong_area(Scores{0.1, NAN}, Labels{1, 0});
            }),
            "delong: the score of sample 1 is NaN");
  EXPECT_EQ(message_of<ShapeError>([&] {
              delong_comparison(two, Scores{1}, Labels{1, 0});
            }),
            "delong: 2 first and 1 second scores; both must be of the same samples");
}

TEST(McNemarTest, AgreesWithStatsmodels) {
  for (const json& c : finding_numbers()["mcnemar"]) {
    const McNemar m = mcnemar(c["first"].get<double>(), c["second"].get<double>());
    EXPECT_NEAR(m.p, c["p"].get<double>(), 1e-12) << c;
    EXPECT_NEAR(m.statistic, c["statistic"].get<double>(), 1e-12) << c;
    EXPECT_NEAR(m.p_corrected, c["p_corrected"].get<double>(), 1e-12) << c;
  }
}

TEST(McNemarTest, CountsAndEdges) {
  const McNemar m = mcnemar(Labels{1, 1, 0, 0, 1}, Labels{1, 0, 1, 0, 0});
  EXPECT_EQ(m.only_first, 2);
  EXPECT_EQ(m.only_second, 1);
  EXPECT_EQ(m.p, 1);
  for (const double n : {0.0, 7.0, 1e6}) {  // nothing to tell apart
    EXPECT_EQ(mcnemar(n, n).p, 1);
    EXPECT_EQ(mcnemar(n, n).p_corrected, 1);
  }
  EXPECT_NEAR(mcnemar(499'000, 501'000).p, std::erfc(1999 / std::sqrt(2e6)), 1e-6);
  EXPECT_EQ(message_of<ValueError>([] { mcnemar(1.5, 2); }),
            "mcnemar: 1.5 and 2 are not two counts of samples");
  EXPECT_EQ(message_of<ValueError>([] { mcnemar(NAN, 2); }),
            "mcnemar: nan and 2 are not two counts of samples");
  EXPECT_EQ(message_of<ShapeError>([] { mcnemar(Labels{1}, Labels{}); }),
            "mcnemar: 1 first and 0 second answers; both must be to the same samples");
  EXPECT_EQ(message_of<DataError>([] {
              mcnemar(Labels{1, 2}, Labels{1, 0});
            }),
            "mcnemar: answer 1 is neither right (1) nor wrong (0)");
}

TEST(FindingNumbers, SensitivityAtASpecificityAsScikitLearn) {
  for (const json& c : finding_numbers()["areas"]) {
    const Scores score = c["first"];
    const Labels label = c["label"];
    const Ranking ranking(score, label);
    for (const auto& [text, wanted] : c["sensitivity_at"].items())
      EXPECT_NEAR(ranking.sensitivity_at(std::stod(text)), wanted.get<double>(), 1e-12) << text;
    // As the threshold that is chosen for it.
    const Threshold t = choose_threshold(score, label, threshold_rule("specificity:0.9"));
    EXPECT_EQ(ranking.sensitivity_at(0.9), operating_point(score, label, t.value).sensitivity().value);
    // Weights are repetitions.
    Scores twice = score, weight(score.size(), 1.0);
    Labels both = label;
    weight[0] = 2;
    weight[1] = 3;
    for (const std::size_t i : {0u, 1u, 1u}) {
      twice.push_back(score[i]);
      both.push_back(label[i]);
    }
    EXPECT_NEAR(ranking.sensitivity_at(0.8, weight), Ranking(twice, both).sensitivity_at(0.8), 1e-12);
  }
  EXPECT_TRUE(std::isnan(Ranking(Scores{1, 2}, Labels{1, 1}).sensitivity_at(0.9)));
}

TEST(FindingNumbers, F1AtTheThresholdOfOtherSamplesAsScikitLearn) {
  for (const json& c : finding_numbers()["thresholds"]) {
    const Threshold t =
        choose_threshold(c["val_score"].get<Scores>(), c["val_label"].get<Labels>(), threshold_rule("f1"));
    EXPECT_EQ(t.value, c["threshold"].get<double>());
    EXPECT_NEAR(operating_point(c["score"].get<Scores>(), c["label"].get<Labels>(), t.value).f1(),
                c["f1"].get<double>(), 1e-12);
  }
}

}  // namespace
