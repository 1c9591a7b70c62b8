#include "apps/mammography/anchor_file.h"

#include <charconv>
#include <cmath>
#include <map>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

constexpr std::size_t levels = 5;  // P3 to P7

std::vector<double> numbers(std::string_view text, const std::string& place, const std::string& key) {
  std::vector<double> all;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const std::size_t end = std::min(text.find_first_of(" \t,"), text.size());
    double value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + end, value);
    require<UsageError>(
        error == std::errc() && rest == text.data() + end && value > 0 && std::isfinite(value), place,
        printable(std::string(text.substr(0, end))), " in ", key,
        " is no number above 0; write numbers with blanks between them");
    all.push_back(value);
    text.remove_prefix(end);
    if (text.starts_with(',')) text.remove_prefix(1);
  }
  require<UsageError>(!all.empty(), place, key, " is empty; write numbers with blanks between them");
  return all;
}

std::string joined(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += (text.empty() ? "" : "/") + exact_text(v);
  return text;
}

}  // namespace

std::vector<std::string> anchor_options_of_text(std::string_view text, const std::string& name) {
  std::vector<std::string> options;
  std::map<std::string, int> seen;
  std::string section;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string place = cat("config: ", printable(name), ":", ++number, ": ");
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      section = line;
      require<UsageError>(section == "[anchor_parameters]" || section == "[pyramid_levels]", place,
                          printable(section),
                          " is unknown; use [anchor_parameters] and [pyramid_levels], and give options of "
                          "the program as a TOML file in front of the command");
      continue;
    }
    const std::size_t equals = line.find_first_of("=:");
    require<UsageError>(equals != line.npos && !section.empty(), place, printable(std::string(line)),
                        " is not KEY = NUMBERS in a section; begin with [anchor_parameters]");
    const std::string key(trimmed(line.substr(0, equals)));
    const bool anchors = section == "[anchor_parameters]";
    const bool known =
        anchors ? key == "sizes" || key == "strides" || key == "ratios" || key == "scales" : key == "levels";
    require<UsageError>(known, place, printable(key), " is unknown in ", section, "; use ",
                        anchors ? "sizes, strides, ratios and scales" : "levels");
    const auto [before, first] = seen.emplace(key, number);
    require<UsageError>(first, place, key, " was given in line ", before->second, " already; leave one out");
    const std::vector<double> values = numbers(line.substr(equals + 1), place, key);
    if (key == "levels") {
      require<UsageError>(values == std::vector<double>({3, 4, 5, 6, 7}), place, "levels ", joined(values),
                          " are not those of the net; use 3 4 5 6 7");
      continue;
    }
    require<UsageError>((key != "sizes" && key != "strides") || values.size() == levels, place, key, " has ",
                        values.size(), " numbers, and the net has ", levels, " levels; give one for each");
    options.push_back("anchor_" + key + "=" + joined(values));
  }
  require<UsageError>(!seen.empty(), "config: ", printable(name),
                      " has no anchors; write [anchor_parameters] and sizes = 16 32 64 128 256");
  return options;
}

std::vector<std::string> anchor_options(const std::string& path) {
  return anchor_options_of_text(read_file(path, 1 << 20), path);
}

}  // namespace gadolin::mammography
