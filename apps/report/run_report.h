// The report of a run from what lies in its folder: config.toml, metrics.csv, metrics.json, predictions.csv,
// env.json.
#pragma once

#include <string>
#include <vector>

#include "apps/report/report.h"

namespace gadolin {

// Parts whose files are missing are left out; a run that was never evaluated has curves only.
// Throws DataError when the folder holds none of them, FormatError for damaged ones.
report::RunReport read_run(const std::string& folder);
// Several runs are shown side by side. `findings`: whose curves are drawn, instead of the best, the worst and
// the most frequent. Throws UsageError for a finding that no run has.
void write_run_reports(const std::vector<std::string>& folders, const std::string& path,
                       const std::vector<std::string>& findings = {});

}  // namespace gadolin
