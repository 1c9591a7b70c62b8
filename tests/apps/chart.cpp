// Charts: well-formed, safe with any text, drawn where the numbers say.
#include "apps/chart/chart.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/chart/axes.h"
#include "apps/chart/svg.h"
#include "tensor/check.h"
#include "tests/apps/well_formed.h"

namespace gadolin::chart {
namespace {

using testing_support::count_elements;
using testing_support::fault_in_markup;

const double nan = std::numeric_limits<double>::quiet_NaN();

TEST(Svg, EscapesWhatCouldLeaveItsPlace) {
  EXPECT_EQ(escape("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
  EXPECT_EQ(escape("Größe µ"), "Größe µ");
  EXPECT_EQ(escape(std::string("a\0b\x01\x7F\tc\n", 8)), "a b   c\n");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(escape("\xFF\xC3"), bad + bad);                      // no lead byte; a lead byte at the end
  EXPECT_EQ(escape("\xC0\xAF"), bad + bad);                      // overlong '/'
  EXPECT_EQ(escape("\xED\xA0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(escape("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
}

TEST(Svg, NumbersKnowNoLocale) {
  EXPECT_EQ(number(0.1), "0.1");
  EXPECT_EQ(number(1e-5), "1e-05");
  EXPECT_EQ(number(123456, 9), "123456");
  EXPECT_EQ(number(nan), "n/a");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(fixed(0.12345, 3), "0.123");
  EXPECT_EQ(fixed(-0.0001, 2), "0.00");
}

TEST(Axes, TicksAreRoundAndInside) {
  EXPECT_EQ(ticks({.low = 0, .high = 1}), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(ticks({.low = 0, .high = 12}), (std::vector<double>{0, 5, 10}));
  EXPECT_EQ(ticks({.low = -4, .high = -1, .log = true}).size(), 4u);
  const Scale flat = nice_scale(3, 3, false);
  EXPECT_LT(flat.low, 3);
  EXPECT_GT(flat.high, 3);
  EXPECT_FALSE(ticks(flat).empty());
}

TEST(LineChart, IsWellFormedAndRepeatable) {
  const std::vector<Series> series = {{"train <1>", {0, 1, 2}, {3, 2, 1}},
                                      {"val & co", {0, 1, 2}, {3, nan, 2}, {2, nan, 1}, {4, nan, 3}}};
  const Frame frame{.title = "loss \"a\"", .description = "falls", .x_label = "epoch", .y_label = "loss"};
  const std::string svg = line_chart(series, frame);
  EXPECT_EQ(fault_in_markup(svg), "");
  EXPECT_EQ(count_elements(svg, "title"), 1);
  EXPECT_EQ(count_elements(svg, "desc"), 1);
  EXPECT_EQ(svg, line_chart(series, frame));
}

TEST(LineChart, PointsStandWhereTheScaleSays) {
  const std::string svg =
      line_chart({{"", {0, 1}, {0, 1}}}, {.title = "t", .width = 400, .height = 300}, {.unit_square = true});
  EXPECT_NE(svg.find("M62.00 258.00L388.00 28.00"), std::string::npos) << svg;
}

TEST(LineChart, AGapInterruptsTheLine) {
  const std::string svg = line_chart({{"", {0, 1, 2, 3, 4}, {0, 1, nan, 1, 0}}}, {.title = "t"});
  const auto path = svg.find("stroke-linejoin");
  ASSERT_NE(path, std::string::npos);
  const std::string line = svg.substr(svg.rfind("<path", path), path - svg.rfind("<path", path));
  EXPECT_EQ(std::count(line.begin(), line.end(), 'M'), 2) << line;
}

TEST(LineChart, NothingAndOnePointAndNotANumber) {
  for (const auto& y : {std::vector<double>{}, {nan}, {1.0}}) {
    const std::string svg =
        line_chart({{"s", std::vector<double>(y.size(), 1.0), y}}, {.title = "t"}, {.log_y = true});
    EXPECT_EQ(fault_in_markup(svg), "");
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
  }
}

TEST(LineChart, LongSeriesKeepTheirExtremes) {
  Series s{"", {}, {}};
  for (int i = 0; i < 100000; ++i) {
    s.x.push_back(i);
    s.y.push_back(i == 54321 ? 10.0 : 0.0);
  }
  const std::string svg = line_chart({s}, {.title = "t", .height = 300});
  EXPECT_LT(svg.size(), 40000u);
  EXPECT_NE(svg.find(" 28.00L"), std::string::npos);  // the spike reaches the top of the plot
}

TEST(LineChart, LengthsMustAgree) {
  try {
    line_chart({{"loss", {1, 2}, {1}}}, {.title = "t"});
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_STREQ(e.what(), "line_chart: series 'loss' has 2 x and 1 y");
  }
  try {
    line_chart({{"loss", {1, 2}, {1, 2}, {1}, {2, 3}}}, {.title = "t"});
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_STREQ(e.what(), "line_chart: series 'loss' has 2 y, 1 low and 2 high");
  }
}

TEST(BarChart, IsWellFormed) {
  const std::string svg =
      bar_chart({{"<a>", 0.5, 0.4, 0.6}, {"b", nan, nan, nan}, {"c", -0.2, nan, nan}}, {.title = "AUC"});
  EXPECT_EQ(fault_in_markup(svg), "");
  EXPECT_EQ(count_elements(svg, "rect"), 2);
  EXPECT_NE(svg.find("n/a"), std::string::npos);
}

TEST(HeatMap, EveryCellHasItsText) {
  const HeatMap map{{"AP", "PA"}, {"AP", "PA"}, {0, 1, 0.5, nan}, {"1", "<2>", "3", "4"}};
  const std::string svg = heat_map(map, {.title = "t"});
  EXPECT_EQ(fault_in_markup(svg), "");
  EXPECT_EQ(count_elements(svg, "rect"), 4);
  EXPECT_NE(svg.find("&lt;2&gt;"), std::string::npos);
  try {
    heat_map({{"a"}, {"a"}, {}, {"1"}}, {.title = "t"});
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_STREQ(e.what(), "heat_map: 0 shades and 1 texts for 1 rows of 1");
  }
}

TEST(WellFormed, TheCheckerFindsSeededFaults) {
  for (const char* bad : {"<p>a</b>", "<p>", "a & b", "<p x=1></p>", "<p x=\"<\"></p>", "a < b",
                          "<p>\x01</p>", "a > b", "<p"}) {
    EXPECT_NE(fault_in_markup(bad), "") << bad;
  }
  EXPECT_EQ(fault_in_markup("<!DOCTYPE html><p x=\"1\">a &amp; b<br /></p>"), "");
}

}  // namespace
}  // namespace gadolin::chart
