// Bars and heat maps: values by name, confusion matrices.
#include <algorithm>
#include <array>
#include <cmath>

#include "apps/chart/axes.h"
#include "apps/chart/svg.h"
#include "tensor/check.h"

namespace gadolin::chart {
namespace {

// Room for a label of this many characters at font size 11; longer ones are cut.
constexpr std::size_t longest_label = 22;

// The first `most` characters (not bytes) of a UTF-8 text.
std::string shortened(const std::string& text, std::size_t most = longest_label) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0u) == 0x80u) continue;
    if (++characters > most) return text.substr(0, i) + "\xE2\x80\xA6";
  }
  return text;
}

double label_width(const std::vector<std::string>& labels) {
  std::size_t longest = 1;
  for (const std::string& text : labels)
    longest = std::max(longest, std::min(shortened(text).size(), longest_label));
  return 10 + 6.4 * static_cast<double>(longest);
}

// From white to dark blue, even in lightness; `ink` is readable on it.
struct Paint {
  std::string fill, ink;
};
Paint paint(double shade) {
  const double s = std::isfinite(shade) ? std::clamp(shade, 0.0, 1.0) : 0.0;
  const std::array<double, 3> light = {247, 251, 255}, dark = {8, 69, 148};
  std::string fill = "rgb(";
  for (std::size_t c = 0; c < 3; ++c) {
    fill += std::to_string(static_cast<int>(std::lround(light[c] + s * (dark[c] - light[c])))) +
            (c < 2 ? "," : ")");
  }
  return {fill, s > 0.5 ? "#ffffff" : "#1a1a1a"};
}

std::string rectangle(double x, double y, double width, double height, const std::string& rest) {
  return "<rect x=\"" + fixed(x, 2) + "\" y=\"" + fixed(y, 2) + "\" width=\"" + fixed(width, 2) +
         "\" height=\"" + fixed(height, 2) + "\" " + rest + "/>\n";
}

}  // namespace

std::string bar_chart(const std::vector<Bar>& bars, const Frame& frame) {
  std::vector<std::string> names;
  double low = 0, high = 0;
  for (const Bar& bar : bars) {
    names.push_back(bar.name);
    for (const double v : {bar.value, bar.low, bar.high}) {
      if (!std::isfinite(v)) continue;
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  Frame full = frame;
  const double row = 20, left = label_width(names);
  full.height = 70 + static_cast<int>(row) * static_cast<int>(bars.size());
  Scale x = nice_scale(low, high, false), y;
  x.low = std::min(x.low, 0.0);
  x.from = left, x.to = frame.width - 60.0;
  y.from = full.height - 42.0, y.to = 28;
  std::string out =
      open_svg(full) + label(8, 16, "start", frame.title, "font-size=\"13\" font-weight=\"600\"");
  for (const double tick : ticks(x)) {
    out += "<path d=\"M" + fixed(x(tick), 2) + " 28V" + fixed(y.from, 2) +
           "\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>\n";
    out += label(x(tick), y.from + 15, "middle", number(tick));
  }
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double top = 30 + row * static_cast<double>(i);
    out += label(left - 6, top + 13, "end", shortened(bar.name));
    if (!std::isfinite(bar.value)) {
      out += label(x(0) + 6, top + 13, "start", "n/a");
      continue;
    }
    const double a = x(std::min(0.0, bar.value)), b = x(std::max(0.0, bar.value));
    out += rectangle(a, top + 3, b - a, row - 6, "fill=\"" + colour(0) + "\" fill-opacity=\"0.8\"");
    const bool interval = std::isfinite(bar.low) && std::isfinite(bar.high);
    if (interval) {
      out += "<path d=\"M" + fixed(x(bar.low), 2) + " " + fixed(top + 10, 2) + "H" + fixed(x(bar.high), 2) +
             "\" stroke=\"currentColor\" stroke-width=\"1.5\"/>\n";
    }
    out += label((interval ? std::max(b, x(bar.high)) : b) + 5, top + 13, "start", number(bar.value, 3));
  }
  return out + label((x.from + x.to) / 2, y.from + 31, "middle", frame.x_label) + "</svg>\n";
}

std::string heat_map(const HeatMap& map, const Frame& frame) {
  const std::size_t rows = map.rows.size(), columns = map.columns.size();
  require<ValueError>(map.shade.size() == rows * columns && map.text.size() == rows * columns,
                      "heat_map: ", map.shade.size(), " shades and ", map.text.size(), " texts for ", rows,
                      " rows of ", columns);
  const double left = 22 + label_width(map.rows), head = 30, tilt = columns > 4 ? 0.71 : 0;
  const double below = 28 + (tilt > 0 ? 0.75 * label_width(map.columns) : 8);
  Frame full = frame;
  const double cell = std::clamp(
      (frame.width - left - 12.0) / static_cast<double>(std::max<std::size_t>(columns, 1)), 16.0, 110.0);
  const double side = std::min(cell, 54.0);
  full.width = static_cast<int>(std::ceil(left + cell * static_cast<double>(columns) + 12));
  full.width = std::max(full.width, frame.width);
  full.height = static_cast<int>(std::ceil(head + side * static_cast<double>(rows) + below));
  const double bottom = head + side * static_cast<double>(rows),
               right = left + cell * static_cast<double>(columns);
  std::string out =
      open_svg(full) + label(8, 16, "start", frame.title, "font-size=\"13\" font-weight=\"600\"");
  for (std::size_t r = 0; r < rows; ++r) {
    const double top = head + side * static_cast<double>(r);
    out += label(left - 6, top + side / 2 + 4, "end", shortened(map.rows[r]));
    for (std::size_t c = 0; c < columns; ++c) {
      const double at = left + cell * static_cast<double>(c);
      const Paint colours = paint(map.shade[r * columns + c]);
      out += rectangle(at, top, cell, side,
                       "fill=\"" + colours.fill + "\" stroke=\"#8a8a8a\" stroke-width=\"0.5\"");
      out += "<text x=\"" + fixed(at + cell / 2, 2) + "\" y=\"" + fixed(top + side / 2 + 4, 2) +
             "\" text-anchor=\"middle\" fill=\"" + colours.ink + "\">" + escape(map.text[r * columns + c]) +
             "</text>\n";
    }
  }
  for (std::size_t c = 0; c < columns; ++c) {
    const double at = left + cell * (static_cast<double>(c) + 0.5);
    const std::string place = fixed(at, 2) + " " + fixed(bottom + 13, 2);
    out += tilt > 0 ? label(at, bottom + 13, "end", shortened(map.columns[c]),
                            "transform=\"rotate(-45 " + place + ")\"")
                    : label(at, bottom + 15, "middle", shortened(map.columns[c]));
  }
  out += label((left + right) / 2, full.height - 6.0, "middle", frame.x_label);
  const std::string middle = fixed((head + bottom) / 2, 2);
  out +=
      label(13, (head + bottom) / 2, "middle", frame.y_label, "transform=\"rotate(-90 13 " + middle + ")\"");
  return out + "</svg>\n";
}

}  // namespace gadolin::chart
