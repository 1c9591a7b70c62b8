#include "data/sets/extra_columns.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>

#include "data/sets/boxes/detection_set.h"
#include "io/csv.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr const char* placing[] = {"path",  "name",   "patient", "patient_id",
                                   "label", "labels", "split",   "outside"};

// The manifest that open_dataset() would read; empty for other kinds of data.
std::string manifest_of(const std::string& path) {
  std::error_code error;
  const fs::path inside = fs::path(path) / "manifest.csv";
  if (fs::is_directory(path, error)) return fs::is_regular_file(inside, error) ? inside.string() : "";
  return has_ending(path, ".csv") && fs::is_regular_file(path, error) ? path : "";  // a pipe is read once
}

}  // namespace

std::vector<ExtraColumn> extra_columns(const std::string& path, const Dataset& set) {
  const std::string manifest = manifest_of(path);
  if (manifest.empty() || dynamic_cast<const DetectionSet*>(&set) != nullptr) return {};
  const CsvTable table = read_csv(manifest);
  std::vector<ExtraColumn> columns;
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    const std::string& name = table.header[c];
    if (name.empty() || std::ranges::count(placing, name) > 0) continue;
    ExtraColumn column{name, {}};
    for (std::int64_t i = 0; i < set.size(); ++i) {
      const std::int64_t row = set.info(i).record;
      require<DataError>(row >= 0 && row < std::ssize(table.rows), "dataset: ", printable(manifest), " has ",
                         table.rows.size(), " rows, the set was opened with more; open it again");
      column.values.emplace_back(trimmed(table.rows[static_cast<std::size_t>(row)][c]));
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

double age_in_years(std::string_view text) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  text = trimmed(text);
  if (text.empty()) return none;
  double unit = 1;
  const std::string_view units = "YMWDymwd";
  if (const std::size_t at = units.find(text.back()); at != std::string_view::npos) {
    constexpr double a_year[] = {1, 12, 52.1775, 365.2425};
    unit = a_year[at % 4];
    text.remove_suffix(1);
  }
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const bool whole = !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
  const double age = number / unit;
  return whole && age >= 0 && age <= 120 ? age : none;
}

}  // namespace gadolin
