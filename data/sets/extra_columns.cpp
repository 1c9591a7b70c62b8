#include "data/sets/extra_columns.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>

#include "data/sets/boxes/detection_set.h"
#include "data/sets/division.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/text.h"

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
  const int path_at = table.find("path");
  const auto row_of = [&](std::int64_t i) { return static_cast<std::size_t>(set.info(i).record); };
  for (std::int64_t i = 0; i < set.size(); ++i) {
    if (row_of(i) >= table.rows.size()) return {};
    if (path_at >= 0 && trimmed(table.rows[row_of(i)][static_cast<std::size_t>(path_at)]) != set.info(i).name)
      return {};
  }
  std::vector<ExtraColumn> columns;
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    const std::string& name = table.header[c];
    if (name.empty() || std::ranges::count(placing, name) > 0) continue;
    ExtraColumn column{name, {}};
    for (std::int64_t i = 0; i < set.size(); ++i)
      column.values.emplace_back(trimmed(table.rows[row_of(i)][c]));
    columns.push_back(std::move(column));
  }
  return columns;
}

void carry_extra_columns(const std::string& from, const std::string& to, const Dataset& set) {
  const std::string manifest = manifest_of(from);
  std::error_code error;
  if (manifest.empty() || fs::equivalent(manifest, to, error)) return;
  const std::vector<ExtraColumn> columns = extra_columns(from, set);
  if (!columns.empty()) {
    CsvTable table = read_csv(to);
    for (const ExtraColumn& column : columns) {
      table.header.push_back(column.name);
      for (std::size_t row = 0; row < table.rows.size(); ++row)
        table.rows[row].push_back(column.values.at(row));
    }
    write_file_atomically(to, to_csv(table));
  }
  const std::string facts = manifest_facts_path(manifest);
  if (fs::is_regular_file(facts, error))
    write_file_atomically(manifest_facts_path(to), read_file(facts, 1 << 26));
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
