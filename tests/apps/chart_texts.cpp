// No text of a chart is cut: every word is there, and lies inside the picture. Lines can be told from each
// other, and a chart in a file of its own can be read on a page of any colour.
#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <set>

#include "apps/chart/axes.h"
#include "tests/apps/well_formed.h"

namespace gadolin::chart {
namespace {

using testing_support::fault_in_markup;

struct DrawnText {
  std::string text;
  double left, right, top, bottom;  // the box around it, turned as it is
};

// Reads the <text> elements of a chart; widths are text_width's.
std::vector<DrawnText> texts_of(const std::string& svg) {
  std::vector<DrawnText> all;
  static const std::regex element(
      "<text x=\"([-0-9.]+)\" y=\"([-0-9.]+)\" text-anchor=\"(\\w+)\"([^>]*)>([^<]*)</text>");
  static const std::regex size("font-size=\"([0-9.]+)\""),
      turn("rotate\\(([-0-9]+) ([-0-9.]+) ([-0-9.]+)\\)");
  for (std::sregex_iterator found(svg.begin(), svg.end(), element), end; found != end; ++found) {
    const std::string extra = (*found)[4];
    std::smatch match;
    const double height = std::regex_search(extra, match, size) ? std::stod(match[1]) : text_size;
    const bool bold = extra.find("font-weight") != std::string::npos;
    const double width = text_width((*found)[5].str(), height, bold);
    const double x = std::stod((*found)[1]), y = std::stod((*found)[2]);
    const double begin = (*found)[3] == "start" ? x : (*found)[3] == "end" ? x - width : x - width / 2;
    double angle = 0, cx = 0, cy = 0;
    if (std::regex_search(extra, match, turn)) {
      angle = std::stod(match[1]) * std::acos(-1.0) / 180;
      cx = std::stod(match[2]);
      cy = std::stod(match[3]);
    }
    DrawnText one{(*found)[5], 1e9, -1e9, 1e9, -1e9};
    for (const double px : {begin, begin + width}) {
      for (const double py : {y - 0.75 * height, y + 0.2 * height}) {
        const double tx = cx + (px - cx) * std::cos(angle) - (py - cy) * std::sin(angle);
        const double ty = cy + (px - cx) * std::sin(angle) + (py - cy) * std::cos(angle);
        one.left = std::min(one.left, tx), one.right = std::max(one.right, tx);
        one.top = std::min(one.top, ty), one.bottom = std::max(one.bottom, ty);
      }
    }
    all.push_back(one);
  }
  return all;
}

void expect_all_texts_inside(const std::string& svg, const std::vector<std::string>& words) {
  EXPECT_EQ(fault_in_markup(svg), "");
  std::smatch box;
  ASSERT_TRUE(std::regex_search(svg, box, std::regex("viewBox=\"0 0 ([0-9]+) ([0-9]+)\"")));
  const double width = std::stod(box[1]), height = std::stod(box[2]);
  std::string together;
  for (const DrawnText& t : texts_of(svg)) {
    EXPECT_TRUE(t.left >= 0 && t.right <= width && t.top >= 0 && t.bottom <= height)
        << '\'' << t.text << "' lies at " << t.left << " to " << t.right << ", " << t.top << " to "
        << t.bottom << " of " << width << " x " << height;
    together += t.text + "\n";
  }
  for (const std::string& word : words)
    EXPECT_NE(together.find(word), std::string::npos) << word << " is cut";
}

const std::string long_title =
    "Share of the ceiling by family of operations (median, least, most) in single precision on two "
    "processors";
const std::vector<std::string> title_words{"Share",  "operations", "(median,",
                                           "least,", "precision",  "processors"};
const std::string long_name = "No relevant disease in either lung, but an enlarged heart";

TEST(ChartTexts, ATextIsBrokenAtWordsAndNothingIsLost) {
  EXPECT_DOUBLE_EQ(text_width("aa", 10), 2 * text_width("a", 10));
  EXPECT_GT(text_width("Wide", 11, true), text_width("Wide", 11));
  EXPECT_GT(text_width("\xE5\xBF\x83", 11), text_width("m", 11));
  using Lines = std::vector<std::string>;
  EXPECT_EQ(wrapped("one two three", text_width("one two")), (Lines{"one two", "three"}));
  EXPECT_EQ(wrapped("a Pleural_Thickening", text_width("Thickening")),
            (Lines{"a", "Pleural_", "Thickening"}));
  EXPECT_EQ(wrapped("abcdef", text_width("abcd")), (Lines{"abcd", "ef"}));  // no other way
  EXPECT_EQ(wrapped("", 10), Lines{});
  EXPECT_EQ(wrapped("\xE5\xBF\x83\xE5\xBF\x83", 1), (Lines{"\xE5\xBF\x83", "\xE5\xBF\x83"}));
  EXPECT_EQ(wrapped("\xFF\xFE", 1).size(), 2u);
}

TEST(ChartTexts, OfALineChart) {
  const Series a{long_name + ": AUC 0.8123 (0.7000 to 0.9000)", {0, 1234567}, {-1.23456e-7, 1.5e-7}}, b = a;
  const Frame frame{.title = long_title,
                    .x_label = "false positive rate, which is one minus the specificity, of all samples",
                    .y_label = "true positive rate, which is the sensitivity, of all samples of the set",
                    .width = 360,
                    .height = 280,
                    .note = "Measured in one process, while nothing else ran on the machine, five times."};
  const std::string svg = line_chart({a, b}, frame);
  std::vector<std::string> words = title_words;
  words.insert(words.end(),
               {"relevant", "enlarged", "AUC", "0.9000)", "specificity,", "sensitivity,", "times."});
  expect_all_texts_inside(svg, words);
  expect_all_texts_inside(line_chart({}, frame), title_words);
}

TEST(ChartTexts, OfABarChart) {
  const double none = std::nan("");
  const std::string svg = bar_chart({{long_name, 3e5, none, none},
                                     {"b", -123456, -2e5, 1},
                                     {std::string(60, 'w'), 0.000123456, none, none}},
                                    {.title = long_title, .x_label = "times as fast as PyTorch at its best"});
  std::vector<std::string> words = title_words;
  words.insert(words.end(), {"relevant", "enlarged", "heart", "PyTorch"});
  expect_all_texts_inside(svg, words);
}

TEST(ChartTexts, OfAHeatMap) {
  for (const std::size_t k : {2u, 5u, 14u}) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < k; ++i) names.push_back(i == 0 ? long_name : "class_" + std::to_string(i));
    const HeatMap map{names, names, std::vector<double>(k * k, 0.5),
                      std::vector<std::string>(k * k, "1234567")};
    std::vector<std::string> words = title_words;
    words.insert(words.end(), {"relevant", "enlarged", "heart", "predicted", "truth"});
    expect_all_texts_inside(
        heat_map(map, {.title = long_title, .x_label = "predicted", .y_label = "truth", .width = 360}),
        words);
  }
}

