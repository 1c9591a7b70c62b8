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

constexpr double most_markers = 8;  // on a line

// A marker at the first point and then whenever enough of the width has passed: single points are marked too,
// and lines with many points are not covered.
std::string draw_line(const Series& s, Look look, bool marked, const Scale& x, const Scale& y) {
  const double step = (x.to - x.from) / most_markers;
  std::string path, marks;
  bool pen_down = false;
  std::size_t drawn = 0;
  double marked_at = 0;
  for (const std::size_t i : thinned(s)) {
    if (!drawable(y, s.x[i], s.y[i])) {
      pen_down = false;
      continue;
    }
    path += (pen_down ? "L" : "M") + point(x, y, s.x[i], s.y[i]);
    pen_down = true;
    if (drawn++ == 0 || std::abs(x(s.x[i]) - marked_at) >= step) {
      marked_at = x(s.x[i]);
      marks += marker(look.hue, marked_at, y(s.y[i]));
    }
  }
  if (drawn < 2) return marks;
  return "<path d=\"" + path + "\" " + stroke(look) + " stroke-linejoin=\"round\"/>\n" +
         (marked ? marks : "");
}

std::string draw_band(const Series& s, Look look, const Scale& x, const Scale& y) {
  if (s.low.empty()) return "";
  std::string up, down;
  for (const std::size_t i : thinned(s)) {
    if (!drawable(y, s.x[i], s.low[i]) || !drawable(y, s.x[i], s.high[i])) continue;
    up += (up.empty() ? "M" : "L") + point(x, y, s.x[i], s.high[i]);
    down = "L" + point(x, y, s.x[i], s.low[i]) + down;
  }
  if (up.empty()) return "";
  return "<path d=\"" + up + down + "Z\" fill=\"" + colour(look.hue) + "\" fill-opacity=\"0.15\"/>\n";
}

// What each line is called, in the lines that its name needs.
struct Legend {
  std::vector<std::vector<std::string>> names;
  double height = 0;

  Legend(const std::vector<Series>& series, double width) {
    if (series.empty() || (series.size() == 1 && series[0].name.empty())) return;
    for (const Series& s : series) {
      names.push_back(wrapped(s.name, width - 36));
      height += entry(names.back());
    }
    height += 6;
  }
  static double entry(const std::vector<std::string>& lines) {
    return 2 + line_step * std::max(1.0, static_cast<double>(lines.size()));
  }
  std::string draw(const std::vector<Series>& series, double left, double top) const {
    std::string out;
    double at = top + 11;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Look look = look_of(series[i], i);
      out += "<path d=\"M" + fixed(left, 2) + " " + fixed(at - 4, 2) + "h24\" " + stroke(look) + "/>\n";
      if (names.size() > 1) out += marker(look.hue, left + 12, at - 4);
      out += lines_at(left + 30, at, "start", names[i]);
      at += entry(names[i]);
    }
    return out;
  }
};

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
  const bool empty = rx.empty() || ry.empty();
  if (options.unit_square || empty) rx = ry = Range{0, 1};
  Scale x = nice_scale(rx.low, rx.high, false);
  if (!options.unit_square && rx.low < rx.high) x.low = rx.low, x.high = rx.high;
  Scale y = nice_scale(ry.low, ry.high, options.log_y && ry.low > 0);

  // The plot keeps the size that the frame has room for with one line of title and names; the picture grows
  // by what they need beyond.
  const double plot_height = std::max(40.0, frame.height - 70.0);
  const auto y_label = wrapped(frame.y_label, plot_height);
  const double more = line_step * std::max(0.0, static_cast<double>(y_label.size()) - 1);
  x.from = std::max(62.0, 28 + more + tick_width(y));
  x.to = frame.width - std::max(12.0, 3 + tick_width(x) / 2);
  const auto x_label = wrapped(frame.x_label, x.to - x.from);
  const Title title(frame, x.from);
  y.to = title.head();
  y.from = y.to + plot_height;
  const double below = y.from + 42 + line_step * std::max(0.0, static_cast<double>(x_label.size()) - 1);
  const Legend legend(series, frame.width - x.from);
  const Note note(frame);
  Frame full = frame;
  full.height = static_cast<int>(std::ceil(below + legend.height + note.height()));

  std::string out = open_svg(full) + title.draw();
  if (empty) {
    out += label((x.from + x.to) / 2, (y.from + y.to) / 2, "middle", "no values");
    return out + note.draw(full.height) + "</svg>\n";
  }
  out += draw_axes(x, y, x_label, y_label);
  if (options.diagonal) {
    out += "<path d=\"M" + point(x, y, x.low, x.low) + "L" + point(x, y, x.high, x.high) +
           "\" stroke=\"currentColor\" stroke-opacity=\"0.4\" stroke-dasharray=\"3 4\"/>\n";
  }
  for (std::size_t i = 0; i < series.size(); ++i) out += draw_band(series[i], look_of(series[i], i), x, y);
  for (std::size_t i = 0; i < series.size(); ++i)
    out += draw_line(series[i], look_of(series[i], i), series.size() > 1, x, y);
  return out + legend.draw(series, x.from, below) + note.draw(full.height) + "</svg>\n";
}

}  // namespace gadolin::chart
