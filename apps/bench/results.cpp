#include "apps/bench/results.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t largest_file = std::int64_t{64} << 20;

std::string text(const nlohmann::json& row, const char* key, const std::string& otherwise = "") {
  const auto found = row.find(key);
  return found != row.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

double positive(const nlohmann::json& row, const char* key, const std::string& where) {
  const auto found = row.find(key);
  require<FormatError>(found != row.end() && found->is_number(), "bench plot: ", where, " has no number ",
                       key);
  const double value = found->get<double>();
  require<FormatError>(std::isfinite(value) && value > 0, "bench plot: ", where, " has ", key, " = ", value,
                       "; a number above 0 was expected");
  return value;
}

std::string side_of(const std::string& framework, const std::string& variant) {
  const bool ours = framework == "gadolin";
  static const std::map<std::string, std::string> names{{"gadolin", "Gadolin"},
                                                        {"pytorch", "PyTorch"},
                                                        {"openvino", "OpenVINO"},
                                                        {"onnxruntime", "ONNX Runtime"}};
  const auto known = names.find(framework);
  const std::string name = known == names.end() ? framework : known->second;
  return variant.empty() || (ours && variant == "graph") ? name : name + " " + variant;
}

void read_times(BenchResult& result, const nlohmann::json& row, const char* middle, const char* least,
                const char* most, const std::string& where) {
  result.value = positive(row, middle, where);
  result.least = row.contains(least) ? positive(row, least, where) : result.value;
  result.most = row.contains(most) ? positive(row, most, where) : result.value;
}

// Rows of the form before JSON lines: both sides in one object.
void read_paired(const nlohmann::json& row, BenchResult result, const std::string& where,
                 std::vector<BenchResult>& out) {
  if (result.suite == "memory") {
    for (const auto& [side, key] : {std::pair{"PyTorch", "pytorch_mb"}, {"Gadolin", "gadolin_mb"}}) {
      result.side = side;
      read_times(result, row, key, "", "", where);
      out.push_back(result);
    }
    return;
  }
  const auto theirs = row.find("pytorch_ms"), ours = row.find("gadolin_ms");
  require<FormatError>(theirs->is_object(), "bench plot: ", where, " has a pytorch_ms that is no object");
  for (const auto& [variant, times] : theirs->items()) {
    if (!times.is_object()) continue;
    result.side = side_of("pytorch", variant);
    read_times(result, times, "median", "min", "max", where);
    out.push_back(result);
  }
  if (ours == row.end() || !ours->is_object()) return;
  result.side = "Gadolin";
  read_times(result, *ours, "median", "min", "max", where);
  out.push_back(result);
}

void read_row(const nlohmann::json& row, const std::string& where, std::vector<BenchResult>& out) {
  require<FormatError>(row.is_object(), "bench plot: ", where, " is no JSON object");
  BenchResult result;
  result.suite = text(row, "suite", text(row, "event") == "op" && row.contains("share") ? "op" : "");
  static const std::set<std::string> known = {"model", "latency", "loader",     "endtoend", "memory",
                                              "op",    "startup", "first step", "step"};
  if (known.count(result.suite) == 0) return;  // machine, check, done: for other readers
  result.name = text(row, "net", text(row, "name", result.suite));
  result.mode = text(row, "mode", text(row, "family"));
  if (text(row, "from") == "host") result.mode += " from the host";
  result.dtype = text(row, "dtype");
  result.part = text(row, "part");
  for (const char* key : {"batch", "images"}) {
    const auto found = row.find(key);
    if (found != row.end() && found->is_number_integer()) result.batch = found->get<std::int64_t>();
  }
  if (row.contains("pytorch_ms") || row.contains("pytorch_mb")) return read_paired(row, result, where, out);
  result.side = result.suite == "op" ? text(row, "framework") == "pytorch" ? "PyTorch" : ""
                                     : side_of(text(row, "framework", "gadolin"), text(row, "variant"));
  if (result.suite == "op")
    read_times(result, row, "share", "", "", where);
  else if (result.suite == "memory")
    read_times(result, row, "peak_mb", "", "", where);
  else if (result.suite == "latency")
    read_times(result, row, "p50_ms", "p50_ms", "p99_ms", where);
  else if (result.suite == "startup" || result.suite == "step")
    read_times(result, row, "ms", "min_ms", "max_ms", where);
  else
    read_times(result, row, "median_ms", "min_ms", "max_ms", where);
  out.push_back(result);
}

struct File {
  BenchSource source;
  std::vector<BenchResult> rows;
};

void read_machine(const nlohmann::json& about, BenchSource& source) {
  source.time = text(about, "time", source.time);
  source.machine = text(about, "gpu", text(about, "cpu", source.machine));
  source.torch = text(about, "torch", source.torch);
  const auto threads = about.find("threads");
  if (!about.contains("gpu") && threads != about.end() && threads->is_number_integer() &&
      !source.machine.empty()) {
    source.machine += ", " + std::to_string(threads->get<std::int64_t>()) + " threads";
  }
}

File read_one(const std::string& path) {
  const std::string contents = read_file(path, largest_file);
  File file{{fs::path(path).filename().string(), "", "", ""}, {}};
  const nlohmann::json whole = nlohmann::json::parse(contents, nullptr, false);
  if (whole.is_object() && (whole.contains("rows") || whole.contains("machine"))) {
    if (whole.contains("machine")) read_machine(whole["machine"], file.source);
    const auto rows = whole.find("rows");
    require<FormatError>(rows != whole.end() && rows->is_array(), "bench plot: ", path, " has no array rows");
    for (std::size_t i = 0; i < rows->size(); ++i)
      read_row((*rows)[i], cat(path, ", row ", i + 1), file.rows);
    return file;
  }
  std::size_t line = 0;
  for (std::size_t at = 0; at < contents.size();) {
    const std::size_t end = std::min(contents.find('\n', at), contents.size());
    ++line;
    const std::string here = contents.substr(at, end - at);
    at = end + 1;
    if (here.find_first_not_of(" \t\r") == std::string::npos) continue;
    const nlohmann::json row = nlohmann::json::parse(here, nullptr, false);
    const std::string where = cat(path, ", line ", line);
    require<FormatError>(row.is_object(), "bench plot: ", where,
                         " is no JSON object; files that bench/compare_pytorch.py --json, tools/gpu.sh and "
                         "gadolin bench --json wrote are read");
    if (text(row, "suite") == "machine") read_machine(row, file.source);
    read_row(row, where, file.rows);
  }
  require<FormatError>(line > 0, "bench plot: ", path, " is empty");
  return file;
}

}  // namespace

