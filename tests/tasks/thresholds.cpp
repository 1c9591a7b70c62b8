// Thresholds against scikit-learn (tools/fixtures/people.py); ties, infinities, nothing to choose from; what
// a checkpoint keeps.
#include "tasks/thresholds.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tensor/check.h"
#include "tensor/random.h"
#include "tests/scratch.h"
#include "tests/tasks/people.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::message_of;

Threshold choose(const Real& score, const Label& label, const char* rule, const Real& weight = {}) {
  return choose_threshold(score, label, threshold_rule(rule), weight);
}

TEST(Thresholds, AgreeWithScikitLearn) {
  int compared = 0;
  const json numbers = stored_numbers("people.json");
  for (const json& c : numbers["thresholds"]) {
    const Real score = c["score"];
    const Label label = c["label"];
    for (const auto& entry : c["rules"].items()) {
      const std::string& rule = entry.key();  // clang 14 lets no lambda capture a structured binding
      const json& want = entry.value();
      const Threshold t = choose(score, label, rule.c_str());
      ASSERT_EQ(t.undefined, "") << rule;
      EXPECT_EQ(t.value, want["threshold"] == "inf" ? inf : want["threshold"].get<double>()) << rule;
      const OperatingPoint point = operating_point(score, label, t.value);
      EXPECT_EQ((Real{point.true_positive, point.false_positive, point.true_negative, point.false_negative}),
                want["counts"].get<Real>());
      const auto expect_share = [&](const Share& share, const char* name) {
        if (want[name].is_null()) {
          EXPECT_TRUE(std::isnan(share.value) && std::isnan(share.interval.low)) << rule << " " << name;
        } else {
          EXPECT_NEAR(share.value, want[name].get<double>(), 1e-15) << rule << " " << name;
          EXPECT_TRUE(share.interval.low <= share.value && share.value <= share.interval.high);
        }
      };
      expect_share(point.sensitivity(), "sensitivity");
      expect_share(point.specificity(), "specificity");
      expect_share(point.ppv(), "ppv");
      expect_share(point.npv(), "npv");
      EXPECT_NEAR(point.f1(), want["f1"].get<double>(), 1e-15) << rule;
      EXPECT_NEAR(point.sensitivity().interval.low, want["sensitivity_interval"][0].get<double>(), 1e-12);
      EXPECT_NEAR(point.sensitivity().interval.high, want["sensitivity_interval"][1].get<double>(), 1e-12);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 24);
}

TEST(Thresholds, EqualPointsGiveTheLowest) {
  // J is 1/2 at 0.8 (half the positives, no negative) and at 0.4 (all positives, half the negatives).
  EXPECT_EQ(choose({0.8, 0.6, 0.4, 0.2}, {1, 0, 1, 0}, "youden").value, 0.4);
  // F1 is 2/3 at 0.9 (1 of 2, alone), 1/2 below it and 2/3 again at 0.6 (2 of 2 among 4).
  EXPECT_EQ(choose({0.9, 0.8, 0.7, 0.6}, {1, 0, 0, 1}, "f1").value, 0.6);
  // Thirds that no double holds: still ties.
  EXPECT_EQ(choose({9, 8, 7, 6, 5, 4}, {1, 0, 1, 0, 1, 0}, "youden").value, 5);
}

TEST(Thresholds, EqualScoresAreOnOneSide) {
  const Real score{0.5, 0.5, 0.5, 0.1};
  const Label label{1, 0, 0, 0};
  const Threshold t = choose(score, label, "sensitivity:1");
  EXPECT_EQ(t.value, 0.5);
  EXPECT_EQ(operating_point(score, label, t.value).false_positive, 2);
  EXPECT_EQ(choose(score, label, "specificity:0.9").value, inf) << "0.5 alone would lose two negatives";
  EXPECT_EQ(operating_point(score, label, inf).false_negative, 1);
  EXPECT_EQ(choose(score, label, "specificity:0.3").value, 0.5);
}

TEST(Thresholds, InfiniteScoresAreScores) {
  EXPECT_EQ(choose({inf, 1, -inf}, {1, 0, 1}, "sensitivity:1").value, -inf);
  EXPECT_EQ(choose({inf, 1, -inf}, {1, 0, 0}, "youden").value, inf);
}

// E1 of the complaints: all probabilities far below 0.5, and a threshold that works all the same.
TEST(Thresholds, ServeRareFindings) {
  const Threshold t = choose({0.03, 0.002, 0.004, 0.012, 0.001}, {1, 0, 0, 1, 0}, "youden");
  EXPECT_EQ(t.value, 0.012);
  EXPECT_EQ(t.positives, 2);
  EXPECT_EQ(t.negatives, 3);
}

TEST(Thresholds, SayWhyThereIsNone) {
  const auto why = [](const Real& score, const Label& label, const char* rule) {
    const Threshold t = choose(score, label, rule);
    EXPECT_EQ(t.defined(), !std::isnan(t.value));
    return t.undefined;
  };
  EXPECT_EQ(why({0.1, 0.2}, {0, 0}, "youden"), "no positive sample");
  EXPECT_EQ(why({0.1, 0.2}, {0, 0}, "f1"), "no positive sample");
  EXPECT_EQ(why({0.1, 0.2}, {0, 0}, "sensitivity:0.9"), "no positive sample");
  EXPECT_EQ(why({0.1, 0.2}, {0, 0}, "specificity:0.9"), "");
  EXPECT_EQ(why({0.1, 0.2}, {1, 1}, "youden"), "no negative sample");
  EXPECT_EQ(why({0.1, 0.2}, {1, 1}, "specificity:0.9"), "no negative sample");
  EXPECT_EQ(why({0.1, 0.2}, {1, 1}, "f1"), "");
  EXPECT_EQ(why({0.1}, {unknown_label}, "f1"), "no sample");
  EXPECT_EQ(why({0.1, 0.2}, {1, 0}, "youden"), "no threshold is better than chance");
  EXPECT_EQ(why({0.1, 0.1}, {1, 0}, "youden"), "no threshold is better than chance");
}

TEST(Thresholds, WeightsCountSamplesSoManyTimes) {
  RandomStream random(5, 1);
  for (int round = 0; round < 50; ++round) {
    Real score, repeated, weight;
    Label label, repeated_label;
    for (int i = 0; i < 20; ++i) {
      score.push_back(static_cast<double>(random.below(8)));
      label.push_back(random.chance(0.5f) ? 1 : 0);
      weight.push_back(static_cast<double>(random.below(4)));
      for (int n = 0; n < weight.back(); ++n) {
        repeated.push_back(score.back());
        repeated_label.push_back(label.back());
      }
    }
    for (const char* rule : {"youden", "f1", "sensitivity:0.8", "specificity:0.8"}) {
      const Threshold a = choose(score, label, rule, weight), b = choose(repeated, repeated_label, rule);
      EXPECT_EQ(a.undefined, b.undefined);
      if (!a.defined()) continue;
      EXPECT_EQ(a.value, b.value) << rule;
      EXPECT_EQ(operating_point(score, label, a.value, weight).f1(),
                operating_point(repeated, repeated_label, b.value).f1());
    }
  }
}

TEST(Thresholds, OfPredictionsAreOneALabel) {
  Predictions many;
  many.classes = {"Hernia", "Mass"};
  many.probability = {0.03, 0.7, 0.01, 0.6, 0.02, 0.1};
  many.labels = {1, 0, 0, 0, unknown_label, 0};
  const auto t = choose_thresholds(many, {});
  ASSERT_EQ(t.size(), 2u);
  EXPECT_EQ(t[0].label, "Hernia");
  EXPECT_EQ(t[0].value, 0.03);
  EXPECT_EQ(t[1].undefined, "no positive sample");
  Predictions two;
  two.classes = {"normal", "nodule"};
  two.probability = {0.9, 0.1, 0.3, 0.7};
  two.target = {0, 1};
  const auto one = choose_thresholds(two, {});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].label, "nodule");
  EXPECT_EQ(one[0].value, 0.7);
  two.probability.pop_back();
  EXPECT_EQ(message_of<ShapeError>([&] { choose_thresholds(two, {}); }),
            "threshold: 3 probabilities for 2 samples of 2 classes");
}

