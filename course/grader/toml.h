// The part of TOML that the course's lists use: tables in [[...]], strings, numbers, arrays, true and false.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace gadolin::course {

struct TomlItem {
  std::variant<std::string, double, std::vector<std::string>, std::vector<double>> value;
  int line = 0;
};
struct TomlTable {
  std::string name;  // "" before the first [[...]]
  std::string file;  // for messages
  int line = 0;
  std::map<std::string, TomlItem> items;

  bool has(const std::string& key) const { return items.contains(key); }
  // Throw std::invalid_argument "file:line: ..." for what is missing or of another type.
  std::string text(const std::string& key) const;
  std::string text_or(const std::string& key, const std::string& otherwise) const;
  std::vector<std::string> texts(const std::string& key) const;  // empty when missing
  std::vector<double> numbers(const std::string& key) const;     // one number counts as a list of one
};

// Throws std::invalid_argument "file:line: what" for what it cannot read. `file` only names it.
std::vector<TomlTable> parse_toml(const std::string& text, const std::string& file);
std::vector<TomlTable> read_toml(const std::filesystem::path& file);
// Whole file; throws std::runtime_error naming it.
std::string read_text(const std::filesystem::path& file);

}  // namespace gadolin::course
