// Charts as SVG text: lines, bars, heat maps. Equal input gives equal text; no script, no font file, nothing
// fetched. Each carries a title and a description for screen readers. Series differ in dash and marker as
// well as in colour (Okabe and Ito 2008). Axes and text take the colour of the page around them, and no text
// is cut: it is broken into lines, and the chart grows where they need room.
#pragma once

#include <string>
#include <vector>

#include "tasks/report_page.h"

namespace gadolin::chart {

using report::Series;

struct Frame {
  std::string title, description = "";
  std::string x_label = "", y_label = "";
  int width = 460, height = 300;
  std::string note = "";  // small, below everything else
  // For a file that any page may show: a white ground of its own, as it cannot know the colour of the page.
  bool own_ground = false;
};

struct LineOptions {
  bool log_y = false;        // ignored when a value is not above 0
  bool unit_square = false;  // both axes 0 to 1, as in ROC curves
  bool diagonal = false;     // the line y = x, dashed
};

// Throws ValueError when x and y (or low and high) of a series differ in length. Long series are thinned to
// 1000 points that keep every interval's lowest and highest value.
std::string line_chart(const std::vector<Series>& series, const Frame& frame,
                       const LineOptions& options = {});

// Horizontal bars from 0; with `low` and `high` an interval is drawn across each.
struct Bar {
  std::string name;
  double value;
  double low, high;
};
std::string bar_chart(const std::vector<Bar>& bars, const Frame& frame);

// shade [rows, columns] in [0, 1] fills the cells, text [rows, columns] stands in them. Rows run down,
// columns to the right.
struct HeatMap {
  std::vector<std::string> rows, columns;
  std::vector<double> shade;
  std::vector<std::string> text;
};
std::string heat_map(const HeatMap& map, const Frame& frame);

}  // namespace gadolin::chart
