#include "apps/report/run_data.h"

#include <array>
#include <map>
#include <set>

#include "apps/program/command.h"
#include "io/csv.h"
#include "io/text.h"

namespace gadolin {
namespace {

constexpr std::array<const char*, 3> split_names = {"train", "val", "test"};

struct SplitCount {
  std::int64_t samples = 0;
  std::set<std::string> patients;
  std::map<std::string, std::int64_t> classes;  // a sample counts once a label
};

std::vector<std::string> label_names(const std::string& labels) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= labels.size();) {
    const std::size_t end = std::min(labels.find('|', at), labels.size());
    names.push_back(end == at ? "no label" : labels.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

std::string share_of(std::int64_t part, std::int64_t all) {
  if (all == 0) return "0";
  return cat(part, " (", fixed(100 * static_cast<double>(part) / static_cast<double>(all), 1), " %)");
}

}  // namespace

void add_split_facts(report::RunReport& run, const std::string& path) {
  const CsvTable table = read_csv(path);
  const int split_at = table.find("split"), patient_at = table.find("patient"),
            label_at = table.find("labels");
  const auto field = [](const std::vector<std::string>& row, int at) {
    return at < 0 ? std::string() : row[static_cast<std::size_t>(at)];
  };
  std::map<std::string, SplitCount> splits;
  std::set<std::string> classes, seen;
  // Of boxes a row is a box, and a sample has several.
  const int path_at = table.find("x1") < 0 ? -1 : table.find("path");
  bool patients = patient_at >= 0;
  for (const auto& row : table.rows) {
    SplitCount& split = splits[field(row, split_at)];
    if (path_at >= 0 && !seen.insert(field(row, path_at)).second) continue;
    ++split.samples;
    split.patients.insert(field(row, patient_at));
    patients = patients && !field(row, patient_at).empty();
    if (label_at < 0) continue;
    for (const std::string& name : label_names(field(row, label_at))) {
      classes.insert(name);
      ++split.classes[name];
    }
  }
  const auto of_each = [&](auto count) {
    std::string text;
    for (const char* name : split_names)
      text += cat(text.empty() ? "" : ", ", count(splits[name]), " ", name);
    return text;
  };
  run.data.push_back({"samples", of_each([](const SplitCount& s) { return s.samples; })});
  run.data.push_back({"patients", patients ? of_each([](const SplitCount& s) { return s.patients.size(); })
                                           : "not named: every sample counts as a patient of its own"});
  if (classes.empty() || classes == std::set<std::string>{"no label"}) return;
  report::Table balance{"Class balance: samples of each split", {"class"}, {}};
  balance.columns.insert(balance.columns.end(), split_names.begin(), split_names.end());
  for (const std::string& name : classes) {
    balance.rows.push_back({name});
    for (const char* split : split_names)
      balance.rows.back().push_back(share_of(splits[split].classes[name], splits[split].samples));
  }
  run.tables.push_back(balance);
}

}  // namespace gadolin