TEST(Thresholds, RefuseWithTheSampleNamed) {
  EXPECT_EQ(message_of<NumericError>([] {
              choose({0.1, NAN}, {1, 0}, "f1");
            }),
            "threshold: the score of sample 1 is NaN");
  EXPECT_EQ(message_of<DataError>([] {
              choose({0.1, 0.2}, {1, 3}, "f1");
            }),
            "threshold: label 3 at index 1; 0, 1, or 255 for unknown");
  EXPECT_EQ(message_of<ShapeError>([] { choose({0.1}, {1, 0}, "f1"); }), "threshold: 1 scores for 2 labels");
  EXPECT_EQ(message_of<ShapeError>([] {
              choose({0.1, 0.2}, {1, 0}, "f1", {1});
            }),
            "threshold: 1 weights for 2 samples");
  EXPECT_EQ(message_of<ValueError>([] {
              choose({0.1, 0.2}, {1, 0}, "f1", {1, -2});
            }),
            "threshold: weight -2 of sample 1 is not 0 or more");
  EXPECT_EQ(message_of<ValueError>([] {
              choose_threshold(Real{0.1}, Label{1}, {ThresholdRule::Kind::sensitivity, 2});
            }),
            "threshold: sensitivity:2 is not above 0 and at most 1");
  EXPECT_EQ(message_of<ValueError>([] { operating_point(Real{0.1}, Label{1}, NAN); }),
            "threshold: it is NaN, so nothing can be measured at it");
}

