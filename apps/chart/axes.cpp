// See axes.h. Coordinates are written with two decimals: half the size of the text, and no difference to the
// eye.
#include "apps/chart/axes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/chart/svg.h"

namespace gadolin::chart {
namespace {

// Okabe and Ito 2008, without the yellow that no white page shows.
constexpr std::array colours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F"};
constexpr std::array dashes = {"", "6 3", "2 2", "8 3 2 3", "1 3", "10 4", "4 4"};
// Around the point, which the path starts from.
constexpr std::array markers = {"m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
                                "m-2.7 -2.7h5.4v5.4h-5.4z",
                                "m0 -3.4l3.4 6h-6.8z",
                                "m0 -3.8l3.8 3.8l-3.8 3.8l-3.8 -3.8z",
                                "m0 3.4l3.4 -6h-6.8z",
                                "m-3.6 -1.2h7.2v2.4h-7.2z",
                                "m-1.2 -3.6h2.4v7.2h-2.4z"};
constexpr const char* ink_of_own_ground = "#1b1f24";
constexpr double title_step = 17;

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

double tick_width(const Scale& scale) {
  double most = 0;
  for (const double value : ticks(scale)) most = std::max(most, text_width(number(value)));
  return most;
}

// In the second round of colours the dashes are other ones, and so are the markers.
Look look_of(const Series& series, std::size_t place) {
  const std::size_t hue = series.hue < 0 ? place : static_cast<std::size_t>(series.hue);
  const std::size_t own = series.hue < 0 ? place + place / colours.size() : hue / colours.size();
  return {hue, series.dash < 0 ? own : static_cast<std::size_t>(series.dash)};
}

std::string colour(std::size_t hue) { return colours[hue % colours.size()]; }

std::string stroke(Look look) {
  std::string text = "stroke=\"" + colour(look.hue) + "\" stroke-width=\"1.8\"";
  const char* const dash = dashes[look.dash % dashes.size()];
  if (*dash != '\0') text += " stroke-dasharray=\"" + std::string(dash) + "\"";
  return text;
}

std::string marker(std::size_t hue, double x, double y) {
  return "<path d=\"M" + fixed(x, 2) + " " + fixed(y, 2) +
         markers[(hue + 3 * (hue / colours.size())) % markers.size()] + "\" fill=\"" + colour(hue) + "\"/>\n";
}

std::string open_svg(const Frame& frame) {
  const std::string width = std::to_string(frame.width), height = std::to_string(frame.height);
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + width + " " + height + "\" width=\"" +
      width + "\" height=\"" + height +
      "\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"none\" color=\"" +
      (frame.own_ground ? ink_of_own_ground : "currentColor") + "\">\n<title>" + escape(frame.title) +
      "</title>\n<desc>" + escape(frame.description) + "</desc>\n";
  if (frame.own_ground) out += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  return out;
}

std::string label(double x, double y, const std::string& anchor, const std::string& text,
                  const std::string& extra) {
  return "<text x=\"" + fixed(x, 2) + "\" y=\"" + fixed(y, 2) + "\" text-anchor=\"" + anchor +
         "\" fill=\"currentColor\"" + (extra.empty() ? "" : " " + extra) + ">" + escape(text) + "</text>\n";
}

std::string lines_at(double x, double y, const std::string& anchor, const std::vector<std::string>& lines,
                     int degrees) {
  const std::string turn = degrees == 0 ? ""
                                        : "transform=\"rotate(" + std::to_string(degrees) + " " +
                                              fixed(x, 2) + " " + fixed(y, 2) + ")\"";
  std::string out;
  for (const std::string& line : lines) {
    out += label(x, y, anchor, line, turn);
    y += line_step;
  }
  return out;
}

Title::Title(const Frame& frame, double at)
    : lines(wrapped(frame.title, frame.width - at - 8, title_size, true)), x(at) {}
double Title::head() const { return 11 + title_step * std::max(1.0, static_cast<double>(lines.size())); }
std::string Title::draw() const {
  std::string out;
  double y = 16;
  for (const std::string& line : lines) {
    out += label(x, y, "start", line, "font-size=\"13\" font-weight=\"600\"");
    y += title_step;
  }
  return out;
}

Note::Note(const Frame& frame) : lines(wrapped(frame.note, frame.width - 16.0, note_size)) {}
double Note::height() const {
  return lines.empty() ? 0 : 6 + (line_step - 1) * static_cast<double>(lines.size());
}
std::string Note::draw(double bottom) const {
  std::string out;
  double y = bottom - 4 - (line_step - 1) * (static_cast<double>(lines.size()) - 1);
  for (const std::string& line : lines) {
    out += label(8, y, "start", line, "font-size=\"10\"");
    y += line_step - 1;
  }
  return out;
}

std::string draw_axes(const Scale& x, const Scale& y, const std::vector<std::string>& x_label,
                      const std::vector<std::string>& y_label) {
  std::string out;
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
  out += lines_at((x.from + x.to) / 2, y.from + 31, "middle", x_label);
  return out + lines_at(13, (y.from + y.to) / 2, "middle", y_label, -90);
}

}  // namespace gadolin::chart
