// Bars and heat maps: values by name, confusion matrices.
#include <algorithm>
#include <array>
#include <cmath>

#include "apps/chart/axes.h"
#include "apps/chart/svg.h"
#include "tensor/check.h"

namespace gadolin::chart {
namespace {

using Lines = std::vector<std::string>;
constexpr double name_width = 170;  // wider names are broken into lines

std::vector<Lines> wrapped_all(const std::vector<std::string>& texts, double width) {
  std::vector<Lines> all;
  for (const std::string& text : texts) all.push_back(wrapped(text, width));
  return all;
}
double widest_of(const std::vector<Lines>& all) {
  double most = 0;
  for (const Lines& lines : all) most = std::max(most, widest(lines));
  return most;
}
double widest_word(const std::string& text) {
  double most = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    most = std::max(most, text_width(text.substr(at, end - at)));
    at = end + 1;
  }
  return most;
}
double height_of(const Lines& lines) { return line_step * static_cast<double>(lines.size()); }

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
  double low = 0, high = 0, values = 0;
  for (const Bar& bar : bars) {
    names.push_back(bar.name);
    values = std::max(values, text_width(number(bar.value, 3)));
    for (const double v : {bar.value, bar.low, bar.high}) {
      if (!std::isfinite(v)) continue;
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  const std::vector<Lines> named = wrapped_all(names, name_width);
  Scale x = nice_scale(low, high, false);
  x.low = std::min(x.low, 0.0);
  const double left = 14 + std::max(widest_of(named), tick_width(x) / 2);
  x.from = left, x.to = std::max(left + 120, frame.width - std::max(60.0, 12 + values));
  Frame full = frame;
  full.width = std::max(frame.width, static_cast<int>(std::ceil(x.to + 12 + values)));
  const Title title(full, 8);
  const Note note(full);
  const Lines x_label = wrapped(frame.x_label, x.to - x.from);
  std::string rows;
  double top = title.head() + 2;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double height = std::max(20.0, 6 + height_of(named[i])), middle = top + height / 2;
    rows += lines_at(left - 6, middle + 3 - (height_of(named[i]) - line_step) / 2, "end", named[i]);
    top += height;
    if (!std::isfinite(bar.value)) {
      rows += label(x(0) + 6, middle + 3, "start", "n/a");
      continue;
    }
    const double a = x(std::min(0.0, bar.value)), b = x(std::max(0.0, bar.value));
    rows += rectangle(a, middle - 7, b - a, 14, "fill=\"" + colour(0) + "\" fill-opacity=\"0.8\"");
    const bool interval = std::isfinite(bar.low) && std::isfinite(bar.high);
    if (interval) {
      rows += "<path d=\"M" + fixed(x(bar.low), 2) + " " + fixed(middle, 2) + "H" + fixed(x(bar.high), 2) +
              "\" stroke=\"currentColor\" stroke-width=\"1.5\"/>\n";
    }
    rows += label((interval ? std::max(b, x(bar.high)) : b) + 5, middle + 3, "start", number(bar.value, 3));
  }
  const double bottom = top - 2;
  full.height = static_cast<int>(std::ceil(bottom + 29 + height_of(x_label) + note.height()));
  std::string out = open_svg(full) + title.draw();
  for (const double tick : ticks(x)) {
    out += "<path d=\"M" + fixed(x(tick), 2) + " " + fixed(title.head(), 2) + "V" + fixed(bottom, 2) +
           "\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>\n";
    out += label(x(tick), bottom + 15, "middle", number(tick));
  }
  out += rows + lines_at((x.from + x.to) / 2, bottom + 31, "middle", x_label);
  return out + note.draw(full.height) + "</svg>\n";
}

std::string heat_map(const HeatMap& map, const Frame& frame) {
  const std::size_t rows = map.rows.size(), columns = map.columns.size();
  require<ValueError>(map.shade.size() == rows * columns && map.text.size() == rows * columns,
                      "heat_map: ", map.shade.size(), " shades and ", map.text.size(), " texts for ", rows,
                      " rows of ", columns);
  const auto count = [](std::size_t n) { return static_cast<double>(std::max<std::size_t>(n, 1)); };
  const std::vector<Lines> row_names = wrapped_all(map.rows, name_width);
  double left = 32 + widest_of(row_names);
  const double cell =
      std::max(std::clamp((frame.width - left - 12) / count(columns), 16.0, 110.0), 8 + widest(map.text));
  // Names of columns are broken to the width of a cell; with a word that is wider they are turned, and then
  // end below the middle of the cell, to the left of it.
  bool tilted = false;
  for (const std::string& name : map.columns) tilted = tilted || widest_word(name) > cell - 4;
  const std::vector<Lines> column_names = wrapped_all(map.columns, tilted ? 1.4 * name_width : cell - 4);
  double below = 15;
  for (const Lines& lines : column_names) below = std::max(below, 2 + height_of(lines));
  if (tilted) {
    constexpr double slope = 0.7072;
    for (std::size_t c = 0; c < columns; ++c) {
      const double across = slope * widest(column_names[c]), lines = slope * height_of(column_names[c]);
      left = std::max(left, across + 6 - cell * (static_cast<double>(c) + 0.5));
      below = std::max(below, 13 + across + lines);
    }
  }
  double side = std::min(cell, 54.0);
  for (const Lines& lines : row_names) side = std::max(side, 4 + height_of(lines));
  Frame full = frame;
  const double right = left + cell * static_cast<double>(columns);
  full.width = std::max(frame.width, static_cast<int>(std::ceil(right + 12)));
  const Title title(full, 8);
  const Note note(full);
  const double head = title.head() + 2, bottom = head + side * static_cast<double>(rows);
  const Lines x_label = wrapped(frame.x_label, full.width - 24.0);
  const Lines y_label = {frame.y_label};
  const double y_label_at = std::max((head + bottom) / 2, widest(y_label) / 2 + 4);
  const double x_label_at = std::max((left + right) / 2, 8 + widest(x_label) / 2);
  full.height = static_cast<int>(
      std::ceil(std::max(bottom + below + 10 + height_of(x_label), 2 * y_label_at) + note.height()));
  std::string out = open_svg(full) + title.draw();
  for (std::size_t r = 0; r < rows; ++r) {
    const double top = head + side * static_cast<double>(r), middle = top + side / 2 + 4;
    out += lines_at(left - 6, middle - (height_of(row_names[r]) - line_step) / 2, "end", row_names[r]);
    for (std::size_t c = 0; c < columns; ++c) {
      const double at = left + cell * static_cast<double>(c);
      const Paint colours = paint(map.shade[r * columns + c]);
      out += rectangle(at, top, cell, side,
                       "fill=\"" + colours.fill + "\" stroke=\"#8a8a8a\" stroke-width=\"0.5\"");
      out += "<text x=\"" + fixed(at + cell / 2, 2) + "\" y=\"" + fixed(middle, 2) +
             "\" text-anchor=\"middle\" fill=\"" + colours.ink + "\">" + escape(map.text[r * columns + c]) +
             "</text>\n";
    }
  }
  for (std::size_t c = 0; c < columns; ++c) {
    const double at = left + cell * (static_cast<double>(c) + 0.5);
    out += lines_at(at, bottom + (tilted ? 13 : 15), tilted ? "end" : "middle", column_names[c],
                    tilted ? -45 : 0);
  }
  out += lines_at(x_label_at, bottom + below + 16, "middle", x_label);
  out += lines_at(13, y_label_at, "middle", y_label, -90);
  return out + note.draw(full.height) + "</svg>\n";
}

}  // namespace gadolin::chart
