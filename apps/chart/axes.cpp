// See axes.h. Coordinates are written with two decimals: half the size of the text, and no difference to the
// eye.
#include "apps/chart/axes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/chart/svg.h"

namespace gadolin::chart {
namespace {

struct Style {
  const char* colour;
  const char* dash;
};
constexpr std::array<Style, 7> styles = {{{"#0072B2", ""},
                                          {"#D55E00", "6 3"},
                                          {"#009E73", "2 2"},
                                          {"#CC79A7", "8 3 2 3"},
                                          {"#E69F00", "1 3"},
                                          {"#56B4E9", "10 4"},
                                          {"#7F7F7F", "4 4"}}};

// The largest of 1, 2, 5, 10 times a power of ten that is not above `step` times 1.5.
double round_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

double Scale::operator()(double value) const {
  const double v = log ? std::log10(value) : value;
  return from + (v - low) / (high - low) * (to - from);
}

std::vector<double> ticks(const Scale& scale, int count) {
  std::vector<double> values;
  if (scale.log) {
    const double step = std::max(1.0, std::ceil((scale.high - scale.low) / count));
    for (double e = std::ceil(scale.low - 1e-9); e <= scale.high + 1e-9; e += step)
      values.push_back(std::pow(10, e));
    return values;
  }
  const double step = round_step((scale.high - scale.low) / count);
  const double first = std::ceil(scale.low / step - 1e-9);
  for (int i = 0; i < 4 * count; ++i) {
    const double value = (first + i) * step;
    if (value > scale.high + 1e-9 * step) break;
    values.push_back(std::abs(value) < 1e-9 * step ? 0 : value);
  }
  return values;
}

Scale nice_scale(double low, double high, bool log) {
  Scale scale;
  scale.log = log;
  if (log) {
    scale.low = std::floor(std::log10(low) + 1e-9);
    scale.high = std::max(scale.low + 1, std::ceil(std::log10(high) - 1e-9));
    return scale;
  }
  if (!(high - low > 1e-12 * std::max(std::abs(low), std::abs(high)))) {
    const double half = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= half;
    high += half;
  }
  const double step = round_step((high - low) / 5);
  scale.low = std::floor(low / step + 1e-9) * step;
  scale.high = std::ceil(high / step - 1e-9) * step;
  return scale;
}

std::string colour(std::size_t i) { return styles[i % styles.size()].colour; }

std::string stroke(std::size_t i) {
  const Style& style = styles[i % styles.size()];
  std::string text = "stroke=\"" + std::string(style.colour) + "\" stroke-width=\"1.8\"";
  if (*style.dash != '\0') text += " stroke-dasharray=\"" + std::string(style.dash) + "\"";
  return text;
}

std::string open_svg(const Frame& frame) {
  const std::string size = std::to_string(frame.width) + " " + std::to_string(frame.height);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\" width=\"" +
         std::to_string(frame.width) + "\" height=\"" + std::to_string(frame.height) +
         "\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"none\" "
         "color=\"currentColor\">\n<title>" +
         escape(frame.title) + "</title>\n<desc>" + escape(frame.description) + "</desc>\n";
}

std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra) {
  return "<text x=\"" + fixed(x, 2) + "\" y=\"" + fixed(y, 2) + "\" text-anchor=\"" + anchor +
         "\" fill=\"currentColor\"" + (extra.empty() ? "" : " " + extra) + ">" + escape(text) + "</text>\n";
}

std::string draw_axes(const Frame& frame, const Scale& x, const Scale& y) {
  std::string out = label(x.from, 16, "start", frame.title, "font-size=\"13\" font-weight=\"600\"");
  const std::string grid = "\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>\n";
  for (const double value : ticks(y)) {
    const double at = y(value);
    out += "<path d=\"M" + fixed(x.from, 2) + " " + fixed(at, 2) + "H" + fixed(x.to, 2) + grid;
    out += label(x.from - 6, at + 4, "end", number(value));
  }
  for (const double value : ticks(x)) {
    const double at = x(value);
    out += "<path d=\"M" + fixed(at, 2) + " " + fixed(y.to, 2) + "V" + fixed(y.from, 2) + grid;
    out += label(at, y.from + 15, "middle", number(value));
  }
  out += "<path d=\"M" + fixed(x.from, 2) + " " + fixed(y.to, 2) + "V" + fixed(y.from, 2) + "H" +
         fixed(x.to, 2) + "\" stroke=\"currentColor\"/>\n";
  out += label((x.from + x.to) / 2, y.from + 31, "middle", frame.x_label);
  const std::string middle = fixed((y.from + y.to) / 2, 2);
  out +=
      label(13, (y.from + y.to) / 2, "middle", frame.y_label, "transform=\"rotate(-90 13 " + middle + ")\"");
  return out;
}

}  // namespace gadolin::chart
