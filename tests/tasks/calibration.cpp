// Calibration and temperature against scikit-learn and SciPy (tools/fixtures/people.py), and their edges.
#include "tasks/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tasks/temperature.h"
#include "tensor/check.h"
#include "tests/scratch.h"
#include "tests/tasks/people.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::message_of;
using Class = std::vector<std::int64_t>;

TEST(Calibration, OfLabelsAgreesWithScikitLearn) {
  for (const json& c : people_numbers()["binary"]) {
    const Real p = c["probability"], weight = c["weight"];
    const Label y = c["label"];
    const Calibration calibration(p, y);
    std::size_t filled = 0;
    double samples = 0;
    for (const ReliabilityBin& bin : calibration.table()) {
      samples += bin.weight;
      if (!(bin.weight > 0)) continue;
      ASSERT_LT(filled, c["curve_share"].size());
      EXPECT_NEAR(bin.share, c["curve_share"][filled].get<double>(), 1e-14);
      EXPECT_NEAR(bin.confidence, c["curve_mean"][filled].get<double>(), 1e-14);
      EXPECT_TRUE(bin.low <= bin.confidence && bin.confidence <= bin.high);
      ++filled;
    }
    EXPECT_EQ(filled, c["curve_share"].size());
    EXPECT_EQ(samples, static_cast<double>(y.size()));
    EXPECT_NEAR(calibration.expected_error(), c["plain"]["ece"].get<double>(), 1e-14);
    EXPECT_NEAR(calibration.maximum_error(), c["plain"]["mce"].get<double>(), 1e-14);
    EXPECT_NEAR(calibration.expected_error(weight), c["weighted"]["ece"].get<double>(), 1e-14);
    EXPECT_NEAR(calibration.maximum_error(weight), c["weighted"]["mce"].get<double>(), 1e-14);
    EXPECT_NEAR(calibration.brier(), c["brier"].get<double>(), 1e-14);
    EXPECT_NEAR(calibration.brier(weight), c["weighted_brier"].get<double>(), 1e-14);
  }
}

TEST(Calibration, OfTheTopLabelAgreesWithItsDefinition) {
  for (const json& c : people_numbers()["multi_class"]) {
    const std::int64_t k = c["classes"];
    Predictions p;
    for (std::int64_t i = 0; i < k; ++i) p.classes.push_back(std::to_string(i));
    p.probability = c["probability"].get<Real>();
    p.target = c["target"].get<Class>();
    const Calibration top = top_label_calibration(p);
    EXPECT_NEAR(top.expected_error(), c["plain"]["ece"].get<double>(), 1e-13);
    EXPECT_NEAR(top.maximum_error(), c["plain"]["mce"].get<double>(), 1e-13);
    const double brier = brier_score(p.probability, p.target, k);
    EXPECT_NEAR(brier, c["brier"].get<double>(), 1e-13);
    EXPECT_NEAR(brier_score(p.probability, p.target, k, c["weight"].get<Real>()),
                c["weighted_brier"].get<double>(), 1e-13);
    double parts = 0;
    for (std::int64_t i = 0; i < k; ++i) parts += label_calibration(p, i).brier();
    EXPECT_NEAR(parts, brier, 1e-13) << "the sum over classes";
  }
}

TEST(Calibration, BinsHoldTheirUpperEdge) {
  const Calibration c(Real{0, 0.1, 0.2, 0.2000001, 1, 1.0000001, 0.6}, Label{0, 0, 1, 1, 1, 1, 1}, 5);
  const auto table = c.table();
  ASSERT_EQ(table.size(), 5u);
  EXPECT_EQ(table[0].weight, 3);
  EXPECT_EQ(table[1].weight, 1);
  EXPECT_EQ(table[2].weight, 1) << "0.6 is not above 3 / 5";
  EXPECT_EQ(table[3].weight, 0);
  EXPECT_TRUE(std::isnan(table[3].share) && std::isnan(table[3].confidence));
  EXPECT_EQ(table[4].weight, 2);
  EXPECT_EQ(table[4].high, 1);
  EXPECT_NEAR(table[0].share, 1.0 / 3, 1e-15);
  for (int bins = 1; bins < 40; ++bins) {  // every edge is in the bin below it
    Real edges;
    for (int i = 1; i <= bins; ++i) edges.push_back(static_cast<double>(i) / bins);
    for (const ReliabilityBin& bin : Calibration(edges, Label(edges.size(), 1), bins).table())
      EXPECT_EQ(bin.weight, 1) << bins;
  }
}

