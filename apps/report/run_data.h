// What split.csv of a run says about its data.
#pragma once

#include <string>

#include "apps/report/report.h"

namespace gadolin {

// Samples and patients of each split as facts, and a table of the classes in each split. Throws DataError for
// a damaged file.
void add_split_facts(report::RunReport& run, const std::string& path);

}  // namespace gadolin