TEST(ChartTexts, AShortChartKeepsTheSizeItWasGiven) {
  const std::string svg = line_chart({{"", {0, 1}, {0, 1}}}, {.title = "t", .width = 400, .height = 300});
  EXPECT_NE(svg.find("viewBox=\"0 0 400 300\""), std::string::npos) << svg;
}

// Colour, dash and marker of each line, as they are drawn.
TEST(ChartTexts, LinesDifferInMoreThanColour) {
  std::set<std::string> looks, dashes_and_markers;
  for (std::size_t i = 0; i < 14; ++i) {
    const Look look = look_of({}, i);
    const std::string line = stroke(look), mark = marker(look.hue, 0, 0);
    const std::string dash = line.substr(line.find("stroke-width"));
    looks.insert(colour(look.hue) + dash);
    dashes_and_markers.insert(dash + mark.substr(0, mark.find("fill")));
  }
  EXPECT_EQ(looks.size(), 14u);
  EXPECT_EQ(dashes_and_markers.size(), 14u);  // so that they can be told apart in black and white, too
}

TEST(ChartTexts, AFileHasAGroundOfItsOwn) {
  const std::vector<Series> series{{"", {0, 1}, {0, 1}}};
  const std::string inside = line_chart(series, {.title = "t"}),
                    alone = line_chart(series, {.title = "t", .own_ground = true});
  EXPECT_EQ(inside.find("<rect"), std::string::npos);
  EXPECT_NE(inside.find(" color=\"currentColor\""), std::string::npos);
  EXPECT_NE(alone.find(" color=\"#1b1f24\""), std::string::npos);
  EXPECT_NE(alone.find("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"), std::string::npos);
  EXPECT_EQ(fault_in_markup(alone), "");
}

}  // namespace
}  // namespace gadolin::chart
