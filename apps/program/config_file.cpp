#include "apps/program/config_file.h"

#include <algorithm>
#include <map>
#include <optional>

#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

std::string without_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::vector<std::string> parts_of(const std::string& dotted) {
  std::vector<std::string> parts{""};
  for (const char c : dotted) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// One value at the head of `text`, taken from it; nothing where there is none.
std::optional<std::string> take_value(std::string_view& text) {
  text = trimmed(text);
  if (text.empty()) return {};
  const char quote = text[0];
  std::size_t end = 0;
  std::string value;
  if (quote == '"' || quote == '\'') {
    end = text.find(quote, 1);
    if (end == std::string_view::npos) return {};
    value = text.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(text.find_first_of(" \t#\"'[]"), text.size());
    value = text.substr(0, end);
    if (end == 0) return {};
  }
  text = trimmed(text.substr(end));
  return value;
}

// What stands behind the "=": values, and nothing more than a comment after them.
std::optional<std::vector<std::string>> values_of(std::string_view text) {
  std::vector<std::string> values;
  text = trimmed(text);
  const bool array = text.starts_with('[');
  if (!array) {
    if (const auto value = take_value(text)) values.push_back(*value);
    if (values.empty()) return {};
  } else {
    text = trimmed(text.substr(1));
    while (!text.starts_with(']')) {
      // A word in an array ends at the comma.
      const bool quoted = text.starts_with('"') || text.starts_with('\'');
      const std::size_t comma = quoted ? text.size() : std::min(text.find_first_of(",]"), text.size());
      std::string_view head = text.substr(0, comma);
      const auto value = take_value(head);
      if (!value || (!quoted && !head.empty())) return {};
      values.push_back(*value);
      text = quoted ? head : trimmed(text.substr(comma));
      if (text.starts_with(','))
        text = trimmed(text.substr(1));
      else if (!text.starts_with(']'))
        return {};
    }
    text = trimmed(text.substr(1));
  }
  if (!text.empty() && text[0] != '#') return {};
  return values;
}

// The option of a dotted name below `app`; nullptr without one.
const CLI::Option* option_of(const CLI::App& root, const std::vector<std::string>& parts) {
  const CLI::App* app = &root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const CLI::App* next = nullptr;
    for (const CLI::App* sub : app->get_subcommands({}))
      if (sub->get_name() == parts[i]) next = sub;
    if (next == nullptr) return nullptr;
    app = next;
  }
  for (const std::string& name : {"--" + parts.back(), parts.back()}) {
    const CLI::Option* option = app->get_option_no_throw(name);
    if (option != nullptr && option->get_configurable()) return option;
  }
  return nullptr;
}

void add_names(const CLI::App& app, const std::string& before, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_configurable()) continue;
    for (const std::string& name : option->get_lnames()) names.push_back(before + name);
    if (option->get_positional()) names.push_back(before + option->get_name(true));
  }
  for (const CLI::App* sub : app.get_subcommands({})) add_names(*sub, before + sub->get_name() + ".", names);
}

// The name that may have been meant: first that of a command in use, whose section was left out.
std::string near_name(const CLI::App& root, const std::string& name) {
  std::vector<std::string> known;
  add_names(root, "", known);
  std::string path;
  for (const CLI::App* app = &root; app != nullptr;) {
    const auto used = app->get_subcommands();
    app = used.empty() ? nullptr : used.front();
    if (app != nullptr) path += app->get_name() + ".";
  }
  if (std::find(known.begin(), known.end(), path + name) != known.end()) return path + name;
  const std::string near = nearest(name, known);
  return near.empty() && name.find('.') == std::string::npos ? nearest(path + name, known) : near;
}

bool is_switch(const std::string& text) {
  for (const char* word : {"true", "false", "on", "off", "yes", "no", "1", "0"})
    if (text == word) return true;
  return false;
}

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  const std::string file = app_.get_config_ptr()->as<std::string>();
  std::vector<CLI::ConfigItem> items;
  std::map<std::string, int> lines;
  std::string line, section;
  for (int number = 1; std::getline(input, line); ++number) {
    const std::string where = cat("config: ", printable(file), ":", number, ": ");
    std::string_view text = trimmed(line);
    if (number == 1 && text.starts_with("\xef\xbb\xbf")) text = trimmed(text.substr(3));
    if (text.empty() || text[0] == '#') continue;
    if (text[0] == '[') {
      const std::size_t end = text.find(']');
      const std::string_view rest = end == text.npos ? "?" : trimmed(text.substr(end + 1));
      require<UsageError>(rest.empty() || rest[0] == '#', where, printable(std::string(text)),
                          " is no section; write it as [train]");
      section = without_underscores(std::string(trimmed(text.substr(1, end - 1)))) + ".";
      continue;
    }
    const std::size_t equals = text.find('=');
    const auto values = equals == text.npos ? std::nullopt : values_of(text.substr(equals + 1));
    const std::string name = without_underscores(std::string(trimmed(text.substr(0, equals))));
    require<UsageError>(values && !name.empty(), where, printable(std::string(text)),
                        " is not NAME = VALUE; texts with blanks stand in quotes");
    std::string full = section + name;
    const CLI::Option* option = option_of(app_, parts_of(full));
    // A common option in the section of a command.
    if (option == nullptr && (option = option_of(app_, {parts_of(full).back()})) != nullptr)
      full = parts_of(full).back();
    if (option == nullptr) {
      const std::string near = near_name(app_, full);
      fail<UsageError>(
          where, "there is no option ", printable(full), "; ",
          near.empty() ? std::string("gadolin COMMAND --help lists them") : "did you mean " + near + "?");
    }
    require<UsageError>(option->get_expected_min() > 0 || (values->size() == 1 && is_switch(values->front())),
                        where, printable(full), " is true or false, not ",
                        printable(values->size() == 1 ? values->front() : "a list"), "; write ",
                        printable(full), " = true");
    const auto [before, first] = lines.emplace(full, number);
    require<UsageError>(first, where, printable(full), " was given in line ", before->second,
                        " already; leave one out");
    std::vector<std::string> parts = parts_of(full);
    CLI::ConfigItem item;
    item.name = parts.back();
    parts.pop_back();
    item.parents = std::move(parts);
    item.inputs = *values;
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace gadolin
