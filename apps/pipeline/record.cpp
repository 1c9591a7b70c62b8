#include "apps/pipeline/record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "apps/program/version.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin::pipeline {
namespace {

constexpr const char* states[] = {"none", "clearing", "running", "done"};
constexpr std::size_t longest_history = 20;

Json lines_of(const std::string& text) {
  Json lines = Json::array();
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) lines.push_back(line);
  return lines;
}
std::string text_of(const Json& lines) {
  std::string text;
  for (const Json& line : lines) text += line.get<std::string>() + "\n";
  return text;
}

std::int64_t sum(const std::map<std::string, std::int64_t>& bytes) {
  std::int64_t all = 0;
  for (const auto& [path, n] : bytes) all += n;
  return all;
}

// At `x`, of the line through points (x, y); it falls nowhere and is nowhere below 0.
double on_line(const std::vector<std::pair<double, double>>& points, double x) {
  double mx = 0, my = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(points.size());
  for (const auto& [px, py] : points) {
    mx += px / n;
    my += py / n;
  }
  for (const auto& [px, py] : points) {
    xx += (px - mx) * (px - mx);
    xy += (px - mx) * (py - my);
  }
  const double slope = xx > 0 ? std::max(xy / xx, 0.0) : 0;
  return std::max(my + slope * (x - mx), 0.0);
}

}  // namespace

Record Record::read(const std::string& path) {
  Record record;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return record;
  const std::string text = read_file(path, 1 << 26);
  try {
    const Json json = Json::parse(text);
    const auto* state = std::find(states, std::end(states), json.at("state").get<std::string>());
    record.state = static_cast<State>(state - states);
    record.program = json.at("program");
    record.command = json.at("command").get<std::vector<std::string>>();
    record.options = text_of(json.at("options"));
    for (const auto& [name, print] : json.at("inputs").items()) record.inputs[name] = Fingerprint::of(print);
    for (const auto& [name, print] : json.at("outputs").items())
      record.outputs[name] = Fingerprint::of(print);
    record.metrics = json.at("metrics");
    for (const Json& run : json.at("history"))
      record.history.push_back(
          {text_of(run.at("options")), run.at("input_bytes"), run.at("seconds"), run.at("peak_bytes")});
    if (state == std::end(states)) throw std::invalid_argument(path);
  } catch (const std::exception&) {
    fail<FormatError>("pipeline: ", printable(path),
                      " is no record of a step; remove it, and the step runs again");
  }
  return record;
}

void Record::write(const std::string& path) const {
  Json json{{"state", states[static_cast<int>(state)]},
            {"program", program},
            {"command", command},
            {"options", lines_of(options)},
            {"inputs", Json::object()},
            {"outputs", Json::object()},
            {"metrics", metrics},
            {"history", Json::array()}};
  for (const auto& [name, print] : inputs) json["inputs"][name] = print.json();
  for (const auto& [name, print] : outputs) json["outputs"][name] = print.json();
  const std::size_t begin = history.size() > longest_history ? history.size() - longest_history : 0;
  for (std::size_t i = begin; i < history.size(); ++i)
    json["history"].push_back({{"options", lines_of(history[i].options)},
                               {"input_bytes", history[i].bytes},
                               {"seconds", history[i].seconds},
                               {"peak_bytes", history[i].memory}});
  write_file_atomically(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string this_program() { return program_version() + " " + program_commit(); }

std::map<std::string, Fingerprint> fingerprints(const std::vector<std::string>& paths) {
  std::map<std::string, Fingerprint> found;
  for (const std::string& path : paths) found[path] = fingerprint(path);
  return found;
}

Forecast forecast(const std::vector<Took>& history, const std::string& options,
                  const std::map<std::string, std::int64_t>& bytes) {
  Forecast result;
  std::vector<const Took*> runs;
  for (const Took& run : history)
    if (run.options == options) runs.push_back(&run);
  result.same_options = !runs.empty();
  if (runs.empty())
    for (const Took& run : history) runs.push_back(&run);
  if (runs.empty()) return result;
  std::vector<std::pair<double, double>> seconds, memory;
  double least = 1e300, most = 0;
  for (const Took* run : runs) {
    const auto read = static_cast<double>(sum(run->bytes));
    least = std::min(least, read);
    most = std::max(most, read);
    seconds.emplace_back(read, run->seconds);
    memory.emplace_back(read, static_cast<double>(run->memory));
  }
  const auto now = static_cast<double>(sum(bytes));
  const bool one_size = most <= 1.01 * least;
  const double larger = most > 0 ? now / most : 1;
  result.known = true;
  result.seconds = on_line(seconds, now) * (one_size ? larger : 1);
  result.memory = std::llround(on_line(memory, now) * (one_size ? std::max(larger, 1.0) : 1));
  return result;
}

}  // namespace gadolin::pipeline