TEST(Calibration, WeightsCountSamplesSoManyTimes) {
  const Real p{0.1, 0.1, 0.1, 0.9, 0.9}, once{0.1, 0.9, 0.5};
  const Calibration repeated(p, Label{0, 0, 0, 1, 1}), single(once, Label{0, 1, unknown_label});
  const Real weight{3, 2, 7};
  EXPECT_NEAR(single.expected_error(weight), repeated.expected_error(), 1e-15);
  EXPECT_NEAR(single.brier(weight), repeated.brier(), 1e-15);
  EXPECT_NEAR(single.expected_error(Real{0, 1, 0}), 0.1, 1e-15);
}

TEST(Calibration, OfNothingIsNotDefined) {
  const Calibration none(Real{0.5}, Label{unknown_label});
  EXPECT_TRUE(std::isnan(none.expected_error()) && std::isnan(none.maximum_error()) &&
              std::isnan(none.brier()));
  EXPECT_TRUE(std::isnan(Calibration(Real{0.5}, Label{1}).expected_error(Real{0})));
  EXPECT_TRUE(std::isnan(brier_score({}, {}, 2)));
}

TEST(Calibration, RefusesWithTheSampleNamed) {
  EXPECT_EQ(message_of<NumericError>([] {
              Calibration(Real{0.5, NAN}, Label{1, 0});
            }),
            "calibration: the confidence of sample 1 is NaN");
  EXPECT_EQ(message_of<DataError>([] {
              Calibration(Real{0.5, -3}, Label{1, 0});
            }),
            "calibration: confidence -3 of sample 1 is outside [0, 1]; probabilities are needed, not logits");
  EXPECT_EQ(message_of<DataError>([] {
              Calibration(Real{0.5, 0.4}, Label{1, 7});
            }),
            "calibration: value 7 at index 1; 0, 1, or 255 for unknown");
  EXPECT_EQ(message_of<ShapeError>([] {
              Calibration(Real{0.5, 0.4}, Label{1});
            }),
            "calibration: 2 confidences for 1 samples");
  EXPECT_EQ(message_of<ValueError>([] { Calibration(Real{0.5}, Label{1}, 0); }),
            "calibration: 0 bins, 1 to 10000 are possible");
  const Calibration c(Real{0.5}, Label{1});
  EXPECT_EQ(message_of<ShapeError>([&] { c.table(Real{1, 2}); }), "calibration: 2 weights for 1 samples");
  EXPECT_EQ(message_of<ValueError>([&] { c.brier(Real{-1}); }),
            "calibration: weight -1 of sample 0 is not 0 or more");
  Predictions p;
  p.classes = {"a", "b"};
  p.probability = {0.2};
  p.target = {1};
  EXPECT_EQ(message_of<ShapeError>([&] { top_label_calibration(p); }),
            "calibration: 1 probabilities for 1 samples of 2 classes");
  EXPECT_EQ(message_of<ValueError>([&] { label_calibration(p, 2); }), "calibration: label 2 of 2");
  p.labels = {1, 0};
  EXPECT_EQ(message_of<ValueError>([&] { top_label_calibration(p); }),
            "calibration: several labels a sample have no top label; calibrate each label");
  EXPECT_EQ(message_of<ShapeError>([] { brier_score(Real{1}, Class{0}, 2); }),
            "brier_score: 1 probabilities for 1 samples of 2 classes");
  EXPECT_EQ(message_of<ShapeError>([] {
              brier_score(Real{1, 0}, Class{0}, 2, Real{1, 1});
            }),
            "brier_score: 2 weights for 1 samples");
  EXPECT_EQ(message_of<DataError>([] {
              brier_score(Real{1, 0}, Class{2}, 2);
            }),
            "brier_score: target 2 at index 0 is outside [0, 2); class labels start at 0");
  EXPECT_EQ(message_of<NumericError>([] {
              brier_score(Real{NAN, 0}, Class{1}, 2);
            }),
            "brier_score: a probability of sample 0 is NaN");
}

