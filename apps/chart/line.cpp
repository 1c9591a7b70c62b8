// Line charts: training curves, ROC, precision and recall.
#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/chart/axes.h"
#include "apps/chart/svg.h"
#include "tensor/check.h"

namespace gadolin::chart {
namespace {

constexpr std::size_t most_points = 1000;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return !(low <= high); }
};

void check_lengths(const Series& s) {
  require<ValueError>(s.x.size() == s.y.size(), "line_chart: series '", s.name, "' has ", s.x.size(),
                      " x and ", s.y.size(), " y");
  require<ValueError>(s.low.size() == s.high.size() && (s.low.empty() || s.low.size() == s.y.size()),
                      "line_chart: series '", s.name, "' has ", s.y.size(), " y, ", s.low.size(), " low and ",
                      s.high.size(), " high");
}

// Indices to draw: all, or in each of 500 intervals the lowest and the highest point and every gap.
std::vector<std::size_t> thinned(const Series& s) {
  std::vector<std::size_t> keep;
  const std::size_t n = s.y.size();
  if (n <= most_points) {
    for (std::size_t i = 0; i < n; ++i) keep.push_back(i);
    return keep;
  }
  const std::size_t intervals = most_points / 2;
  for (std::size_t k = 0; k < intervals; ++k) {
    const std::size_t begin = k * n / intervals, end = (k + 1) * n / intervals;
    std::size_t low = begin, high = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (!(s.y[i] >= s.y[low])) low = i;
      if (!(s.y[i] <= s.y[high])) high = i;
    }
    keep.push_back(std::min(low, high));
    if (low != high) keep.push_back(std::max(low, high));
  }
  if (keep.back() != n - 1) keep.push_back(n - 1);
  return keep;
}

std::string point(const Scale& x, const Scale& y, double px, double py) {
  return fixed(x(px), 2) + " " + fixed(y(py), 2);
}

bool drawable(const Scale& y, double px, double py) {
  return std::isfinite(px) && std::isfinite(py) && (!y.log || py > 0);
}

std::string draw_line(const Series& s, std::size_t index, const Scale& x, const Scale& y) {
  std::string path, dots;
  bool pen_down = false;
  std::size_t drawn = 0;
  std::string last;
  for (const std::size_t i : thinned(s)) {
    if (!drawable(y, s.x[i], s.y[i])) {
      pen_down = false;
      continue;
    }
    last = point(x, y, s.x[i], s.y[i]);
    path += (pen_down ? "L" : "M") + last;
    pen_down = true;
    ++drawn;
  }
  if (drawn == 0) return "";
  if (drawn == 1) {
    const auto space = last.find(' ');
    return "<circle cx=\"" + last.substr(0, space) + "\" cy=\"" + last.substr(space + 1) +
           "\" r=\"3\" fill=\"" + colour(index) + "\"/>\n";
  }
  return "<path d=\"" + path + "\" " + stroke(index) + " stroke-linejoin=\"round\"/>\n";
}

std::string draw_band(const Series& s, std::size_t index, const Scale& x, const Scale& y) {
  if (s.low.empty()) return "";
  std::string up, down;
  for (const std::size_t i : thinned(s)) {
    if (!drawable(y, s.x[i], s.low[i]) || !drawable(y, s.x[i], s.high[i])) continue;
    up += (up.empty() ? "M" : "L") + point(x, y, s.x[i], s.high[i]);
    down = "L" + point(x, y, s.x[i], s.low[i]) + down;
  }
  if (up.empty()) return "";
  return "<path d=\"" + up + down + "Z\" fill=\"" + colour(index) + "\" fill-opacity=\"0.15\"/>\n";
}

std::string legend(const std::vector<Series>& series, const Frame& frame, const Scale& x) {
  std::string out;
  double at = frame.height - 10.0 - 15.0 * static_cast<double>(series.size() - 1);
  for (std::size_t i = 0; i < series.size(); ++i, at += 15) {
    out += "<path d=\"M" + fixed(x.from, 2) + " " + fixed(at - 4, 2) + "h24\" " + stroke(i) + "/>\n";
    out += label(x.from + 30, at, "start", series[i].name);
  }
  return out;
}

}  // namespace

std::string line_chart(const std::vector<Series>& series, const Frame& frame, const LineOptions& options) {
  Range rx, ry;
  for (const Series& s : series) {
    check_lengths(s);
    for (const double v : s.x) rx.add(v);
    for (const auto* values : {&s.y, &s.low, &s.high}) {
      for (const double v : *values) ry.add(v);
    }
  }
  Frame full = frame;
  const bool has_legend = series.size() > 1 || (series.size() == 1 && !series[0].name.empty());
  if (has_legend) full.height += 6 + 15 * static_cast<int>(series.size());
  std::string out = open_svg(full);
  if (rx.empty() || ry.empty()) {
    out += label(10, 16, "start", frame.title, "font-size=\"13\" font-weight=\"600\"");
    return out + label(frame.width / 2.0, frame.height / 2.0, "middle", "no values") + "</svg>\n";
  }
  const Range unit{0, 1};
  if (options.unit_square) rx = ry = unit;
  Scale x = nice_scale(rx.low, rx.high, false);
  if (!options.unit_square && rx.low < rx.high) x.low = rx.low, x.high = rx.high;
  Scale y = nice_scale(ry.low, ry.high, options.log_y && ry.low > 0);
  x.from = 62, x.to = frame.width - 12.0;
  y.from = frame.height - 42.0, y.to = 28;
  out += draw_axes(full, x, y);
  if (options.diagonal) {
    out += "<path d=\"M" + point(x, y, x.low, x.low) + "L" + point(x, y, x.high, x.high) +
           "\" stroke=\"currentColor\" stroke-opacity=\"0.4\" stroke-dasharray=\"3 4\"/>\n";
  }
  for (std::size_t i = 0; i < series.size(); ++i) out += draw_band(series[i], i, x, y);
  for (std::size_t i = 0; i < series.size(); ++i) out += draw_line(series[i], i, x, y);
  if (has_legend) out += legend(series, full, x);
  return out + "</svg>\n";
}

}  // namespace gadolin::chart