std::string BenchResult::group() const {
  return cat(suite, '\n', name, '\n', mode, '\n', dtype, '\n', batch);
}

BenchResults read_bench_results(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".json") inside.push_back(entry.path().string());
    }
    require<FileError>(!inside.empty(), "bench plot: ", path, " holds no .json file");
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  std::vector<File> all;
  for (const std::string& path : files) all.push_back(read_one(path));
  std::stable_sort(all.begin(), all.end(),
                   [](const File& a, const File& b) { return a.source.time < b.source.time; });
  BenchResults results;
  for (const File& file : all) {
    std::set<std::string> anew;
    for (const BenchResult& row : file.rows) anew.insert(row.group());
    const auto old = [&](const BenchResult& row) { return anew.count(row.group()) == 1; };
    results.rows.erase(std::remove_if(results.rows.begin(), results.rows.end(), old), results.rows.end());
    results.rows.insert(results.rows.end(), file.rows.begin(), file.rows.end());
    if (!file.rows.empty()) results.sources.push_back(file.source);
  }
  return results;
}

std::vector<BenchComparison> compare_sides(const std::vector<BenchResult>& rows) {
  std::vector<BenchComparison> all;
  std::set<std::string> done;
  for (const BenchResult& row : rows) {
    if (!row.part.empty() || row.suite == "op" || !done.insert(row.group()).second) continue;
    const BenchResult *ours = nullptr, *best = nullptr, *eager = nullptr;
    for (const BenchResult& other : rows) {
      if (other.group() != row.group()) continue;
      if (other.ours()) {
        if (ours == nullptr || other.side == "Gadolin") ours = &other;  // eager steps are for attribution
      } else {
        if (best == nullptr || other.value < best->value) best = &other;
        if (other.side == "PyTorch eager") eager = &other;
      }
    }
    if (ours == nullptr || best == nullptr) continue;
    BenchComparison c{
        *ours, *best, best->value / ours->value, best->least / ours->most, best->most / ours->least,
        0,     false};
    if (eager != nullptr) c.to_eager = eager->value / ours->value;
    c.tie = c.low <= 1 && c.high >= 1;
    all.push_back(c);
  }
  return all;
}

}  // namespace gadolin