TEST(Temperature, AgreesWithSciPy) {
  const auto expect_fit = [](const Temperature& t, const json& want) {
    EXPECT_EQ(t.undefined, "");
    const double value = want["temperature"];
    EXPECT_NEAR(t.value, value, 1e-11 * value);
    EXPECT_NEAR(t.loss_before, want["before"].get<double>(), 1e-13);
    EXPECT_NEAR(t.loss_after, want["after"].get<double>(), 1e-13);
    EXPECT_LE(t.loss_after, t.loss_before);
    EXPECT_LT(t.steps, 30);
  };
  for (const json& c : people_numbers()["multi_class"]) {
    const Real logits = c["logits"], weight = c["weight"];
    const Class target = c["target"];
    expect_fit(fit_temperature(logits, target, c["classes"]), c["fit"]);
    expect_fit(fit_temperature(logits, target, c["classes"], weight), c["weighted_fit"]);
    const Real p = softmax_at(logits, c["classes"]), want = c["probability"];
    for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(p[i], want[i], 1e-14);
  }
  for (const json& c : people_numbers()["multi_label"]) {
    const Real logits = c["logits"], weight = c["weight"];
    const Label label = c["label"];
    expect_fit(fit_label_temperature(logits, label, c["labels"]), c["fit"]);
    expect_fit(fit_label_temperature(logits, label, c["labels"], weight), c["weighted_fit"]);
    const auto each = fit_each_label_temperature(logits, label, c["labels"]);
    ASSERT_EQ(each.size(), c["each"].size());
    for (std::size_t i = 0; i < each.size(); ++i) expect_fit(each[i], c["each"][i]);
  }
}

// The same answers for logits of any size: T is in proportion.
TEST(Temperature, FollowsTheScaleOfTheLogits) {
  const json& c = people_numbers()["multi_class"][0];
  const Real logits = c["logits"];
  const Class target = c["target"];
  const double want = c["fit"]["temperature"];
  for (const double scale : {1e-12, 1e-3, 1e4, 1e100}) {
    Real scaled = logits;
    for (double& z : scaled) z *= scale;
    const Temperature t = fit_temperature(scaled, target, c["classes"]);
    EXPECT_TRUE(std::abs(t.value / (want * scale) - 1) <= 1e-10) << scale << ": " << t.value;
  }
  Real moved = logits;  // a constant a row changes nothing
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += 1000.0 * static_cast<double>(i / 4);
  EXPECT_NEAR(fit_temperature(moved, target, c["classes"]).value, want, 1e-9);
}

