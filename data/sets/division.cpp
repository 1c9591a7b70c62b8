#include "data/sets/division.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;

std::string division_sha256(const Dataset& set) {
  std::vector<std::string> lines;
  lines.reserve(static_cast<std::size_t>(set.size()));
  for (std::int64_t i = 0; i < set.size(); ++i) {
    std::string_view name = set.info(i).name;
    name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    name = name.substr(0, name.rfind('.'));
    lines.push_back(cat(name, "\t", split_name(set.info(i).split), "\n"));
  }
  std::ranges::sort(lines);
  Sha256 hash;
  for (const std::string& line : lines) hash.update(line);
  return hash.hex();
}

std::string manifest_facts_path(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return (fs::path(path) / "manifest.json").string();
  return fs::path(path).replace_extension(".json").string();
}

namespace {

// manifest.json beside the set; {} where there is none.
Json facts_beside(const std::string& path) {
  std::error_code error;
  const std::string file = manifest_facts_path(path);
  if (has_ending(path, ".json") || !fs::is_regular_file(file, error)) return Json::object();
  Json facts = Json::parse(read_file(file, 1 << 26), nullptr, false);
  require<FormatError>(facts.is_object(), "dataset: ", printable(file), " is not a JSON object; remove it");
  return facts;
}

bool has_text(const Json& json, const char* name) {
  return json.is_object() && json.contains(name) && json[name].is_string();
}

}  // namespace

bool is_table(const Json& json) { return has_text(json, "version") && has_text(json, "sha256"); }

Json source_table(const std::string& path) {
  const Json facts = facts_beside(path);
  if (!facts.contains("table")) return Json::object();
  require<FormatError>(is_table(facts["table"]), "dataset: ", printable(manifest_facts_path(path)),
                       ": the table has no version or no sha256; remove the file, or prepare the data again");
  return facts["table"];
}

Json division_of(const std::string& path, const Dataset& set) {
  const std::string file = manifest_facts_path(path);
  const Json facts = facts_beside(path);
  if (!facts.contains("division")) return Json::object();
  Json division = facts["division"];
  require<FormatError>(has_text(division, "text") && has_text(division, "sha256"),
                       "dataset: ", printable(file),
                       ": the division has no text or no sha256; remove the file, or prepare the data again");
  const std::string now = division_sha256(set);
  if (division["sha256"] == now) return division;
  return {{"kind", "other"},
          {"text", cat("split: not the one of ", fs::path(file).filename().string(),
                       ", the set has other samples or splits (sha256 ", now.substr(0, 12), ")")},
          {"sha256", now}};
}

}  // namespace gadolin
