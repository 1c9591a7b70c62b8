// The pieces of a report as HTML text; every element is closed, so that the document is well-formed XML too.
#pragma once

#include <string>

#include "apps/report/report.h"

namespace gadolin::report {

extern const char* const style_sheet;

// Escaped; long words may be broken behind / _ - and the like, but never between two letters.
std::string breakable(std::string_view text);
std::string document_head(const std::string& title);  // doctype to the opening <main>
std::string document_foot();                          // disclaimer, closing tags

std::string facts_table(const std::string& title, const std::vector<Fact>& facts);
std::string table(const Table& table);
// "0.9531 (0.9210 to 0.9782)"
std::string with_interval(const Value& value);
// A chart, its caption and, folded away, its numbers.
std::string figure(const std::string& svg, const std::string& caption, const Table& numbers);
// Shown when the reader asks for it.
std::string folded(const std::string& summary, const std::string& content);
std::string gallery(const std::string& title, const std::vector<Example>& examples);
std::string gallery(const Gallery& drawn);

std::string curve_figure(const Curve& curve);
std::string bar_figure(const Bars& bars);
std::string confusion_figures(const Confusion& confusion);

// Which curves stand in the figures, of many: those of these names in their order, or else the best, the
// worst and the most frequent. `caption` says which and why; it is empty when all are shown.
struct Chosen {
  std::vector<std::string> names;
  std::string caption;
};
Chosen choose_curves(const std::vector<RankCurve>& roc, const std::vector<std::string>& asked);
// ROC, precision and recall, calibration of the chosen ones; of the others folded away.
std::string rank_figures(const RunReport& run, const std::vector<std::string>& asked);
// One ROC chart a class that several runs have, a line a run.
std::string compared_ranks(const std::vector<RunReport>& runs, const std::vector<std::string>& asked);

}  // namespace gadolin::report
