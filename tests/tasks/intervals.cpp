// Quantiles, intervals of shares and summaries of folds against SciPy and statsmodels
// (tools/fixtures/people.py), and their edges.
#include "tasks/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tasks/fold_summary.h"
#include "tasks/quantiles.h"
#include "tensor/check.h"
#include "tensor/random.h"
#include "tests/scratch.h"
#include "tests/tasks/people.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::message_of;

// NaN is never within.
void expect_within(double got, double want, double relative, const std::string& what) {
  EXPECT_TRUE(std::abs(got - want) <= relative * std::abs(want) + 1e-300)
      << what << ": " << got << " for " << want;
}

TEST(Quantiles, AgreeWithSciPy) {
  const json& q = people_numbers()["quantiles"];
  for (const json& c : q["normal"]) {
    const double p = c[0], x = c[1];
    EXPECT_NEAR(normal_quantile(p), x, 1e-12 * (1 + std::abs(x))) << p;
  }
  for (const json& c : q["student"]) {
    const double p = c[0], freedom = c[1], t = c[2];
    EXPECT_NEAR(student_quantile(p, freedom), t, 1e-10 * (1 + std::abs(t))) << p << " " << freedom;
  }
  for (const json& c : q["beta"]) {
    const double x = beta_quantile(c[0], c[1], c[2]), want = c[3];
    if (std::abs(want) > 1e-290) expect_within(x, want, 1e-11, c.dump());
  }
  for (const json& c : q["beta_share"]) {
    const double want = c[3];
    if (want > 1e-290) expect_within(beta_share(c[0], c[1], c[2]), want, 1e-11, c.dump());
  }
}

TEST(Quantiles, RefuseWhatHasNone) {
  EXPECT_EQ(message_of<ValueError>([] { normal_quantile(1); }),
            "normal_quantile: probability 1 is not between 0 and 1");
  EXPECT_EQ(message_of<ValueError>([] { normal_quantile(NAN); }),
            "normal_quantile: probability nan is not between 0 and 1");
  EXPECT_EQ(message_of<ValueError>([] { beta_quantile(1.5, 1, 1); }),
            "beta_quantile: probability 1.5 is not in [0, 1]");
  EXPECT_EQ(message_of<ValueError>([] { beta_quantile(0.5, 0, 1); }),
            "beta_quantile: parameters 0 and 1 must be above 0");
  EXPECT_EQ(message_of<ValueError>([] { student_quantile(0, 4); }),
            "student_quantile: probability 0 is not between 0 and 1");
  EXPECT_EQ(message_of<ValueError>([] { student_quantile(0.5, 0); }),
            "student_quantile: 0 degrees of freedom; more than 0 are needed");
  EXPECT_EQ(beta_quantile(0, 2, 3), 0);
  EXPECT_EQ(beta_quantile(1, 2, 3), 1);
  EXPECT_TRUE(std::isnan(beta_share(2, 3, NAN)));
}

TEST(Intervals, OfSharesAgreeWithStatsmodels) {
  for (const json& c : people_numbers()["shares"]) {
    const std::int64_t right = c[0], n = c[1];
    const double confidence = c[2];
    const Interval wilson = wilson_interval(static_cast<double>(right), static_cast<double>(n), confidence);
    const Interval exact = clopper_pearson_interval(right, n, confidence);
    EXPECT_NEAR(wilson.low, c[3].get<double>(), 1e-12) << c.dump();
    EXPECT_NEAR(wilson.high, c[4].get<double>(), 1e-12) << c.dump();
    EXPECT_NEAR(exact.low, c[5].get<double>(), 1e-12) << c.dump();
    EXPECT_NEAR(exact.high, c[6].get<double>(), 1e-12) << c.dump();
  }
}

TEST(Intervals, DoNotCollapseWhenAllAreRight) {
  const Interval exact = clopper_pearson_interval(126, 126), wilson = wilson_interval(126, 126);
  EXPECT_NEAR(exact.low, std::pow(0.025, 1.0 / 126), 1e-14);
  EXPECT_NEAR(exact.low, 0.9711, 5e-5);
  EXPECT_EQ(exact.high, 1);
  EXPECT_EQ(wilson.high, 1);
  EXPECT_LT(wilson.low, 0.98);
  EXPECT_EQ(wilson_interval(0, 10).low, 0);
  EXPECT_TRUE(std::isnan(wilson_interval(0, 0).low));
  EXPECT_TRUE(std::isnan(clopper_pearson_interval(0, 0).high));
}

TEST(Intervals, RefuseWhatIsNoShare) {
  EXPECT_EQ(message_of<ValueError>([] { wilson_interval(3, 2); }), "wilson_interval: 3 of 2 is no share");
  EXPECT_EQ(message_of<ValueError>([] { wilson_interval(NAN, 2); }), "wilson_interval: nan of 2 is no share");
  EXPECT_EQ(message_of<ValueError>([] { clopper_pearson_interval(-1, 2); }),
            "clopper_pearson_interval: -1 of 2 is no share");
  EXPECT_EQ(message_of<ValueError>([] { wilson_interval(1, 2, 1); }),
            "wilson_interval: confidence 1 is not between 0 and 1");
}

