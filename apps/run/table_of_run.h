// What commands on data sets share.
#pragma once

#include <string>

#include "data/sets/dataset.h"

namespace gadolin {

// The split.csv of a run names files where they lie, which is not below the run's folder.
void allow_table_of_run(DatasetOptions& options, const std::string& path);
// Of --split. Throws UsageError for a word that is none.
Split split_option(const std::string& text);
// "1 error", "2 errors"
std::string counted(std::int64_t count, const std::string& one);

}  // namespace gadolin
