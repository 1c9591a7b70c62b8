// What the folder of a run says about itself, in words: the head of a report, its configuration and
// environment.
#pragma once

#include <string>

#include "apps/report/report.h"

namespace gadolin {

// Fills model, data, configuration and environment from config.toml, env.json, split.csv and metrics.csv, as
// far as they are there. Throws FormatError for an env.json that is no JSON, DataError for a damaged table.
void add_run_facts(report::RunReport& run, const std::string& folder);

}  // namespace gadolin
