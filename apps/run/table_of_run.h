// What commands on data sets share.
#pragma once

#include <string>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin {

// The split.csv of a run names files where they lie, which is not below the run's folder; and so does a table
// of `data split`, which then has a column `outside`.
void allow_table_of_run(DatasetOptions& options, const std::string& path);
// Gives a table that was just written, and names files outside its folder, that column.
void mark_outside(const std::string& path);
// How a table in `folder` names a file, so that both may be moved together: the way from there. The folders'
// symbolic links are followed, because .. is that of the folder behind a link.
std::string path_from(const std::string& folder, const std::string& file);
// What reading a set met: files it left out; of boxes, how many rows came in and went out, and what was taken
// for granted. A sentence each.
std::vector<std::string> met_in(const Dataset& set);
// Of --split. Throws UsageError for a word that is none.
Split split_option(const std::string& text);
// "1 error", "2 errors"
std::string counted(std::int64_t count, const std::string& one);

}  // namespace gadolin
