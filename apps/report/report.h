// The HTML report of one run, or of several side by side: one file, nothing fetched, no script, readable on
// paper. ReportData is plain text and numbers, so that a report can be made of anything that was measured.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/chart/chart.h"
#include "tasks/report_page.h"

namespace gadolin::report {

struct ReportData {
  std::string title = "Gadolin report";
  std::string made;  // date and time, as it is to be shown
  std::vector<RunReport> runs;
  std::vector<std::string> findings = {};  // whose curves are drawn; empty: the best, worst and most frequent
};

// Throws ValueError for a table row, matrix or curve whose sizes disagree, and when there is no run.
std::string render_report(const ReportData& data);
// Writes it complete or not at all; the folder must exist. Throws FileError.
void write_report(const ReportData& data, const std::string& path);

std::string base64(std::string_view bytes);

}  // namespace gadolin::report
