// Curves and confusion matrices as figures, each with its numbers behind it.
#include <algorithm>
#include <cmath>

#include "apps/chart/svg.h"
#include "apps/report/html.h"
#include "tensor/check.h"

namespace gadolin::report {
namespace {

constexpr std::size_t most_rows = 200;  // of the numbers behind a figure

// x, then a column a series, where series share their x; else a block a series.
Table numbers_of(const Curve& curve) {
  Table t{"", {curve.x_label, "series", curve.y_label.empty() ? "value" : curve.y_label}, {}};
  for (const chart::Series& s : curve.series) {
    const std::size_t stride = std::max<std::size_t>(1, (s.x.size() + most_rows - 1) / most_rows);
    for (std::size_t i = 0; i < s.x.size(); i += stride) {
      t.rows.push_back({chart::number(s.x[i], 6), s.name, chart::number(s.y[i], 6)});
    }
  }
  return t;
}

std::string counted(double count) { return chart::number(count, 9); }

}  // namespace

std::string curve_figure(const Curve& curve) {
  std::string description;
  for (const chart::Series& s : curve.series) {
    if (s.y.empty()) continue;
    description +=
        s.name + " goes from " + chart::number(s.y.front()) + " to " + chart::number(s.y.back()) + ". ";
  }
  const std::string svg = chart::line_chart(curve.series,
                                            {.title = curve.title,
                                             .description = description,
                                             .x_label = curve.x_label,
                                             .y_label = curve.y_label,
                                             .width = 360,
                                             .height = 280},
                                            {.log_y = curve.log_y});
  return figure(svg, "", numbers_of(curve));
}

std::string bar_figure(const Bars& bars) {
  std::vector<chart::Bar> list;
  Table numbers{"", {"group", "value"}, {}};
  for (const Value& v : bars.bars) {
    list.push_back({v.name, v.value, v.low, v.high});
    numbers.rows.push_back({v.name, with_interval(v)});
  }
  const std::string svg = chart::bar_chart(list, {.title = bars.title,
                                                  .description = bars.x_label + ", a bar a group.",
                                                  .x_label = bars.x_label,
                                                  .width = 480});
  return figure(svg, "", numbers);
}

std::string confusion_figures(const Confusion& confusion) {
  const std::size_t k = confusion.classes.size();
  require<ValueError>(confusion.counts.size() == k * k, "report: confusion matrix has ",
                      confusion.counts.size(), " counts for ", k, " classes");
  if (k == 0) return "";
  chart::HeatMap counts{confusion.classes, confusion.classes, {}, {}}, shares = counts;
  Table numbers{"Rows: truth, columns: prediction", {"truth"}, {}};
  const double most = std::max(1.0, *std::max_element(confusion.counts.begin(), confusion.counts.end()));
  for (std::size_t r = 0; r < k; ++r) {
    double row = 0;
    for (std::size_t c = 0; c < k; ++c) row += confusion.counts[r * k + c];
    numbers.columns.push_back(confusion.classes[r]);
    numbers.rows.push_back({confusion.classes[r]});
    for (std::size_t c = 0; c < k; ++c) {
      const double count = confusion.counts[r * k + c];
      const double share = row > 0 ? count / row : 0;
      counts.shade.push_back(count / most);
      counts.text.push_back(counted(count));
      shares.shade.push_back(share);
      shares.text.push_back(row > 0 ? chart::fixed(100 * share, 1) + "%" : "-");
      numbers.rows.back().push_back(counted(count));
    }
  }
  const std::string how = "Rows are the truth, columns the prediction; right answers lie on the diagonal.";
  chart::Frame frame{.title = "Confusion matrix, counts",
                     .description = how,
                     .x_label = "predicted",
                     .y_label = "truth",
                     .width = std::max(360, 90 + 46 * static_cast<int>(k))};
  std::string out = figure(chart::heat_map(counts, frame), "", numbers);
  frame.title = "Confusion matrix, shares of the truth";
  return out + figure(chart::heat_map(shares, frame), "", {});
}

}  // namespace gadolin::report
