#include "apps/report/run_facts.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "apps/program/command.h"
#include "apps/report/run_data.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;
using Settings = std::vector<std::pair<std::string, std::string>>;

// "x" -> x, ["a", "b"] -> a, b, true -> yes.
std::string plain(const std::string& toml) {
  if (toml == "true" || toml == "false") return toml == "true" ? "yes" : "no";
  if (toml.empty() || (toml[0] != '"' && toml[0] != '[')) return toml;
  std::string text;
  bool quoted = false;
  for (std::size_t i = 0; i < toml.size(); ++i) {
    if (toml[i] == '"')
      quoted = !quoted;
    else if (quoted && toml[i] == '\\' && i + 1 < toml.size())
      text += toml[++i];
    else if (quoted)
      text += toml[i];
    else if (toml[i] == ',')
      text += ", ";
    else if (toml[0] == '[' && std::isspace(static_cast<unsigned char>(toml[i])) == 0 && toml[i] != '[' &&
             toml[i] != ']')
      text += toml[i];
  }
  return text;
}

// Numbers that stand for a word.
std::string in_words(const std::string& name, const std::string& value) {
  static const std::map<std::pair<std::string, std::string>, std::string> words{
      {{"weight-decay", "-1"}, "the optimiser's own"},
      {{"warmup-epochs", "-1"}, "the schedule's own"},
      {{"workers", "-1"}, "one a core"},
      {{"threads", "0"}, "all"},
      {{"channels", "0"}, "as the first image"},
      {{"max-steps", "0"}, "epochs decide"},
      {{"eval-batch-size", "0"}, "the batch size"},
      {{"clip-norm", "0"}, "off"},
      {{"clip-value", "0"}, "off"},
      {{"ema", "0"}, "off"},
      {{"loss-scale", "0"}, "automatic"},
      {{"stop-threshold", "0"}, "never"},
      {{"save-every", "0"}, "at the end of epochs"}};
  const auto found = words.find({name, value});
  return found == words.end() ? value : found->second;
}

// Options of the run in their order; those that say how the program talks, or where, are left out.
Settings settings_of(const std::string& folder) {
  Settings all;
  std::istringstream lines(read_file(folder + "/config.toml", 1 << 20));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find('=');
    if (at == std::string::npos || line[0] == '#') continue;
    std::string name = line.substr(0, at);
    name = name.substr(name.rfind('.') + 1);
    if (name == "json" || name == "quiet" || name == "verbose" || name == "out" || name == "overwrite" ||
        name == "resume")
      continue;
    all.emplace_back(name, plain(line.substr(at + 1)));
  }
  return all;
}

// 2026-01-31T12:34:56Z -> 2026-01-31 12:34 UTC
std::string readable_time(const std::string& iso) {
  return iso.size() == 20 && iso[10] == 'T' ? iso.substr(0, 10) + " " + iso.substr(11, 5) + " UTC" : iso;
}

std::string best_epoch(const std::string& path, const std::string& asked) {
  const CsvTable table = read_csv(path);
  const std::string monitor = !asked.empty()                             ? asked
                              : table.find("val_balanced_accuracy") >= 0 ? "val_balanced_accuracy"
                              : table.find("val_AP50") >= 0              ? "val_AP50"
                                                                         : "val_roc_auc";
  const int at = table.find(monitor), epoch_at = table.find("epoch");
  if (at < 0 || epoch_at < 0) return "";
  const double sign = monitor.find("loss") == std::string::npos ? 1 : -1;
  std::string epoch;
  double best = 0;
  for (const auto& row : table.rows) {
    const double value = std::strtod(row[static_cast<std::size_t>(at)].c_str(), nullptr);
    if (std::isnan(value) || (!epoch.empty() && sign * value <= sign * best)) continue;
    best = value;
    epoch = row[static_cast<std::size_t>(epoch_at)];
  }
  return epoch.empty() ? ""
                       : epoch + " of " + std::to_string(table.rows.size()) + " (" + monitor + " " +
                             fixed(best, 4) + ")";
}

}  // namespace

void add_run_facts(report::RunReport& run, const std::string& folder) {
  std::map<std::string, std::string> option, machine;
  if (fs::exists(folder + "/config.toml")) {
    for (const auto& [name, value] : settings_of(folder)) {
      option[name] = value;
      run.configuration.push_back({name, in_words(name, value)});
    }
  }
  if (fs::exists(folder + "/env.json")) {
    const Json env = Json::parse(read_file(folder + "/env.json", 1 << 20), nullptr, false);
    require<FormatError>(env.is_object(), "report: ", folder, "/env.json is not a JSON object; remove it");
    for (const auto& [name, value] : env.items()) {
      std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      if (name == "memory_bytes" && value.is_number_integer()) text = human_bytes(value.get<std::int64_t>());
      if (name == "started") text = readable_time(text);
      machine[name] = text;
      run.environment.push_back({name == "memory_bytes" ? "memory" : name, text});
    }
  }
  const auto fact = [](std::vector<report::Fact>& facts, const char* name, const std::string& value) {
    if (!value.empty()) facts.push_back({name, value});
  };
  fact(run.model, "net", option["model"]);
  const bool boxes = option["task"] == "detection";
  if (boxes) run.kind = "Detection";  // also of a run that nothing was evaluated of
  if (option["task"] == "classification") run.kind = "Classification";
  if (!option["input-size"].empty())
    fact(run.model, "input",
         boxes ? "shorter side " + option["input-size"] + " pixels"
               : option["input-size"] + " x " + option["input-size"] + " pixels");
  if (!option["optimizer"].empty()) {
    fact(run.model, "optimiser",
         option["optimizer"] + ", rate " + option["lr"] + ", schedule " + option["schedule"]);
    fact(run.model, "batch size", option["batch-size"]);
  }
  if (!option["init-from"].empty())
    fact(run.model, "weights from", fs::path(option["init-from"]).filename().string());
  if (fs::exists(folder + "/metrics.csv"))
    fact(run.model, "best epoch", best_epoch(folder + "/metrics.csv", option["monitor"]));
  fact(run.model, "trained", machine["started"]);
  if (!machine["version"].empty())
    fact(
        run.model, "trained by",
        "gadolin " + machine["version"] + (machine["commit"].empty() ? "" : ", commit " + machine["commit"]));
  if (!machine["device"].empty()) fact(run.model, "device", machine["device"] + ", " + machine["dtype"]);
  fact(run.data, "set", option["data"]);
  if (fs::exists(folder + "/split.csv")) add_split_facts(run, folder + "/split.csv");
}

}  // namespace gadolin
