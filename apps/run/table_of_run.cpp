#include "apps/run/table_of_run.h"

#include <filesystem>
#include <fstream>

#include "data/sets/boxes/detection_set.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin {
namespace {
namespace fs = std::filesystem;

constexpr const char* outside_column = "outside";

bool leads_outside(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return plain.is_absolute() || (!plain.empty() && *plain.begin() == "..");
}

}  // namespace

std::string path_from(const std::string& folder, const std::string& file) {
  const fs::path whole = fs::absolute(file);
  return (fs::weakly_canonical(whole.parent_path()) / whole.filename())
      .lexically_relative(fs::weakly_canonical(fs::absolute(folder)))
      .string();
}

void allow_table_of_run(DatasetOptions& options, const std::string& given) {
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(given, error);
  const std::string path = is_folder ? given + "/manifest.csv" : given;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (std::filesystem::exists(folder / "config.toml", error)) options.allow_outside = true;
  if (options.allow_outside || !path.ends_with(".csv")) return;
  std::ifstream file(path);
  std::string header;
  std::getline(file, header);
  if (!header.empty() && header.back() == '\r') header.pop_back();
  options.allow_outside = header.ends_with(std::string(",") + outside_column);
}

void mark_outside(const std::string& path) {
  CsvTable table = read_csv(path);
  const auto at = static_cast<std::size_t>(table.column("path"));
  bool outside = false;
  for (const auto& row : table.rows) outside = outside || leads_outside(row[at]);
  if (!outside) return;
  table.header.push_back(outside_column);
  for (auto& row : table.rows) row.push_back(leads_outside(row[at]) ? "allowed" : "");
  write_file_atomically(path, to_csv(table));
}

std::vector<std::string> met_in(const Dataset& set) {
  std::vector<std::string> met;
  if (std::string left = set.left_out_text(); !left.empty()) met.push_back(std::move(left));
  if (const auto* boxes = dynamic_cast<const DetectionSet*>(&set)) {
    met.push_back(boxes->summary());
    met.insert(met.end(), boxes->notes().begin(), boxes->notes().end());
    bool named = false;
    for (std::int64_t i = 0; i < set.size() && !named; ++i) named = !set.patient(i).empty();
    if (!named)
      met.push_back(
          "no patients are named, so each picture counts as one; a column patient, or data split "
          "--patient-until, names them");
  }
  return met;
}

Split split_option(const std::string& text) {
  try {
    const Split split = split_from(text, "--split");
    if (split != Split::none) return split;
  } catch (const DataError&) {
  }
  fail<UsageError>("--split ", text, " is unknown; use train, val, test or all");
}

std::string counted(std::int64_t count, const std::string& one) {
  return cat(count, " ", one, count == 1 ? "" : "s");
}

}  // namespace gadolin
