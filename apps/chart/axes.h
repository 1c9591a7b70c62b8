// Scales and ticks of a chart, the room that its texts need, and the parts of SVG that all charts share.
#pragma once

#include <string>
#include <vector>

#include "apps/chart/chart.h"
#include "apps/chart/text.h"

namespace gadolin::chart {

// Maps values to pixels. Logarithmic scales hold base-10 logarithms in low and high.
struct Scale {
  double low = 0, high = 1;
  double from = 0, to = 1;  // pixels
  bool log = false;
  double operator()(double value) const;
};

// Multiples of 1, 2 or 5 times a power of ten inside [low, high], about `count` of them; powers of ten on a
// logarithmic scale.
std::vector<double> ticks(const Scale& scale, int count = 5);
// Widens a range to ticks that are round; a single value gets a range around it.
Scale nice_scale(double low, double high, bool log);
// The widest of the numbers at the ticks.
double tick_width(const Scale& scale);

// How the line of a series is told from the others.
struct Look {
  std::size_t hue, dash;
};
Look look_of(const Series& series, std::size_t place);
std::string colour(std::size_t hue);
std::string stroke(Look look);
// A small mark around a point: circle, square, triangle ...
std::string marker(std::size_t hue, double x, double y);

// "<svg ...><title>..</title><desc>..</desc>" of the frame's size, with its ground; the caller closes it.
std::string open_svg(const Frame& frame);
// Text at a point; `anchor` is start, middle or end; `extra` further attributes.
std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra = "");
// Lines below each other, the first one at y; turned by `degrees` around (x, y).
std::string lines_at(double x, double y, const std::string& anchor, const std::vector<std::string>& lines,
                     int degrees = 0);

// A title in lines at the top, from x on. head() is what it takes of the height, 28 with one line.
struct Title {
  Title(const Frame& frame, double x);
  double head() const;
  std::string draw() const;
  std::vector<std::string> lines;
  double x;
};
// The small lines below everything else, and what they take of the height.
struct Note {
  explicit Note(const Frame& frame);
  double height() const;
  std::string draw(double bottom) const;  // of the chart
  std::vector<std::string> lines;
};

// Grid, tick labels and names of the axes around [x.from, x.to] x [y.to, y.from]. The name of x is broken to
// the width of the plot, that of y to its height.
std::string draw_axes(const Scale& x, const Scale& y, const std::vector<std::string>& x_label,
                      const std::vector<std::string>& y_label);

}  // namespace gadolin::chart
