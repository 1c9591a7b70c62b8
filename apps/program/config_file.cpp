#include "apps/program/config_file.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "apps/program/toml_lines.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

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
  const std::string text(std::istreambuf_iterator<char>(input), {}), place = "config: " + printable(file);
  for (const TomlLine& line : toml_lines(text, place)) {
    const std::string where = cat(place, ":", line.number, ": ");
    const std::vector<std::string>& values = line.values;
    std::string full = line.section.empty() ? line.name : line.section + "." + line.name;
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
    require<UsageError>(option->get_expected_min() > 0 || (values.size() == 1 && is_switch(values.front())),
                        where, printable(full), " is true or false, not ",
                        printable(values.size() == 1 ? values.front() : "a list"), "; write ",
                        printable(full), " = true");
    const auto [before, first] = lines.emplace(full, line.number);
    require<UsageError>(first, where, printable(full), " was given in line ", before->second,
                        " already; leave one out");
    std::vector<std::string> parts = parts_of(full);
    CLI::ConfigItem item;
    item.name = parts.back();
    parts.pop_back();
    item.parents = std::move(parts);
    item.inputs = values;
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace gadolin
