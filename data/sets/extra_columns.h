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
// name, patient, labels, split, outside, under their usual names) are left out. Throws DataError when a
// sample's row is not there, and what read_csv() throws.
std::vector<ExtraColumn> extra_columns(const std::string& path, const Dataset& set);

// Age in years as tables and DICOM write it (58, 058Y, 003M, 010D, 006W); NaN for what is none, or is above
// 120 years.
double age_in_years(std::string_view text);

}  // namespace gadolin
