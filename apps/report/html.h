// The pieces of a report as HTML text; every element is closed, so that the document is well-formed XML too.
#pragma once

#include <string>

#include "apps/report/report.h"

namespace gadolin::report {

std::string document_head(const std::string& title);  // doctype to the opening <main>
std::string document_foot();                          // disclaimer, closing tags

std::string facts_table(const std::string& title, const std::vector<Fact>& facts);
std::string table(const Table& table);
// "0.9531 (0.9210 to 0.9782)"
std::string with_interval(const Value& value);
// A chart, its caption and, folded away, its numbers.
std::string figure(const std::string& svg, const std::string& caption, const Table& numbers);
std::string gallery(const std::string& title, const std::vector<Example>& examples);

std::string curve_figure(const Curve& curve);
std::string confusion_figures(const Confusion& confusion);
std::string rank_figure(const std::vector<RankCurve>& curves, bool roc);

}  // namespace gadolin::report