TEST(Temperature, SaysWhyThereIsNone) {
  const Temperature right = fit_temperature(Real{2, 1, 0, 3}, Class{0, 1}, 2);
  EXPECT_EQ(right.undefined,
            "every answer is right, so the loss has no lowest point as the temperature goes to 0");
  EXPECT_EQ(right.value, 1);
  EXPECT_EQ(right.loss_after, right.loss_before);
  const char* const chance =
      "the logits are no better than chance, so the loss has no lowest point as the temperature rises";
  EXPECT_EQ(fit_temperature(Real{2, 1, 0, 3}, Class{1, 0}, 2).undefined, chance);
  EXPECT_EQ(fit_temperature(Real{1, 1, 1, 1}, Class{1, 0}, 2).undefined, chance);
  EXPECT_EQ(fit_temperature({}, {}, 2).undefined, "no samples");
  EXPECT_EQ(fit_temperature(Real{1, 2}, Class{0}, 2, Real{0}).undefined, "no samples");
  EXPECT_EQ(fit_label_temperature(Real{2, -1}, Label{1, 0}).undefined, right.undefined);
  EXPECT_EQ(fit_label_temperature(Real{2, -1}, Label{0, 1}).undefined, chance);
  // A label with one value only does not disturb the others.
  const auto each = fit_each_label_temperature(Real{1, -4, 1, -1, 3, -2, -1, 1, -1, -2, 2, 0.5},
                                               Label{1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1}, 3);
  ASSERT_EQ(each.size(), 3u);
  EXPECT_EQ(each[1].undefined, "no positive sample");
  EXPECT_EQ(each[1].value, 1);
  EXPECT_EQ(each[2].undefined, "no negative sample");
}

TEST(Temperature, RefusesWithTheSampleNamed) {
  EXPECT_EQ(message_of<NumericError>([] {
              fit_temperature(Real{1, 2, NAN, 0}, Class{0, 1}, 2);
            }),
            "fit_temperature: a logit of sample 1 is nan");
  EXPECT_EQ(message_of<NumericError>([] {
              fit_label_temperature(Real{1, 2, 3, -inf}, Label{1, 0, 1, 0}, 2);
            }),
            "fit_temperature: a logit of sample 1 is -inf");
  EXPECT_EQ(message_of<DataError>([] {
              fit_temperature(Real{1, 2}, Class{2}, 2);
            }),
            "fit_temperature: target 2 at index 0 is outside [0, 2); class labels start at 0");
  EXPECT_EQ(message_of<DataError>([] {
              fit_label_temperature(Real{1, 2}, Label{1, 2});
            }),
            "fit_temperature: label 2 at index 1; 0, 1, or 255 for unknown");
  EXPECT_EQ(message_of<ShapeError>([] {
              fit_temperature(Real{1, 2, 3}, Class{0, 1}, 2);
            }),
            "fit_temperature: 3 logits for 2 samples of 2 classes");
  EXPECT_EQ(message_of<ShapeError>([] {
              fit_temperature(Real{1, 2}, Class{0}, 2, Real{1, 1});
            }),
            "fit_temperature: 2 weights for 1 samples");
  EXPECT_EQ(message_of<ShapeError>([] {
              fit_label_temperature(Real{1, 2}, Label{0, 1, 1}, 2);
            }),
            "fit_temperature: 3 labels for 2 logits");
  EXPECT_EQ(message_of<ValueError>([] {
              fit_temperature(Real{1, 2}, Class{0}, 2, Real{NAN});
            }),
            "fit_temperature: weight nan of sample 0 is not 0 or more");
  EXPECT_EQ(message_of<ValueError>([] { softmax_at(Real{1, 2}, 2, 0); }), "temperature 0 is not above 0");
  EXPECT_EQ(message_of<ShapeError>([] {
              softmax_at(Real{1, 2, 3}, 2);
            }),
            "softmax_at: 3 logits are no whole rows of 2 classes");
}

TEST(Temperature, ProbabilitiesKeepTheirDigits) {
  const Real p = softmax_at(Real{1000, 0, -1000, 2000, 2000, -3000}, 3, 2);
  EXPECT_EQ(p[0], 1);
  EXPECT_NEAR(p[1] / std::exp(-500.0), 1, 1e-12);
  EXPECT_NEAR(p[3], 0.5, 1e-15);
  const Real q = sigmoid_at(Real{-500, 0, 3}, 2);
  EXPECT_NEAR(q[0] / std::exp(-250.0), 1, 1e-12);
  EXPECT_EQ(q[1], 0.5);
  EXPECT_NEAR(q[2], 1 / (1 + std::exp(-1.5)), 1e-15);
}

}  // namespace
}  // namespace gadolin