TEST(Thresholds, RulesAreReadBack) {
  for (const char* text : {"youden", "f1", "sensitivity:0.9", "specificity:0.95", "sensitivity:1"})
    EXPECT_EQ(text_of(threshold_rule(text)), text);
  for (const char* text : {"", "Youden", "f1:0.5", "sensitivity", "sensitivity:", "sensitivity:0",
                           "specificity:1.01", "specificity:nan", "specificity:0.9x", "sensitivity:-0.1"}) {
    EXPECT_EQ(
        message_of<UsageError>([&] { threshold_rule(text); }),
        cat("threshold rule '", text,
            "': it is youden, f1, sensitivity:SHARE or specificity:SHARE, with a share above 0 and at most "
            "1"));
  }
}

TEST(Thresholds, AreKeptBitForBit) {
  std::vector<Threshold> before;
  RandomStream random(9, 1);
  for (int i = 0; i < 3000; ++i) {
    const auto bits = static_cast<std::uint64_t>(random.next()) << 32 | random.next();
    double value = std::bit_cast<double>(bits);
    if (std::isnan(value)) value = 5e-324;
    before.push_back({"label " + std::to_string(i), threshold_rule("f1"), value, "", 3, 0.1 + 0.2});
  }
  before.push_back({"a \"quoted\" | label", threshold_rule("sensitivity:0.30000000000000004"), inf, ""});
  before.push_back({"low", threshold_rule("youden"), -inf, "", 1, 2});
  before.push_back({"none", threshold_rule("youden"), NAN, "no positive sample", 0, 12});
  before.push_back({"zero", threshold_rule("youden"), -0.0, ""});
  const auto after = thresholds_from_json(thresholds_to_json(before));
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].label, before[i].label);
    EXPECT_EQ(after[i].undefined, before[i].undefined);
    EXPECT_EQ(text_of(after[i].rule), text_of(before[i].rule));
    EXPECT_EQ(std::isnan(after[i].value), std::isnan(before[i].value));
    if (before[i].defined()) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(after[i].value), std::bit_cast<std::uint64_t>(before[i].value))
          << before[i].value;
    }
    EXPECT_EQ(after[i].positives, before[i].positives);
    EXPECT_EQ(after[i].negatives, before[i].negatives);
  }
  EXPECT_EQ(thresholds_to_json({before.end()[-2]}),
            R"({"none":{"rule":"youden","threshold":null,"undefined":"no positive sample","positives":0.0,)"
            R"("negatives":12.0}})");
}

TEST(Thresholds, DamagedTextIsRefused) {
  const auto said = [](const std::string& text) {
    return message_of<FormatError>([&] { thresholds_from_json(text, "best.gdck"); });
  };
  const char* const whole = "best.gdck: not one JSON object with each label once";
  for (const char* text : {"", "[]", "{", "null", R"({"a":{}} x)", R"({"a":1,"a":2})", "\xff\xfe"})
    EXPECT_EQ(said(text), whole) << text;
  EXPECT_EQ(said(std::string(100000, '[')), whole);
  EXPECT_EQ(said(R"({"a":1})"), "best.gdck: a: it has no rule or no threshold");
  EXPECT_EQ(said(R"({"a":{"rule":"f1"}})"), "best.gdck: a: it has no rule or no threshold");
  EXPECT_EQ(
      said(R"({"a":{"rule":"best","threshold":1}})"),
      "best.gdck: a: threshold rule 'best': it is youden, f1, sensitivity:SHARE or specificity:SHARE, with a "
      "share above 0 and at most 1");
  EXPECT_EQ(said(R"({"a":{"rule":"f1","threshold":1,"positives":"x"}})"),
            "best.gdck: a: positives is not a number of samples");
  EXPECT_EQ(said(R"({"a":{"rule":"f1","threshold":1,"positives":2,"negatives":-1}})"),
            "best.gdck: a: negatives is not a number of samples");
  for (const char* value : {"null", "\"NaN\"", "true", "[1]"}) {
    EXPECT_EQ(said(cat(R"({"a":{"rule":"f1","threshold":)", value, R"(,"positives":2,"negatives":1}})")),
              cat("best.gdck: a: threshold ", value, " is neither a number nor null with a reason"));
  }
  EXPECT_EQ(said(R"({"a":{"rule":"f1","threshold":false,"positives":2,"negatives":1}})"),
            "best.gdck: a: threshold false is neither a number nor null with a reason");
  const std::string good = thresholds_to_json({{"a", {}, 0.25, "", 1, 2}, {"b", {}, inf, "", 1, 2}});
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_THROW(thresholds_from_json(good.substr(0, cut)), FormatError) << cut;
  EXPECT_EQ(message_of<ValueError>([] {
              thresholds_to_json({{"a", {}, 1, ""}, {"a", {}, 2, ""}});
            }),
            "thresholds: label 'a' is there twice");
}

}  // namespace
}  // namespace gadolin
