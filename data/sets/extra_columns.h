// What a manifest says of its samples besides path, patient, labels and split: sex, age, view, site ...
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/sets/dataset.h"

namespace gadolin {

struct ExtraColumn {
  std::string name;
  std::vector<std::string> values;  // of the samples of the set, trimmed
};

// `path` is the manifest, or the folder with manifest.csv, that `set`, or what it is a subset of, was opened
// from. In the order of the table. Empty for data that are no manifest; columns that place a sample (path,
// name, patient, labels, split, outside, under their usual names) are left out. Empty also for a set that is
// another one than the manifest's. Throws what read_csv() throws.
std::vector<ExtraColumn> extra_columns(const std::string& path, const Dataset& set);

// To the table `to`, which was just written of `set` (write_manifest): these columns of `from`, and beside it
// the file that stands beside `from` (data/sets/division.h). Nothing when there is nothing to add. Throws
// what reading and writing throw.
void carry_extra_columns(const std::string& from, const std::string& to, const Dataset& set);

// Age in years as tables and DICOM write it (58, 058Y, 003M, 010D, 006W); NaN for what is none, or is above
// 120 years.
double age_in_years(std::string_view text);

}  // namespace gadolin
