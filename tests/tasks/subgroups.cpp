// Groups of people: which there are, their metrics, and what is not defined.
#include "tasks/subgroups.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;

TEST(Subgroups, ColumnsByTheirNames) {
  const std::vector<ExtraColumn> columns{
      {"View Position", {"PA", "AP", "", "LL"}},
      {"Patient Age", {"058Y", "19", "412", "80"}},
      {"site", {"a", "b", "a", "b"}},
      {"note", {"1", "2", "3", "4"}},
      {"Patient Gender", {"M", "F", "F", "M"}},
  };
  const auto groupings = groupings_of(columns);
  ASSERT_EQ(groupings.size(), 4u);
  EXPECT_EQ(groupings[0].by, "sex");
  EXPECT_EQ(groupings[0].group, (std::vector<std::string>{"M", "F", "F", "M"}));
  EXPECT_EQ(groupings[1].by, "age");
  EXPECT_EQ(groupings[1].group,
            (std::vector<std::string>{"40 to 59", "0 to 19", "not told", "80 and above"}));
  EXPECT_EQ(groupings[2].by, "view");
  EXPECT_EQ(groupings[2].group[2], "not told");
  EXPECT_EQ(groupings[3].by, "site");
  std::vector<std::string> many;
  for (int i = 0; i < 13; ++i) many.push_back(std::to_string(i));
  EXPECT_TRUE(groupings_of({{"sex", {"", ""}}, {"site", many}, {"age", {"x", "412"}}}).empty());
  EXPECT_EQ(groupings_of({{"sex", {"F", "F"}}}).size(), 1u) << "one sex alone is told";
}

// Eight films of two labels: right for PA, reversed for AP; the second label is never there in AP.
Predictions eight() {
  Predictions p;
  p.classes = {"Mass", "Hernia"};
  p.probability = {.9, .8, .7, .1, .2, .7, .1, .2, .1, .5, .2, .5, .8, .5, .9, .5};
  p.labels = {1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0};
  p.patient = {"a", "b", "c", "d", "e", "f", "g", "g"};
  return p;
}
std::vector<Grouping> by_view() { return {{"view", {"PA", "PA", "PA", "PA", "AP", "AP", "AP", "AP"}}}; }

TEST(Subgroups, EachGroupByItself) {
  const auto groups = measure_subgroups(eight(), by_view(), {200, 0.95, 1});
  ASSERT_EQ(groups.size(), 2u);
  const auto value = [](const Subgroup& g, const std::string& name) {
    for (const MetricValue& m : g.metrics)
      if (m.name == name) return m.value;
    return -1.0;
  };
  EXPECT_EQ(groups[0].group, "AP");
  EXPECT_EQ(groups[0].samples, 4);
  EXPECT_EQ(groups[0].patients, 3);
  EXPECT_EQ(value(groups[0], "roc_auc/Mass"), 0);
  EXPECT_TRUE(std::isnan(value(groups[0], "roc_auc/Hernia")));
  EXPECT_EQ(value(groups[0], "roc_auc"), 0) << "the mean of those that are defined";
  EXPECT_EQ(groups[0].defined, 1);
  EXPECT_EQ(groups[0].classes, 2);
  EXPECT_EQ(value(groups[1], "roc_auc"), 1);
  EXPECT_EQ(groups[1].defined, 2);
  EXPECT_EQ(value(groups[1], "log_loss"), -1) << "not among them";

  const auto rows = subgroup_rows(groups);
  EXPECT_EQ(rows[0], (std::vector<std::string>{"by", "group", "samples", "patients", "roc_auc",
                                               "average_precision", "in the mean"}));
  EXPECT_EQ(rows[1][6], "1 of 2");
  EXPECT_TRUE(rows[2][4].starts_with("1.000 (")) << rows[2][4];
  const auto tables = subgroup_tables(groups);
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[1].columns, (std::vector<std::string>{"finding", "view AP", "view PA"}));
  EXPECT_EQ(tables[1].rows[1], (std::vector<std::string>{"Hernia", "not defined", "1.000"}));

  const auto bars = subgroup_bars(groups);
  ASSERT_EQ(bars.size(), 1u);
  EXPECT_EQ(bars[0].bars[0].name, "view AP, 4 samples, 1 of 2 classes");
  EXPECT_EQ(bars[0].bars[1].name, "view PA, 4 samples");
  EXPECT_EQ(bars[0].bars[0].value, 0);
  EXPECT_EQ(bars[0].bars[1].value, 1);

  // There and back through metrics.json, NaN as null.
  const Json json = subgroups_json(groups);
  EXPECT_TRUE(json[0]["metrics"]["roc_auc/Hernia"]["value"].is_null());
  EXPECT_EQ(subgroup_rows(subgroups_from(Json::parse(json.dump()))), rows);
  EXPECT_TRUE(subgroup_rows({}).empty());
  EXPECT_TRUE(subgroup_tables({}).empty());
  EXPECT_TRUE(subgroup_bars({}).empty());
}

TEST(Subgroups, OneClassASample) {
  Predictions p;
  p.classes = {"no", "yes"};
  p.probability = {.9, .1, .4, .6, .3, .7, .8, .2};
  p.target = {0, 1, 0, 0};
  const auto groups = measure_subgroups(p, {{"sex", {"F", "F", "not told", "M"}}}, {0});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[2].group, "not told") << "behind the others";
  EXPECT_EQ(groups[0].metrics[0].name, "accuracy");
  EXPECT_EQ(groups[0].metrics[0].value, 1);
  EXPECT_EQ(groups[2].metrics[0].value, 0);
  EXPECT_EQ(subgroup_rows(groups)[0].back(), "average_precision");
  EXPECT_EQ(subgroup_tables(groups).size(), 1u);
}

TEST(Subgroups, Mistakes) {
  EXPECT_EQ(message_of<ShapeError>([] {
              measure_subgroups(eight(), {{"sex", {"F"}}});
            }),
            "subgroups: 1 groups by sex for 8 samples");
  for (const char* damaged : {"[1]", "[{\"by\": 1}]", "[{}]"})
    EXPECT_EQ(message_of<FormatError>([&] { subgroups_from(Json::parse(damaged)); }),
              "report: the subgroups of metrics.json are damaged; run gadolin eval again");
}

}  // namespace
}  // namespace gadolin