TEST(Intervals, ByPatientCountPatientsWhenAllAreRight) {
  std::vector<std::string> patient;
  for (int i = 0; i < 126; ++i) patient.push_back("p" + std::to_string(i / 6));
  const std::vector<std::uint8_t> right(126, 1), wrong(126, 0);
  const Share all = share_by_patient(patient, right), none = share_by_patient(patient, wrong);
  EXPECT_EQ(all.value, 1);
  EXPECT_NEAR(all.interval.low, std::pow(0.025, 1.0 / 21), 1e-14) << "21 patients, not 126 pictures";
  EXPECT_EQ(all.interval.high, 1);
  EXPECT_EQ(none.value, 0);
  EXPECT_NEAR(none.interval.high, 1 - std::pow(0.025, 1.0 / 21), 1e-14);

  std::vector<std::uint8_t> some = right;
  some[3] = 0;
  some[4] = unknown_label;
  const Share one = share_by_patient(patient, some);
  EXPECT_NEAR(one.value, 124.0 / 125, 1e-15);
  EXPECT_TRUE(one.interval.low < one.value && one.interval.high >= one.value);
  const Share again = share_by_patient(patient, some, {.seed = 0});
  EXPECT_EQ(one.interval.low, again.interval.low);
  EXPECT_TRUE(std::isnan(share_by_patient({}, {}).value));
}

TEST(Intervals, ByPatientRefuseOtherInput) {
  const std::vector<std::string> patient{"a", "b"};
  EXPECT_EQ(message_of<ShapeError>([&] { share_by_patient(patient, std::vector<std::uint8_t>{1}); }),
            "share_by_patient: 2 patients for 1 samples");
  EXPECT_EQ(message_of<DataError>([&] {
              share_by_patient(patient, std::vector<std::uint8_t>{1, 2});
            }),
            "share_by_patient: value 2 at index 1; 0, 1, or 255 for unknown");
}

// How often the interval holds the truth, by drawing: 95 % or more for the exact one, near it for Wilson's.
TEST(Intervals, CoverTheTruth) {
  RandomStream random(3, 1);
  for (const double truth : {0.02, 0.3, 0.9}) {
    int exact = 0, wilson = 0;
    constexpr int draws = 2000, n = 40;
    for (int d = 0; d < draws; ++d) {
      std::int64_t right = 0;
      for (int i = 0; i < n; ++i) right += random.chance(static_cast<float>(truth));
      const Interval e = clopper_pearson_interval(right, n),
                     w = wilson_interval(static_cast<double>(right), n);
      exact += e.low <= truth && truth <= e.high;
      wilson += w.low <= truth && truth <= w.high;
    }
    EXPECT_GE(exact, draws * 0.94) << truth;
    EXPECT_GE(wilson, draws * 0.92) << truth;
    EXPECT_GE(exact, wilson) << truth;
  }
}

TEST(FoldSummary, AgreesWithSciPy) {
  for (const json& c : people_numbers()["folds"]) {
    const std::vector<double> values = c["values"];
    const FoldSummary s = fold_summary(values, c["confidence"]);
    EXPECT_EQ(s.folds, static_cast<int>(values.size()));
    EXPECT_NEAR(s.mean, c["mean"].get<double>(), 1e-14);
    EXPECT_NEAR(s.deviation, c["deviation"].get<double>(), 1e-14);
    EXPECT_NEAR(s.interval.low, c["low"].get<double>(), 1e-11);
    EXPECT_NEAR(s.interval.high, c["high"].get<double>(), 1e-11);
  }
}

TEST(FoldSummary, LeavesUndefinedFoldsOutAndSaysSo) {
  const FoldSummary s = fold_summary(std::vector<double>{0.5, NAN, 0.7, NAN});
  EXPECT_EQ(s.folds, 2);
  EXPECT_EQ(s.undefined, 2);
  EXPECT_NEAR(s.mean, 0.6, 1e-15);
  const FoldSummary one = fold_summary(std::vector<double>{0.5});
  EXPECT_EQ(one.mean, 0.5);
  EXPECT_TRUE(std::isnan(one.deviation) && std::isnan(one.interval.low));
  const FoldSummary none = fold_summary(std::vector<double>{NAN});
  EXPECT_TRUE(std::isnan(none.mean) && std::isnan(none.interval.high));
  EXPECT_EQ(message_of<ValueError>([] {
              fold_summary(std::vector<double>{1, 2}, 0);
            }),
            "fold_summary: confidence 0 is not between 0 and 1");
}

}  // namespace
}  // namespace gadolin
