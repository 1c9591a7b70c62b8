// Scales and ticks of a chart, and the parts of SVG that all charts share.
#pragma once

#include <string>
#include <vector>

#include "apps/chart/chart.h"

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

// Colour and dash pattern of series i.
std::string stroke(std::size_t i);
std::string colour(std::size_t i);

// "<svg ...><title>..</title><desc>..</desc>"; the caller closes it.
std::string open_svg(const Frame& frame);
// Text at a point; `anchor` is start, middle or end; `extra` further attributes.
std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra = "");
// Grid, tick labels, axis names and the title inside the plot [left, right] x [top, bottom].
std::string draw_axes(const Frame& frame, const Scale& x, const Scale& y);

}  // namespace gadolin::chart
